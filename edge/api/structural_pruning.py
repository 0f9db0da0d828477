"""Drops from an object what its schema does not name, so that a later version of the schema cannot trip over it.

What is inside a schema that preserves unknown fields stays, except below fields it names; a whole object inside another
(`x-kubernetes-embedded-resource`) keeps its apiVersion, kind and metadata.
"""

from __future__ import annotations

from typing import Any

from edge.api.structural import META, Node, Structural


def prune(schema: Structural, obj: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return a whole object without unknown fields, and the paths of those, such as `spec.items[0].colour`, in order.

    What has no unknown field is shared with the input, which is left alone.
    """
    if not schema.prunes:
        return obj, ()
    dropped: list[str] = []
    pruned = _fields(schema.root, obj, "", dropped, whole=True)
    return pruned, tuple(dropped)


def prune_value(schema: Node, value: Any) -> Any:
    """Return a value of a schema without unknown fields: a default, which must not have any."""
    return _value(schema, value, "", [])


def _value(schema: Node | None, value: Any, path: str, dropped: list[str], *, inherited: bool = False) -> Any:
    if isinstance(value, dict):
        if schema is None:
            dropped.extend(f"{path}.{key}" for key in value)
            return {} if value else value
        return _fields(schema, value, path, dropped, whole=schema.embedded, inherited=inherited)
    if isinstance(value, list):
        if schema is None:
            return _bare(value, path, dropped)
        return _items(schema, value, path, dropped, inherited=inherited)
    return value


def _fields(schema: Node, value: dict[str, Any], path: str, dropped: list[str], *, whole: bool,
            inherited: bool = False) -> dict[str, Any]:
    keeps = schema.preserves or inherited
    changes: dict[str, Any] = {}
    gone: list[str] = []
    for key, inner in value.items():
        if whole and key in META:
            continue
        here = f"{path}.{key}" if path else key
        known = schema.properties.get(key)
        if known is not None:
            kept = _value(known, inner, here, dropped)
        elif schema.keeps_names:
            kept = _value(schema.additional, inner, here, dropped)
        elif keeps:
            continue
        else:
            gone.append(key)
            dropped.append(here)
            continue
        if kept is not inner:
            changes[key] = kept
    if not changes and not gone:
        return value
    return {key: changes.get(key, inner) for key, inner in value.items() if key not in gone}


def _items(schema: Node, value: list[Any], path: str, dropped: list[str], *, inherited: bool) -> list[Any]:
    keeps = schema.preserves or inherited
    if keeps and schema.items is None:
        return value
    kept = [_value(schema.items, inner, f"{path}[{index}]", dropped, inherited=keeps)
            for index, inner in enumerate(value)]
    return value if all(new is old for new, old in zip(kept, value, strict=True)) else kept


def _bare(value: list[Any], path: str, dropped: list[str]) -> list[Any]:
    """Return a list that no schema describes: its objects lose every field. Without recursion, for any depth."""
    before = len(dropped)
    result: list[Any] = []
    todo: list[tuple[list[Any], list[Any], str]] = [(value, result, path)]
    while todo:
        source, target, where = todo.pop()
        for index, inner in enumerate(source):
            if isinstance(inner, list):
                target.append([])
                todo.append((inner, target[-1], f"{where}[{index}]"))
            elif isinstance(inner, dict):
                dropped.extend(f"{where}[{index}].{key}" for key in inner)
                target.append({})
            else:
                target.append(inner)
    return result if len(dropped) > before else value
