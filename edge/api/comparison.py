"""What differs between two values of one shape: which fields came, changed or went.

Managed fields follow from it: who writes a field owns it, and a field that is gone is nobody's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edge.api import fieldsets
from edge.api.fieldsets import FieldSet, Path
from edge.api.shaped_values import grouped, looks_into, same
from edge.api.shapes import LEAF, Shape


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference. Of what came or went, containers are listed as well as what they contain."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet


def compare(shape: Shape, old: Any, new: Any) -> Comparison:
    """Return what differs."""
    walk = _Walk()
    walk.compare(shape, old, new, ())
    return Comparison(fieldsets.of_paths(walk.added), fieldsets.of_paths(walk.modified),
                      fieldsets.of_paths(walk.removed))


def everything(shape: Shape, value: Any, path: Path = ()) -> list[Path]:
    """Return the path of a value and of all that is in it."""
    found = [path]
    if len(path) == fieldsets.DEEPEST or not looks_into(shape, value):
        return found
    if isinstance(value, dict):
        for name, inner in value.items():
            found += everything(shape.of(name), inner, (*path, fieldsets.field_element(name)))
        return found
    for element, group in grouped(shape, value).items():
        found += _all_of(shape.items or LEAF, group, (*path, element))
    return found


@dataclass(slots=True)
class _Walk:
    added: list[Path] = field(default_factory=list)
    modified: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)

    def compare(self, shape: Shape, old: Any, new: Any, path: Path) -> None:
        one, other = (new if old is None else old), (old if new is None else new)  # null is an empty map or list
        if (old or new) and type(one) is type(other) and looks_into(shape, one) and len(path) < fieldsets.DEEPEST:
            if isinstance(one, dict):
                self._maps(shape, old or {}, new or {}, path)
            else:
                self._lists(shape, old or [], new or [], path)
        elif not same(old, new):
            self.modified.append(path)
            self.removed += everything(shape, old, path)[1:]
            self.added += everything(shape, new, path)[1:]

    def _maps(self, shape: Shape, old: dict[str, Any], new: dict[str, Any], path: Path) -> None:
        for name in old | new:
            here, inner = (*path, fieldsets.field_element(name)), shape.of(name)
            if name not in new:
                self.removed += everything(inner, old[name], here)
            elif name not in old:
                self.added += everything(inner, new[name], here)
            else:
                self.compare(inner, old[name], new[name], here)

    def _lists(self, shape: Shape, old: list[Any], new: list[Any], path: Path) -> None:
        before, after = grouped(shape, old), grouped(shape, new)
        items = shape.items or LEAF
        for element in before | after:
            here, was, now = (*path, element), before.get(element, []), after.get(element, [])
            if not now:
                self.removed += _all_of(items, was, here)
            elif not was:
                self.added += _all_of(items, now, here)
            elif len(was) == len(now) == 1:
                self.compare(items, was[0], now[0], here)
            elif not same(was, now):
                self.modified.append(here)


def _all_of(shape: Shape, group: list[Any], path: Path) -> list[Path]:
    return everything(shape, group[0], path) if len(group) == 1 else [path]
