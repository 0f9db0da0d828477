"""How LimitRanges, ResourceQuotas and the parts of the control plane are shown."""

from __future__ import annotations

from datetime import datetime

from edge.apiserver.tables.columns import (
    AGE,
    NAME,
    Cell,
    Column,
    Obj,
    Printer,
    age,
    columns,
    items,
    name,
    section,
    text,
)


def _limit_range(obj: Obj, _now: datetime) -> list[Cell]:
    return [name(obj), text(section(obj, "metadata"), "creationTimestamp")]


def _resource_quota(obj: Obj, now: datetime) -> list[Cell]:
    hard, used = section(obj, "status", "hard"), section(obj, "status", "used")
    shown: dict[bool, list[str]] = {False: [], True: []}
    for resource in sorted(hard):
        amount = f"{resource}: {text(used, resource, '0')}/{text(hard, resource)}"
        shown[resource.startswith("limits.")].append(amount)
    return [name(obj), ", ".join(shown[False]), ", ".join(shown[True]), age(obj, now)]


def _component_status(obj: Obj, _now: datetime) -> list[Cell]:
    healthy = next((each for each in items(obj, "conditions") if text(each, "type") == "Healthy"), None)
    if healthy is None:
        return [name(obj), "Unknown", "", ""]
    status = "Healthy" if text(healthy, "status") == "True" else "Unhealthy"
    return [name(obj), status, text(healthy, "message"), text(healthy, "error")]


LIMIT_RANGE = Printer(columns(
    NAME, Column("Created At", type="date", description="When the object was created.")), _limit_range)
RESOURCE_QUOTA = Printer(columns(
    NAME, Column("Request", description="What is taken and what there is of each resource that is asked for."),
    Column("Limit", description="What is taken and what there is of each resource that is limited."), AGE),
    _resource_quota)
COMPONENT_STATUS = Printer(columns(
    NAME, Column("Status", description="Healthy, Unhealthy or Unknown."),
    Column("Message", description="What the component says."),
    Column("Error", description="What is wrong with it.")), _component_status)
