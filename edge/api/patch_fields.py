"""What the fields of a Struct say about patching: merge keys, strategies, and the type of what is inside.

Read lazily from the `doc()` beside each field and kept per type, so that a type nobody patches costs nothing.
"""

from __future__ import annotations

import functools
import types
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from edge.api import meta


@dataclass(frozen=True, slots=True)
class Field:
    """How one field takes part in a strategic merge."""

    inner: type[meta.Struct] | None
    """The Struct of the value, of a list's elements, or of a map's values; None for everything else."""
    container: str
    """`list`, `map` or empty."""
    merge_key: str
    strategy: str
    """As written: `merge`, `replace`, `retainKeys`, `merge,retainKeys` or empty."""

    @property
    def merges(self) -> bool:
        """Whether a list in a patch is merged into the stored one; a list is replaced otherwise."""
        return "merge" in self.strategy.split(",")

    @property
    def replaces(self) -> bool:
        """Whether a map in a patch replaces the stored one; a map is merged otherwise."""
        return "replace" in self.strategy.split(",")


UNKNOWN = Field(inner=None, container="", merge_key="", strategy="")


def unwrap(hint: Any) -> tuple[Any, dict[str, Any]]:
    """Return a field's type without `Annotated` and `| None`, and what its `doc()` says beyond the text."""
    extra: dict[str, Any] = {}
    while get_origin(hint) is Annotated:
        hint, *notes = get_args(hint)
        for note in notes:
            if isinstance(note, msgspec.Meta):
                extra = {**(note.extra or {}), **extra}
    if get_origin(hint) in (Union, types.UnionType):
        rest = [part for part in get_args(hint) if part is not type(None)]
        if len(rest) == 1:
            inner, more = unwrap(rest[0])
            return inner, {**more, **extra}
    return hint, extra


def struct_of(hint: Any) -> type[meta.Struct] | None:
    """Return the hint when it is one of our Structs."""
    return hint if isinstance(hint, type) and issubclass(hint, meta.Struct) else None


@functools.cache
def fields(kind: type[meta.Struct]) -> dict[str, Field]:
    """Return how each field of a Struct is patched, by its name on the wire."""
    return {info.encode_name: _field(info.type) for info in msgspec.structs.fields(kind)}


def _field(hint: Any) -> Field:
    bare, extra = unwrap(hint)
    origin = get_origin(bare)
    container = "list" if origin in (tuple, list) else "map" if origin is dict else ""
    inner = bare
    if container:
        position = 1 if container == "map" else 0
        inner = unwrap(get_args(bare)[position])[0]
    return Field(inner=struct_of(inner), container=container, merge_key=extra.get("mergeKey", ""),
                 strategy=extra.get("patchStrategy", ""))
