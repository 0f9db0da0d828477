"""How what extends the API or the scheduling is shown: webhooks, APIServices, priority and runtime classes."""

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
    number,
    section,
    text,
)


def _webhooks(obj: Obj, now: datetime) -> list[Cell]:
    return [name(obj), len(items(obj, "webhooks")), age(obj, now)]


def _api_service(obj: Obj, now: datetime) -> list[Cell]:
    service = section(obj, "spec", "service")
    answerer = f"{text(service, 'namespace')}/{text(service, 'name')}" if service else "Local"
    return [name(obj), answerer, _available(section(obj, "status")), age(obj, now)]


def _available(status: Obj) -> str:
    for condition in items(status, "conditions"):
        if text(condition, "type") == "Available":
            state = text(condition, "status")
            return state if state == "True" else f"{state} ({text(condition, 'reason')})"
    return "Unknown"


def _priority_class(obj: Obj, now: datetime) -> list[Cell]:
    return [name(obj), number(obj, "value"), bool(obj.get("globalDefault")), age(obj, now),
            text(obj, "preemptionPolicy")]


def _runtime_class(obj: Obj, now: datetime) -> list[Cell]:
    return [name(obj), text(obj, "handler"), age(obj, now)]


WEBHOOKS = Printer(columns(NAME, "#Webhooks", AGE), _webhooks)
API_SERVICE = Printer(columns(NAME, "Service", "Available", AGE), _api_service)
PRIORITY_CLASS = Printer(columns(NAME, "#Value", Column("Global-Default", type="boolean"), AGE, "PreemptionPolicy"),
                         _priority_class)
RUNTIME_CLASS = Printer(columns(NAME, "Handler", AGE), _runtime_class)
