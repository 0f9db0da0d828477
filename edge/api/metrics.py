"""The metrics.k8s.io group: what nodes and pods use now, worked out from what the agents answer.

https://kubernetes.io/docs/reference/external-api/metrics.v1beta1/
"""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc
from edge.api.resource import Resource


class ContainerMetrics(meta.Struct):
    """What one container uses."""

    name: Annotated[str, doc("Name of the container.", required=True)] = ""
    usage: Annotated[dict[str, meta.Quantity], doc("Amounts of cpu and memory.", required=True)] = meta.written(dict)


class NodeMetrics(meta.Object):
    """What a node uses."""

    timestamp: Annotated[meta.Time | None, doc("When it was measured.", required=True)] = None
    window: Annotated[str, doc("The time over which cpu was measured, such as 15s.", required=True)] = ""
    usage: Annotated[dict[str, meta.Quantity], doc("Amounts of cpu and memory.", required=True)] = meta.written(dict)


class PodMetrics(meta.Object):
    """What the containers of a pod use."""

    timestamp: Annotated[meta.Time | None, doc("When it was measured.", required=True)] = None
    window: Annotated[str, doc("The time over which cpu was measured, such as 15s.", required=True)] = ""
    containers: Annotated[tuple[ContainerMetrics, ...], doc(
        "What each container uses.", list_type="atomic", required=True)] = meta.written(tuple)


RESOURCES = (
    Resource(group="metrics.k8s.io", version="v1beta1", kind="NodeMetrics", plural="nodes", type=NodeMetrics,
             namespaced=False, virtual=True, verbs=("get", "list")),
    Resource(group="metrics.k8s.io", version="v1beta1", kind="PodMetrics", plural="pods", type=PodMetrics,
             virtual=True, verbs=("get", "list")),
)
