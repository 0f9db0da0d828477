"""How roles and bindings are shown."""

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


def _role(obj: Obj, _now: datetime) -> list[Cell]:
    return [name(obj), text(section(obj, "metadata"), "creationTimestamp")]


def _binding(obj: Obj, now: datetime) -> list[Cell]:
    ref = section(obj, "roleRef")
    return [name(obj), f"{text(ref, 'kind')}/{text(ref, 'name')}", age(obj, now), _subjects(obj, "User"),
            _subjects(obj, "Group"), _subjects(obj, "ServiceAccount")]


def _subjects(obj: Obj, kind: str) -> str:
    found = (each for each in items(obj, "subjects") if text(each, "kind") == kind)
    return ", ".join("/".join(part for part in (text(each, "namespace"), text(each, "name")) if part)
                     if kind == "ServiceAccount" else text(each, "name") for each in found)


ROLE = Printer(columns(NAME, Column("Created At", type="date")), _role)
BINDING = Printer(columns(NAME, "Role", AGE, "+Users", "+Groups", "+ServiceAccounts"), _binding)
