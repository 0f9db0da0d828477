"""HorizontalPodAutoscalers of older versions: other names for metrics, and annotations for what a version cannot say.

`autoscaling/v1` knows one percentage of CPU; `v2beta1` spells metrics flat (`metricName`, `targetAverageValue`) and has
no behavior; `v2beta2` is like today's. What does not fit is kept in annotations, so that nothing is lost by a client
that reads one version and writes another.
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v1/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

Json = dict[str, Any]

_PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS, CURRENT = f"{_PREFIX}metrics", f"{_PREFIX}current-metrics"
CONDITIONS, BEHAVIOR = f"{_PREFIX}conditions", f"{_PREFIX}behavior"
_OURS = (METRICS, CURRENT, CONDITIONS, BEHAVIOR)
# No deeper than rules and their policies: whatever else the annotation says is not ours.
_Behavior = dict[str, dict[str, int | str | list[dict[str, int | str]] | None] | None]

# source -> its fields as v2beta1 and the annotations name them, and where they are today
_METRIC = (("metricName", ("metric", "name")), ("selector", ("metric", "selector")))
_WANTED: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "object": (*_METRIC, ("target", ("describedObject",)), ("targetValue", ("target", "value")),
               ("averageValue", ("target", "averageValue"))),
    "pods": (*_METRIC, ("targetAverageValue", ("target", "averageValue"))),
    "resource": (("targetAverageUtilization", ("target", "averageUtilization")),
                 ("targetAverageValue", ("target", "averageValue"))),
    "external": (("metricName", ("metric", "name")), ("metricSelector", ("metric", "selector")),
                 ("targetValue", ("target", "value")), ("targetAverageValue", ("target", "averageValue"))),
}
_WANTED["containerResource"] = _WANTED["resource"]
_FOUND: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "object": (*_METRIC, ("target", ("describedObject",)), ("currentValue", ("current", "value")),
               ("averageValue", ("current", "averageValue"))),
    "pods": (*_METRIC, ("currentAverageValue", ("current", "averageValue"))),
    "resource": (("currentAverageUtilization", ("current", "averageUtilization")),
                 ("currentAverageValue", ("current", "averageValue"))),
    "external": (("metricName", ("metric", "name")), ("metricSelector", ("metric", "selector")),
                 ("currentValue", ("current", "value")), ("currentAverageValue", ("current", "averageValue"))),
}
_FOUND["containerResource"] = _FOUND["resource"]
_TABLES = {"target": _WANTED, "current": _FOUND}


def autoscaler_in(api_version: str, obj: Json) -> None:
    """Turn an autoscaler of an old version into today's."""
    said = _take_annotations(obj)
    spec, status = _section(obj, "spec"), _section(obj, "status")
    if api_version == "autoscaling/v1":
        _from_v1(spec, status, said)
    elif api_version == "autoscaling/v2beta1":
        _each(spec, "metrics", lambda metric: _new(metric, "target"))
        _each(status, "currentMetrics", lambda metric: _new(metric, "current"))
    if api_version != "autoscaling/v2beta2" and (behavior := _read(said, BEHAVIOR, _Behavior)):
        spec["behavior"] = _renamed(behavior, lambda key: key[:1].lower() + key[1:])
    if obj["status"] == {}:
        del obj["status"]


def autoscaler_out(api_version: str, obj: Json) -> None:
    """Turn an autoscaler of today into what an old version shows."""
    _take_annotations(obj)
    spec, status = _section(obj, "spec"), _section(obj, "status")
    said: Json = {}
    if api_version == "autoscaling/v1":
        _to_v1(spec, status, said)
    elif api_version == "autoscaling/v2beta1":
        _each(spec, "metrics", lambda metric: _old(metric, "target"))
        _each(status, "currentMetrics", lambda metric: _old(metric, "current"))
        status.setdefault("currentReplicas", 0)
    if api_version != "autoscaling/v2beta2" and (behavior := spec.pop("behavior", None)):
        said[BEHAVIOR] = _renamed(behavior, lambda key: key[:1].upper() + key[1:])
    if said:
        annotations = _section(_section(obj, "metadata"), "annotations")
        annotations.update({key: msgspec.json.encode(value).decode() for key, value in said.items()})


def _from_v1(spec: Json, status: Json, said: dict[str, str]) -> None:
    metrics = [_new(metric, "target") for metric in _listed(said, METRICS)]
    percentage = spec.pop("targetCPUUtilizationPercentage", None)
    if percentage is not None:
        metrics.append({"type": "Resource", "resource": {
            "name": "cpu", "target": {"type": "Utilization", "averageUtilization": percentage}}})
    if metrics:
        spec["metrics"] = metrics
    current = status.pop("currentCPUUtilizationPercentage", None)
    # The annotation says more than the percentage: it has the raw value, too.
    found = [_new(metric, "current") for metric in _listed(said, CURRENT)]
    if not found and current is not None:
        found = [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": current}}}]
    if found:
        status["currentMetrics"] = found
    if conditions := _listed(said, CONDITIONS):
        status["conditions"] = conditions


def _to_v1(spec: Json, status: Json, said: Json) -> None:
    others = []
    for metric in spec.pop("metrics", None) or []:
        percentage = _cpu(metric, "target")
        if percentage is not None and "targetCPUUtilizationPercentage" not in spec:
            spec["targetCPUUtilizationPercentage"] = percentage
        else:
            others.append(_old(metric, "target"))
    if others:
        said[METRICS] = others
    found = status.pop("currentMetrics", None) or []
    for metric in found:
        if (current := _cpu(metric, "current")) is not None:
            status["currentCPUUtilizationPercentage"] = current
    if found:
        said[CURRENT] = [_old(metric, "current") for metric in found]
    if conditions := status.pop("conditions", None):
        said[CONDITIONS] = conditions
    status.setdefault("currentReplicas", 0)
    status.setdefault("desiredReplicas", 0)


def _cpu(metric: Json, part: str) -> Any:
    """Return the percentage of a metric that is about the use of CPU, or None."""
    resource = metric.get("resource")
    if metric.get("type") != "Resource" or not isinstance(resource, dict) or resource.get("name") != "cpu":
        return None
    return _section(resource, part).get("averageUtilization")


def _new(metric: Json, part: str) -> Json:
    """Return a metric with today's names; `part` is `target` for what is wanted and `current` for what was found."""
    made: Json = {}
    for kind, source in metric.items():
        table = _TABLES[part].get(kind)
        if table is None or not isinstance(source, dict):
            made[kind] = source
            continue
        places = dict(table)
        moved: Json = {}
        for key, value in source.items():
            *path, last = places.get(key, (key,))
            home = moved
            for step in path:
                home = _section(home, step)
            home[last] = value
        made[kind] = moved
        if part == "target":
            target = _section(moved, "target")
            made[kind] = {**moved, "target": {"type": _target_type(kind, target), **target}}
    return made


def _target_type(kind: str, target: Json) -> str:
    if kind in ("resource", "containerResource"):
        return "AverageValue" if target.get("averageUtilization") is None else "Utilization"
    if kind == "object":
        return "Value" if target.get("averageValue") is None else "AverageValue"
    return "AverageValue" if target.get("value") is None else "Value"


def _old(metric: Json, part: str) -> Json:
    """Return a metric with the names of v2beta1."""
    made: Json = {}
    for kind, source in metric.items():
        table = _TABLES[part].get(kind)
        if table is None or not isinstance(source, dict):
            made[kind] = source
            continue
        moved = {key: value for key, value in source.items() if key not in ("metric", "describedObject", part)}
        for key, path in table:
            value: Any = source
            for step in path:
                value = value.get(step) if isinstance(value, dict) else None
            if value is not None:
                moved[key] = value
        made[kind] = moved
    return made


def _take_annotations(obj: Json) -> dict[str, str]:
    """Take our annotations off the object and return them: only a conversion may have written them."""
    metadata = obj.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(annotations, dict):
        return {}
    taken = {key: annotations.pop(key) for key in _OURS if isinstance(annotations.get(key), str)}
    if not annotations:
        del metadata["annotations"]
    return taken


def _read(said: dict[str, str], key: str, kind: Any) -> Any:
    """Return what an annotation says; None when it is absent or was broken by hand."""
    try:
        return msgspec.json.decode(said[key], type=kind) if key in said else None
    except (msgspec.DecodeError, RecursionError):
        return None


def _listed(said: dict[str, str], key: str) -> list[Json]:
    return _read(said, key, list[Json]) or []


def _each(section: Json, key: str, change: Callable[[Json], Json]) -> None:
    items = section.get(key)
    if isinstance(items, list):
        section[key] = [change(item) if isinstance(item, dict) else item for item in items]


def _renamed(value: Any, name: Callable[[str], str]) -> Any:
    """Return a value with all names of fields changed: the annotation has them with a capital."""
    if isinstance(value, dict):
        return {name(key): _renamed(item, name) for key, item in value.items() if item is not None}
    return [_renamed(item, name) for item in value] if isinstance(value, list) else value


def _section(parent: Json, key: str) -> Json:
    """Return the mapping below `key`, made when it is absent; something of a wrong type is left to the decoder."""
    if parent.get(key) is None:
        parent[key] = {}
    section = parent[key]
    return section if isinstance(section, dict) else {}
