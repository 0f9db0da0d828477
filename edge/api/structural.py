"""A schema as requests use it: compiled once for each version of a custom kind, into small immutable nodes.

`structural_pruning` drops what a node does not name, `structural_defaults` fills in, `structural_validation` judges.
All three walk the object along the nodes, so that the depth of a schema (`DEEPEST`) bounds theirs.
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from edge.api import structural_rules as rules
from edge.api.apiextensions import JSONSchemaProps
from edge.api.structural_rules import Rule

DEEPEST = 64
"""Levels of schemas within each other; checked when a definition is written."""
META = frozenset(("apiVersion", "kind", "metadata"))
"""What every whole object has, named by its schema or not."""
_NO_PROPERTIES: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One schema, and those inside it."""

    types: tuple[str, ...] = ()
    """Names of JSON types; none when any is fine."""
    nullable: bool = False
    default: Any = None
    """None for none: a default of null does not exist."""
    properties: Mapping[str, Node] = field(default_factory=lambda: _NO_PROPERTIES)
    additional: Node | None = None
    """Schema of the fields that `properties` does not name."""
    closed: bool = False
    """`additionalProperties: false`."""
    keeps_names: bool = False
    """Whether `additionalProperties` is there, so that no name is unknown."""
    items: Node | None = None
    preserves: bool = False
    embedded: bool = False
    required: tuple[str, ...] = ()
    list_type: str = ""
    list_map_keys: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    """What else must hold of the value itself."""
    all_of: tuple[Node, ...] = ()
    any_of: tuple[Node, ...] = ()
    one_of: tuple[Node, ...] = ()
    excluded: Node | None = None
    """The schema of `not`."""
    defaults_inside: bool = False
    """Whether this or anything below has a default: a walk can be saved otherwise."""
    combined: bool = False
    """Whether there is any of allOf, anyOf, oneOf and not."""


@dataclass(frozen=True, slots=True, eq=False)
class Structural:
    """The schema of whole objects of one version."""

    root: Node
    prunes: bool = True
    """False for definitions that keep every field (`preserveUnknownFields`)."""


def compile(schema: JSONSchemaProps, *, prunes: bool = True) -> Structural:
    """Return a schema, one that validation has let through, as requests use it."""
    return Structural(node(schema), prunes)


def node(schema: JSONSchemaProps) -> Node:
    """Return one schema and those inside it, compiled."""
    properties = {name: node(inner) for name, inner in schema.properties.items()}
    more = schema.additional_properties
    additional = node(more) if isinstance(more, JSONSchemaProps) else None
    items = node(schema.items) if isinstance(schema.items, JSONSchemaProps) else None
    excluded = node(schema.not_) if schema.not_ is not None else None
    types = ("integer", "string") if schema.int_or_string else (schema.type,) if schema.type else ()
    inside = (*properties.values(), *(one for one in (additional, items) if one is not None))
    return Node(
        types=types, nullable=schema.nullable, default=schema.default, properties=properties or _NO_PROPERTIES,
        additional=additional, closed=more is False, keeps_names=more is not None, items=items,
        preserves=bool(schema.preserves_unknown), embedded=schema.embedded_resource, required=schema.required,
        list_type=schema.list_type or "", list_map_keys=schema.list_map_keys, rules=rules.of(schema),
        all_of=tuple(map(node, schema.all_of)), any_of=tuple(map(node, schema.any_of)),
        one_of=tuple(map(node, schema.one_of)), excluded=excluded,
        combined=bool(schema.all_of or schema.any_of or schema.one_of or schema.not_),
        defaults_inside=schema.default is not None or any(one.defaults_inside for one in inside))


def depth(schema: JSONSchemaProps) -> int:
    """Return how many levels of schemas are within each other, without recursion: it may be any number."""
    deepest, todo = 0, [(schema, 1)]
    while todo:
        current, level = todo.pop()
        deepest = max(deepest, level)
        todo.extend((inner, level + 1) for inner in children(current))
    return deepest


def children(schema: JSONSchemaProps) -> list[JSONSchemaProps]:
    """Return the schemas right inside a schema, those in unsupported fields too."""
    candidates: list[Any] = [schema.not_, schema.additional_properties, schema.additional_items]
    candidates += schema.items if isinstance(schema.items, tuple) else [schema.items]
    candidates += [*schema.all_of, *schema.any_of, *schema.one_of, *(schema.dependencies or {}).values()]
    for named in (schema.properties, schema.pattern_properties, schema.definitions):
        candidates += named.values()
    return [one for one in candidates if isinstance(one, JSONSchemaProps)]


def any_schema(schema: JSONSchemaProps, holds: Callable[[JSONSchemaProps], bool]) -> bool:
    """Return whether something holds of a schema or of one inside it, without recursion."""
    todo = [schema]
    while todo:
        current = todo.pop()
        if holds(current):
            return True
        todo.extend(children(current))
    return False
