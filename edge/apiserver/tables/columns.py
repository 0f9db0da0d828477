"""What a table is made of: columns, and the printer of a kind, which turns one object into one row of cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge.apiserver.tables import duration

Obj = dict[str, Any]
Cell = str | int | float | None
NONE = "<none>"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; priority 1 is shown with `-o wide` only."""

    name: str
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""

    def definition(self) -> dict[str, Any]:
        """Return the column as the Table carries it."""
        return {"name": self.name, "type": self.type, "format": self.format,
                "description": self.description or f"{self.name} of the object.", "priority": self.priority}


@dataclass(frozen=True, slots=True)
class Printer:
    """How a kind is shown."""

    columns: tuple[Column, ...]
    cells: Callable[[Obj, datetime], list[Cell]]


NAME = Column("Name", format="name", description="Name of the object, unique in its namespace.")
AGE = Column("Age", description="Time since the object was created.")


def columns(*names: str | Column) -> tuple[Column, ...]:
    """Return columns: a name with a `+` before it is a wide one, with a `#` an integer."""
    made = []
    for name in names:
        if isinstance(name, Column):
            made.append(name)
        elif name.startswith("+"):
            made.append(Column(name[1:], priority=1))
        elif name.startswith("#"):
            made.append(Column(name[1:], type="integer"))
        else:
            made.append(Column(name))
    return tuple(made)


def section(obj: Mapping[str, Any], *path: str) -> Obj:
    """Return a map inside an object; an empty one when it is absent or is no map."""
    value: Any = obj
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def items(obj: Mapping[str, Any], key: str) -> list[Obj]:
    """Return the maps of a list inside an object; none when it is absent or is no list."""
    value = obj.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def values(obj: Mapping[str, Any], key: str) -> list[str]:
    """Return a list of texts inside an object; an empty one when it is absent or is no list."""
    found = obj.get(key)
    return [str(each) for each in found if each is not None] if isinstance(found, list) else []


def number(obj: Mapping[str, Any], key: str, default: int = 0) -> int:
    """Return an integer field."""
    value = obj.get(key)
    return value if isinstance(value, int) else default


def text(obj: Mapping[str, Any], key: str, default: str = "") -> str:
    """Return a field as text."""
    value = obj.get(key)
    return default if value is None or value == "" else str(value)


def name(obj: Obj) -> str:
    """Return the name of an object."""
    return text(section(obj, "metadata"), "name")


def age(obj: Obj, now: datetime) -> str:
    """Return the time since an object was created."""
    return duration.since(section(obj, "metadata").get("creationTimestamp"), now)


def joined(parts: Iterable[str]) -> str:
    """Return the parts in one cell, or `<none>`."""
    return ",".join(parts) or NONE


def limited(parts: list[str], count: int = 3) -> str:
    """Return the first few parts, and how many more there are."""
    shown = ",".join(parts[:count])
    return f"{shown} + {len(parts) - count} more..." if len(parts) > count else shown or NONE


def labels(given: Mapping[str, Any]) -> str:
    """Return labels as `a=b,c=d`, or `<none>`."""
    return joined(f"{key}={value}" for key, value in sorted(given.items()))


def selector(value: Any) -> str:
    """Return a label selector in one line; an empty one selects everything and shows as `<none>`."""
    if not isinstance(value, dict):
        return NONE
    parts = [f"{key}={wanted}" for key, wanted in sorted(section(value, "matchLabels").items())]
    for requirement in items(value, "matchExpressions"):
        key, operator = text(requirement, "key"), text(requirement, "operator")
        allowed = ",".join(sorted(values(requirement, "values")))
        parts.append({"In": f"{key} in ({allowed})", "NotIn": f"{key} notin ({allowed})",
                      "Exists": key, "DoesNotExist": f"!{key}"}.get(operator, f"{key} {operator}"))
    return ",".join(parts) or NONE


def containers(pod_spec: Obj) -> tuple[str, str]:
    """Return the names and the images of a pod's containers, each in one cell."""
    found = items(pod_spec, "containers")
    return (",".join(text(each, "name") for each in found), ",".join(text(each, "image") for each in found))
