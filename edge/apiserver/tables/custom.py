"""Tables of custom kinds, from the columns their definitions ask for, and the table of the definitions themselves.

A column's path is read once. A value that is missing, or not of the column's type, is an empty cell.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from edge.api import apiextensions, jsonpath
from edge.apiserver.tables import duration
from edge.apiserver.tables.columns import AGE, NAME, Cell, Column, Obj, Printer, age, columns, name, section, text


@lru_cache(maxsize=64)
def printer(wanted: tuple[apiextensions.CustomResourceColumnDefinition, ...]) -> Printer:
    """Return how the objects of one version are shown: their name, then its columns, or the age when it has none."""
    if not wanted:
        return _NAME_AND_AGE
    shown = tuple(Column(one.name, type=one.type, format=one.format, priority=one.priority, description=one.description
                         or f"Custom resource definition column (in JSONPath format): {one.json_path}")
                  for one in wanted)
    paths = tuple((one.type, _path(one.json_path)) for one in wanted)

    def cells(obj: Obj, now: datetime) -> list[Cell]:
        return [name(obj), *(None if path is None else _cell(kind, path.find(obj), now) for kind, path in paths)]

    return Printer((NAME, *shown), cells)


def _path(given: str) -> jsonpath.Path | None:
    try:
        return jsonpath.compile(given)
    except jsonpath.PathError:
        return None


def _cell(kind: str, found: list[Any], now: datetime) -> Cell:
    """Return one value as its column's type has it; only the first of several is shown, as Kubernetes does."""
    value = found[0] if found else None
    if value is None:
        return None
    if kind == "string":
        return jsonpath.shown(value)
    if kind == "date":
        return _date(value, now)
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    return _number(kind, value)


def _number(kind: str, value: Any) -> Cell:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if kind == "number":
        return value
    return int(value) if value == value and abs(value) != float("inf") else None


def _date(value: Any, now: datetime) -> Cell:
    if not isinstance(value, str):
        return None
    return "<invalid>" if value and duration.moment(value) is None else duration.since(value, now)


def _definition(obj: Obj, now: datetime) -> list[Cell]:
    return [name(obj), text(section(obj, "metadata"), "creationTimestamp")]


_NAME_AND_AGE = Printer(columns(NAME, AGE), lambda obj, now: [name(obj), age(obj, now)])
DEFINITION = Printer(columns(NAME, Column("Created At", type="date", description="When the kind was defined.")),
                     _definition)
