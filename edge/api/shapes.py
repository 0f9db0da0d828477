"""What a value is made of, as far as merging cares: which lists have keys, and what is only replaced as a whole.

Built-in types say it with their Structs, custom ones with their structural schema. Where neither says anything, maps
are merged by key and lists are replaced.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

import msgspec

from edge.api import meta
from edge.api.apiextensions import JSONSchemaProps
from edge.api.patch_fields import struct_of, unwrap

Kind = Literal["leaf", "map", "set", "keyed", "any"]

ATOMIC_STRUCTS = frozenset((
    "ConfigMapKeySelector", "EndpointAddress", "EndpointPort", "LabelSelector", "LocalObjectReference",
    "MatchResources", "NamedRuleWithOperations", "NodeSelector", "NodeSelectorTerm", "ObjectFieldSelector",
    "ObjectReference", "OwnerReference", "ParamKind", "ParamRef", "ResourceFieldSelector", "RoleRef", "ScopeSelector",
    "SecretKeySelector", "SecretReference", "ServiceBackendPort", "Subject", "TopologySelectorTerm",
    "TypedLocalObjectReference", "Variable"))
"""Types that are owned and replaced as a whole."""
ATOMIC_MAPS = frozenset((("PodSpec", "nodeSelector"), ("ReplicationControllerSpec", "selector"),
                         ("Scheduling", "nodeSelector"), ("ServiceSpec", "selector")))
"""Maps, by type and field, that are owned and replaced as a whole; all others are merged by key."""
_KEY_DEFAULTS = {"protocol": "TCP"}
"""What a list's key is when an item does not have it."""


@dataclass(frozen=True)
class Shape:
    """How a value is merged. Of a recursive type the fields are looked at only when they are asked for."""

    kind: Kind
    """`leaf` is replaced as a whole, `set` and `keyed` are lists, `any` depends on what the value is."""
    known: Callable[[], Mapping[str, Shape]] = dict
    """Returns the named fields of a `map`."""
    items: Shape | None = None
    """Of a list's items, and of what a map has beside its named fields; without, a map has no others."""
    keys: tuple[str, ...] = ()
    """The fields that identify an item of a `keyed` list."""
    key_defaults: Mapping[str, Any] = field(default_factory=dict)

    @functools.cached_property
    def fields(self) -> Mapping[str, Shape]:
        """The named fields of a `map`."""
        return self.known()

    def of(self, name: str) -> Shape:
        """Return the shape of a field, or of a map's value."""
        return self.fields.get(name) or self.items or ANY

    def names(self, name: str) -> bool:
        """Return whether a map can have a field or key of this name."""
        return self.kind == "any" or self.items is not None or name in self.fields


LEAF = Shape("leaf")
ANY = Shape("any")


@functools.cache
def of_struct(kind: type[meta.Struct]) -> Shape:
    """Return the shape of a Struct."""
    if kind.__name__ in ATOMIC_STRUCTS:
        return LEAF
    return Shape("map", known=lambda: {info.encode_name: _field(kind.__name__, info.encode_name, info.type)
                                       for info in msgspec.structs.fields(kind)})


def of_custom(schema: JSONSchemaProps | None) -> Shape:
    """Return the shape of a custom object whose structural schema this is; None for a kind that keeps everything."""
    found = of_schema(schema) if schema is not None else Shape("map", items=ANY)
    # Whatever the schema says of metadata: it is the same for every kind.
    always = {"apiVersion": LEAF, "kind": LEAF, "metadata": of_struct(meta.ObjectMeta)}
    return Shape("map", known=lambda: {**found.fields, **always}, items=found.items)


def of_schema(schema: JSONSchemaProps) -> Shape:
    """Return the shape of what a structural schema describes."""
    if schema.type == "array":
        return _listed(schema)
    if schema.type != "object":
        return LEAF if schema.type or schema.int_or_string else ANY
    if schema.map_type == "atomic":
        return LEAF
    more = schema.additional_properties
    inner = of_schema(more) if isinstance(more, JSONSchemaProps) else None
    if inner is None and (more is True or schema.preserves_unknown or schema.embedded_resource):
        inner = ANY
    return Shape("map", known=lambda: {name: of_schema(one) for name, one in schema.properties.items()}, items=inner)


def _listed(schema: JSONSchemaProps) -> Shape:
    if schema.list_type == "set":
        return Shape("set", items=LEAF)
    items, keys = schema.items, schema.list_map_keys
    if schema.list_type != "map" or not keys or not isinstance(items, JSONSchemaProps):
        return LEAF
    defaults = {key: items.properties[key].default for key in keys if key in items.properties}
    return Shape("keyed", items=of_schema(items), keys=keys, key_defaults=defaults)


def _field(owner: str, name: str, hint: Any) -> Shape:
    bare, extra = unwrap(hint)
    struct = struct_of(bare)
    if struct is not None:
        return of_struct(struct)
    if get_origin(bare) is dict:
        inner = get_args(bare)[1]
        if inner is Any or (owner, name) in ATOMIC_MAPS:
            return LEAF
        return Shape("map", items=_field(owner, "", inner))
    if get_origin(bare) is tuple:
        return _list_field(owner, get_args(bare)[0], extra)
    return LEAF


def _list_field(owner: str, item: Any, extra: Mapping[str, Any]) -> Shape:
    listed = extra.get("listType")
    if listed == "set":
        return Shape("set", items=LEAF)
    if listed != "map":
        return LEAF
    keys = tuple(extra.get("listMapKeys", ()))
    defaults = {key: _KEY_DEFAULTS[key] for key in keys if key in _KEY_DEFAULTS}
    return Shape("keyed", items=_field(owner, "", item), keys=keys, key_defaults=defaults)
