"""The `scale` subresource of custom objects: the numbers are where their definition says.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#scale-subresource
"""

from __future__ import annotations

from typing import Any

import msgspec

from edge.api import apiextensions, autoscaling, custom, errors, meta


def of(paths: apiextensions.CustomResourceSubresourceScale, obj: custom.Custom) -> autoscaling.Scale:
    """Return the Scale of an object. Raises errors.ApiError (500) when it asks for no number."""
    m = obj.metadata
    wanted, there = _at(obj.content, paths.spec_replicas_path), _at(obj.content, paths.status_replicas_path)
    if not _whole(wanted):
        raise errors.ApiError(f"Internal error occurred: the spec replicas field {paths.spec_replicas_path!r} does not "
                              "exist")
    selector = _at(obj.content, paths.label_selector_path) if paths.label_selector_path else ""
    return autoscaling.Scale(
        api_version="autoscaling/v1", kind="Scale",
        metadata=meta.ObjectMeta(name=m.name, namespace=m.namespace, uid=m.uid, resource_version=m.resource_version,
                                 creation_timestamp=m.creation_timestamp),
        spec=autoscaling.ScaleSpec(replicas=wanted),
        status=autoscaling.ScaleStatus(replicas=there if _whole(there) else 0,
                                       selector=selector if isinstance(selector, str) else ""))


def applied(paths: apiextensions.CustomResourceSubresourceScale, obj: custom.Custom,
            scale: autoscaling.Scale) -> custom.Custom:
    """Return the object with the number the Scale asks for, and the revision it was read at."""
    content = _with(obj.content, paths.spec_replicas_path.removeprefix(".").split("."), scale.spec.replicas)
    metadata = msgspec.structs.replace(obj.metadata, resource_version=scale.metadata.resource_version)
    return msgspec.structs.replace(obj, metadata=metadata, content=content)


def _at(content: dict[str, Any], path: str) -> Any:
    value: Any = content
    for name in path.removeprefix(".").split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _with(value: Any, names: list[str], number: int) -> dict[str, Any]:
    inside = value if isinstance(value, dict) else {}
    first, *rest = names
    return {**inside, first: _with(inside.get(first), rest, number) if rest else number}


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
