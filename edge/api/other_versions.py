"""Kinds whose fields have other names in another version of today: how OpenAPI describes them there.

Objects are converted at the door (`conversion`), so these types are read for their descriptions alone.
"""

from __future__ import annotations

from edge.api import autoscaling, events, meta
from edge.api.resource import Resource

_SHAPES: dict[tuple[str, str], type[meta.Object]] = {
    ("autoscaling/v1", "HorizontalPodAutoscaler"): autoscaling.HorizontalPodAutoscaler,
    ("events.k8s.io/v1", "Event"): events.RegardingEvent,
    ("events.k8s.io/v1beta1", "Event"): events.RegardingEvent,
}


def shape(resource: Resource, api_version: str) -> type[meta.Object]:
    """Return the type that describes a kind in one of its versions."""
    return _SHAPES.get((api_version, resource.kind), resource.type)
