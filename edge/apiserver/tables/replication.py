"""How ReplicationControllers and PodTemplates are shown."""

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
    containers,
    labels,
    name,
    number,
    section,
)

_CONTAINERS = "Names of the template's containers."
_IMAGES = "Images of the template's containers."


def _replication_controller(obj: Obj, now: datetime) -> list[Cell]:
    spec, status = section(obj, "spec"), section(obj, "status")
    return [name(obj), number(spec, "replicas", 1), number(status, "replicas"), number(status, "readyReplicas"),
            age(obj, now), *containers(section(spec, "template", "spec")), labels(section(spec, "selector"))]


def _pod_template(obj: Obj, _now: datetime) -> list[Cell]:
    return [name(obj), *containers(section(obj, "template", "spec")),
            labels(section(obj, "template", "metadata", "labels"))]


REPLICATION_CONTROLLER = Printer(columns(
    NAME, Column("Desired", type="integer", description="Number of pods there should be."),
    Column("Current", type="integer", description="Number of pods there are."),
    Column("Ready", type="integer", description="Number of pods that are ready."), AGE,
    Column("Containers", priority=1, description=_CONTAINERS), Column("Images", priority=1, description=_IMAGES),
    Column("Selector", priority=1, description="Labels of the pods.")), _replication_controller)
POD_TEMPLATE = Printer(columns(
    NAME, Column("Containers", description=_CONTAINERS), Column("Images", description=_IMAGES),
    Column("Pod Labels", description="Labels of the pods.")), _pod_template)
