"""What can be done with a value once its shape is known: its fields, a merge, a removal of fields.

With `comparison` these are the operations server-side apply is made of. Values are plain JSON; what is passed in is
left alone. Lists merge by the rule of structured-merge-diff: what only the live list has keeps its place, what the
configuration names comes in the configuration's order. A live list may have items without keys, or with the same keys
twice; none of them is lost, and items that share their keys are treated as one. A configuration may have neither.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from edge.api import fieldsets
from edge.api.fieldsets import FieldSet, Path
from edge.api.shapes import LEAF, Shape

_SCALARS = (str, int, float, bool)


def fields_of(shape: Shape, value: Any) -> FieldSet:
    """Return what a configuration says: its leaves, the items of its lists, the keys of its maps."""
    found: list[Path] = []
    _collect(shape, value, (), found)
    return fieldsets.of_paths(found)


def merge(shape: Shape, live: Any, config: Any) -> Any:
    """Return the live value with everything that the configuration says; nothing is removed."""
    if looks_into(shape, live):
        if config is None:
            return live
        if isinstance(live, dict) and isinstance(config, dict):
            return _merge_maps(shape, live, config)
        if isinstance(live, list) and isinstance(config, list):
            return _merge_lists(shape, live, config)
    return config


def without(shape: Shape, value: Any, gone: FieldSet) -> Any:
    """Return the value without these fields; a container that loses its last part stays as an empty one."""
    if not gone or not looks_into(shape, value):
        return value
    if isinstance(value, dict):
        elements = [fieldsets.field_element(name) for name in value]
        return {name: without(shape.of(name), inner, gone.children.get(element, fieldsets.NOTHING))
                for element, (name, inner) in zip(elements, value.items(), strict=True) if element not in gone.members}
    items = shape.items or LEAF
    return [without(items, item, gone.children.get(element, fieldsets.NOTHING))
            for element, item in zip(elements_of(shape, value), value, strict=True) if element not in gone.members]


def with_parents(shape: Shape, fields: FieldSet) -> FieldSet:
    """Return the set with the named fields of the schema that have members below: who has `a.b` has an `a`."""
    named = {element for element in fields.children if element[0] == "f" and element[2:] in shape.fields}
    return FieldSet(fields.members | named, {
        element: with_parents(shape.of(element[2:]) if element[0] == "f" else shape.items or LEAF, below)
        for element, below in fields.children.items()})


def declared(shape: Shape, config: Any) -> Any:
    """Return a configuration without the fields that its schema does not have."""
    if not looks_into(shape, config):
        return config
    if isinstance(config, dict):
        return {name: declared(shape.of(name), inner) for name, inner in config.items() if shape.names(name)}
    return [declared(shape.items or LEAF, item) for item in config]


def problems(shape: Shape, config: Any, path: Path = (), *, strict: bool = False) -> list[tuple[Path, str]]:
    """Return why a configuration cannot be applied: other types than in the schema, list items without keys or twice.

    With `strict`, also fields that the schema does not have.
    """
    if config is None or shape.kind == "leaf" or (shape.kind == "any" and not isinstance(config, dict)):
        return []
    if len(path) == fieldsets.DEEPEST:
        return [(path[:1], "nested too deeply")]
    wanted = dict if shape.kind in ("map", "any") else list
    if not isinstance(config, wanted):
        return [(path, f"expected {'map' if wanted is dict else 'list'}, got {_shown(config)}")]
    if isinstance(config, list):
        return _list_problems(shape, config, path, strict)
    found: list[tuple[Path, str]] = []
    for name, inner in config.items():
        here = (*path, fieldsets.field_element(name))
        if shape.names(name):
            found += problems(shape.of(name), inner, here, strict=strict)
        elif strict:
            found.append((here, "field not declared in schema"))
    return found


def same(one: Any, other: Any) -> bool:
    """Return whether two JSON values are the same; 1 is not True."""
    todo = [(one, other)]  # no recursion: a value may be nested as deeply as a parser lets it
    while todo:
        left, right = todo.pop()
        if isinstance(left, dict) and isinstance(right, dict):
            if left.keys() != right.keys():
                return False
            todo += [(inner, right[name]) for name, inner in left.items()]
        elif isinstance(left, list) and isinstance(right, list):
            if len(left) != len(right):
                return False
            todo += zip(left, right, strict=True)
        elif left != right or isinstance(left, bool) != isinstance(right, bool):
            return False
    return True


def looks_into(shape: Shape, value: Any) -> bool:
    """Return whether a value of this shape has parts of its own; it is a leaf otherwise."""
    if isinstance(value, dict):
        return shape.kind in ("map", "any")
    return isinstance(value, list) and shape.kind in ("set", "keyed")


def elements_of(shape: Shape, items: Sequence[Any]) -> list[str]:
    """Return the element of each item of a list; one that cannot have any is named by its position."""
    return [_element(shape, item) or fieldsets.index_element(index) for index, item in enumerate(items)]


def grouped(shape: Shape, items: Sequence[Any]) -> dict[str, list[Any]]:
    """Return the items of a list by their element; only a broken list has two of one."""
    found: dict[str, list[Any]] = {}
    for element, item in zip(elements_of(shape, items), items, strict=True):
        found.setdefault(element, []).append(item)
    return found


def _collect(shape: Shape, value: Any, path: Path, found: list[Path]) -> None:
    if len(path) == fieldsets.DEEPEST or not looks_into(shape, value):
        found.append(path)
    elif isinstance(value, dict):
        for name, inner in value.items():
            here = (*path, fieldsets.field_element(name))
            _collect(shape.of(name), inner, here, found)
            if inner in ({}, []) or name not in shape.fields:
                found.append(here)
    else:
        for element, group in grouped(shape, value).items():
            found.append((*path, element))
            if len(group) == 1:
                _collect(shape.items or LEAF, group[0], (*path, element), found)


def _merge_maps(shape: Shape, live: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    merged = {name: merge(shape.of(name), value, config[name]) if name in config else value
              for name, value in live.items()}
    return merged | {name: value for name, value in config.items() if name not in live}


def _merge_lists(shape: Shape, live: list[Any], config: list[Any]) -> list[Any]:
    had, wanted = elements_of(shape, live), deque(zip(elements_of(shape, config), config, strict=True))
    groups, named = grouped(shape, live), {element for element, _ in wanted}
    shared = deque(element for element, _ in wanted if element in groups)
    merged: list[Any] = []

    def take() -> str:
        element, item = wanted.popleft()
        if shared and shared[0] == element:
            shared.popleft()
        group = groups.get(element, [])
        merged.append(merge(shape.items or LEAF, group[0], item) if len(group) == 1 else item)
        return element

    for element, item in zip(had, live, strict=True):
        if element not in named:
            merged.append(item)
        elif shared and shared[0] == element:  # another one that is shared is taken where the configuration has it
            while take() != element:
                pass
    while wanted:
        take()
    return merged


def _element(shape: Shape, item: Any) -> str:
    """Return the element of a list's item, or nothing."""
    if shape.kind == "set":
        return fieldsets.value_element(item) if isinstance(item, _SCALARS) else ""
    if not isinstance(item, dict):
        return ""
    keys = {name: _key(shape, item, name) for name in shape.keys}
    return fieldsets.keys_element(keys) if all(isinstance(key, _SCALARS) for key in keys.values()) else ""


def _key(shape: Shape, item: dict[str, Any], name: str) -> Any:
    key = item.get(name)
    return shape.key_defaults.get(name) if key is None else key


def _list_problems(shape: Shape, items: list[Any], path: Path, strict: bool) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    seen: set[str] = set()
    for index, item in enumerate(items):
        element = _element(shape, item)
        if not element:
            found.append((path, f"element {index}: {_nameless(shape, item)}"))
            continue
        if element in seen:
            found.append((path, f"duplicate entries for key {fieldsets.show((element,))}"))
        seen.add(element)
        found += problems(shape.items or LEAF, item, (*path, element), strict=strict)
    return found


def _nameless(shape: Shape, item: Any) -> str:
    if shape.kind == "set":
        kind = "an explicit null" if item is None else "a map type" if isinstance(item, dict) else "a list type"
        return f"associative list without keys has an element that's {kind}"
    if not isinstance(item, dict):
        return f"associative list with keys may not have {'a null element' if item is None else 'non-map elements'}"
    for name in shape.keys:
        key = _key(shape, item, name)
        if key is None:
            return (f'associative list with keys has an element that omits key field "{name}" '
                    "(and doesn't have default value)")
        if not isinstance(key, _SCALARS):
            break
    return f'associative list with keys has an element whose key field "{name}" is not a scalar'


def _shown(value: Any) -> str:
    return type(value).__name__ if isinstance(value, list | dict) else fieldsets.value_element(value)[2:]
