"""Fills in what an object leaves out, from the defaults of its schema.

A null where null is no value is as good as absent: it is dropped, or replaced by the default when there is one.
"""

from __future__ import annotations

import copy
from typing import Any

from edge.api.structural import META, Node, Structural


def default(schema: Structural, obj: dict[str, Any]) -> dict[str, Any]:
    """Return a whole object with its defaults; what did not change is shared with the input, which is left alone."""
    return _fields(schema.root, obj, skip=META)


def default_value(schema: Node, value: Any) -> Any:
    """Return a value with the defaults of what is inside it."""
    if isinstance(value, dict):
        return _fields(schema, value)
    if isinstance(value, list) and schema.items is not None:
        return _items(schema.items, value)
    return value


def _fields(schema: Node, value: dict[str, Any], skip: frozenset[str] = frozenset()) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    gone: set[str] = set()
    for key, inner in value.items():
        known = schema.properties.get(key, schema.additional)
        if known is None or key in skip:
            continue
        if inner is None and not known.nullable:
            if known.default is None:
                gone.add(key)
            else:
                changes[key] = _fresh(known)
        else:
            filled = default_value(known, inner)
            if filled is not inner:
                changes[key] = filled
    if schema.defaults_inside:
        for key, known in schema.properties.items():
            if known.default is not None and key not in value and key not in skip:
                changes[key] = _fresh(known)
    if not changes and not gone:
        return value
    return {**{key: inner for key, inner in value.items() if key not in gone}, **changes}


def _fresh(schema: Node) -> Any:
    return default_value(schema, copy.deepcopy(schema.default))


def _items(schema: Node, value: list[Any]) -> list[Any]:
    filled = [_fresh(schema) if inner is None and not schema.nullable and schema.default is not None
              else default_value(schema, inner) for inner in value]
    return value if all(new is old for new, old in zip(filled, value, strict=True)) else filled
