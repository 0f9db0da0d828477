"""How HorizontalPodAutoscalers are shown: above all what was measured against what is wanted."""

from __future__ import annotations

from datetime import datetime

from edge.apiserver.tables.columns import (
    AGE,
    NAME,
    NONE,
    Cell,
    Obj,
    Printer,
    age,
    columns,
    items,
    name,
    number,
    section,
    text,
)

_UNKNOWN = "<unknown>"
_SOURCES = {"ContainerResource": "containerResource", "External": "external", "Object": "object", "Pods": "pods",
            "Resource": "resource"}
_SHOWN = 2


def _autoscaler(obj: Obj, now: datetime) -> list[Cell]:
    spec, status = section(obj, "spec"), section(obj, "status")
    target = section(spec, "scaleTargetRef")
    return [name(obj), f"{text(target, 'kind')}/{text(target, 'name')}",
            _metrics(items(spec, "metrics"), items(status, "currentMetrics")), text(spec, "minReplicas", "<unset>"),
            number(spec, "maxReplicas"), number(status, "currentReplicas"), age(obj, now)]


def _metrics(wanted: list[Obj], found: list[Obj]) -> str:
    """Return `cpu: 10%/50%, memory: 20Mi/64Mi`; of the metrics beyond the second only how many there are."""
    shown = [_metric(metric, found[index] if index < len(found) else {}) for index, metric in enumerate(wanted)]
    more = f" + {len(shown) - _SHOWN} more..." if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more or NONE


def _metric(metric: Obj, found: Obj) -> str:
    kind = text(metric, "type")
    source = _SOURCES.get(kind)
    if source is None:
        return "<unknown type>"
    target, current = section(metric, source, "target"), section(found, source, "current")
    if kind in ("Resource", "ContainerResource"):
        which = text(section(metric, source), "name")
        if text(target, "averageValue"):
            return f"{which}: {text(current, 'averageValue', _UNKNOWN)}/{text(target, 'averageValue')}"
        return f"{which}: {_percent(current, _UNKNOWN)}/{_percent(target, '<auto>')}"
    if text(target, "averageValue"):
        mark = "" if kind == "Pods" else " (avg)"
        return f"{text(current, 'averageValue', _UNKNOWN)}/{text(target, 'averageValue')}{mark}"
    return f"{text(current, 'value', _UNKNOWN)}/{text(target, 'value', _UNKNOWN)}"


def _percent(values: Obj, absent: str) -> str:
    return f"{values['averageUtilization']}%" if values.get("averageUtilization") is not None else absent


AUTOSCALER = Printer(columns(NAME, "Reference", "Targets", "MinPods", "MaxPods", "Replicas", AGE), _autoscaler)
