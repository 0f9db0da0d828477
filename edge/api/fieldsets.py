"""Sets of fields of an object, and their form on the wire, FieldsV1: which fields an applied configuration owns.

A path is a tuple of elements, each written as FieldsV1 writes it: `f:replicas` is a field or a map's key,
`k:{"name":"web"}` an item of a list by its keys, `v:"tcp"` a member of a set, `i:0` a position. An element is always in
its canonical form, so that the same field is the same text, however a client wrote it.
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/#System
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

Path = tuple[str, ...]
_SELF = "."
_KINDS = "fkvi"
"""Also the order elements are written in."""
DEEPEST = 200
"""Elements of the longest path. What is nested deeper is owned as a whole."""


@dataclass(frozen=True, slots=True)
class FieldSet:
    """A set of paths, as a tree. A container is a member of its own: having a field does not mean having its parent."""

    members: frozenset[str] = frozenset()
    children: Mapping[str, FieldSet] = field(default_factory=dict)
    """The sets below an element; never an empty one."""

    def __bool__(self) -> bool:
        return bool(self.members or self.children)

    def __contains__(self, path: Path) -> bool:
        if len(path) == 1:
            return path[0] in self.members
        below = self.children.get(path[0]) if path else None
        return below is not None and path[1:] in below

    def __or__(self, other: FieldSet) -> FieldSet:
        children = {**self.children, **other.children}
        for element in self.children.keys() & other.children.keys():
            children[element] = self.children[element] | other.children[element]
        return FieldSet(self.members | other.members, children)

    def __and__(self, other: FieldSet) -> FieldSet:
        shared = self.children.keys() & other.children.keys()
        return FieldSet(self.members & other.members,
                        _filled({element: self.children[element] & other.children[element] for element in shared}))

    def __sub__(self, other: FieldSet) -> FieldSet:
        return FieldSet(self.members - other.members, _filled(
            {element: below - other.children[element] if element in other.children else below
             for element, below in self.children.items()}))

    def only(self, element: str) -> FieldSet:
        """Return the part at and below one top-level element."""
        return FieldSet(self.members & {element}, {element: self.children[element]} if element in self.children else {})

    def apart_from(self, element: str) -> FieldSet:
        """Return the set without one top-level element and everything below it."""
        return FieldSet(self.members - {element},
                        {other: below for other, below in self.children.items() if other != element})

    def paths(self, prefix: Path = ()) -> Iterator[Path]:
        """Return every path, sorted: the members first, then what is below each."""
        for element in sorted(self.members, key=order):
            yield (*prefix, element)
        for element in sorted(self.children, key=order):
            yield from self.children[element].paths((*prefix, element))


NOTHING = FieldSet()


def of_paths(paths: Iterable[Path]) -> FieldSet:
    """Return the set of these paths; the empty path, the whole object, is never a member."""
    members: set[str] = set()
    below: dict[str, list[Path]] = {}
    for path in paths:
        if len(path) == 1:
            members.add(path[0])
        elif path:
            below.setdefault(path[0], []).append(path[1:])
    return FieldSet(frozenset(members), {element: of_paths(rest) for element, rest in below.items()})


# --- elements


def field_element(name: str) -> str:
    """Return the element of a field, or of a key of a map."""
    return f"f:{name}"


def keys_element(keys: Mapping[str, Any]) -> str:
    """Return the element of a list's item with these keys."""
    return "k:" + _json({name: keys[name] for name in sorted(keys)})


def value_element(value: Any) -> str:
    """Return the element of a set's member."""
    return "v:" + _json(value)


def index_element(index: int) -> str:
    """Return the element of a position in a list."""
    return f"i:{index}"


def show(path: Path) -> str:
    """Return the path as messages print it: `.spec.template.spec.containers[name="web"].image`."""
    return "".join(_show(element) for element in path)


def order(element: str) -> tuple[Any, ...]:
    """Return what elements are sorted by: fields, keys, values, positions; numbers by their size."""
    kind, text = element[0], element[2:]
    if kind == "k":
        return (_KINDS.index(kind), *((name, *_rank(value)) for name, value in msgspec.json.decode(text).items()))
    if kind == "v":
        return (_KINDS.index(kind), *_rank(msgspec.json.decode(text)))
    return (_KINDS.index(kind), int(text) if kind == "i" else text)


# --- FieldsV1


def parse(fields: Any) -> FieldSet:
    """Return the set that FieldsV1 describes. Raises ValueError for something else; unknown kinds are left out."""
    return _parse(fields, 0)[0]


def write(fields: FieldSet) -> dict[str, Any]:
    """Return the set as FieldsV1."""
    return {element: ({_SELF: {}} if element in fields.members else {}) | write(fields.children[element])
            if element in fields.children else {}
            for element in sorted(fields.members | fields.children.keys(), key=order)}


def _parse(fields: Any, depth: int) -> tuple[FieldSet, bool]:
    """Return the set below an element, and whether the element itself is a member."""
    if not isinstance(fields, dict):
        raise ValueError(f"expected a map of fields, got {type(fields).__name__}")
    if depth > DEEPEST:
        raise ValueError("the fields are nested too deeply")
    members: set[str] = set()
    children: dict[str, FieldSet] = {}
    for key, value in fields.items():
        if key == _SELF or (key[1:2] == ":" and key[0] not in _KINDS):
            continue
        element = _canonical(key)
        below, itself = _parse(value, depth + 1)
        if itself:
            members.add(element)
        if below:
            children[element] = children.get(element, NOTHING) | below
    found = FieldSet(frozenset(members), children)
    return found, _SELF in fields or not found


def _canonical(key: str) -> str:
    kind, colon, text = key[:1], key[1:2], key[2:]
    if not colon:
        raise ValueError("key must be 2 characters long:")
    if colon != ":":
        raise ValueError(f"missing colon: {key}")
    if kind == "f":
        return key
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise ValueError(f"{key}: {error}") from error
    if kind == "k":
        if not isinstance(value, dict):
            raise ValueError(f"{key}: the keys of a list's element are a map")
        return keys_element(value)
    if kind == "i" and type(value) is not int:
        raise ValueError(f"{key}: a position is a number")
    return value_element(value) if kind == "v" else index_element(value)


def _show(element: str) -> str:
    kind, text = element[0], element[2:]
    if kind == "f":
        return f".{text}"
    if kind == "k":
        return "[" + ",".join(f"{name}={_json(value)}" for name, value in msgspec.json.decode(text).items()) + "]"
    return f"[={text}]" if kind == "v" else f"[{text}]"


def _json(value: Any) -> str:
    if isinstance(value, dict):
        value = {name: _whole(inner) for name, inner in value.items()}
    return msgspec.json.encode(_whole(value)).decode()


def _whole(value: Any) -> Any:
    """Return a number without a fraction as an int: 80 and 80.0 are the same key."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _rank(value: Any) -> tuple[int, Any]:
    if isinstance(value, bool) or value is None:
        return (2, bool(value))
    return (0, value) if isinstance(value, int | float) else (1, value if isinstance(value, str) else _json(value))


def _filled(children: dict[str, FieldSet]) -> dict[str, FieldSet]:
    return {element: below for element, below in children.items() if below}
