"""What a value is made of, as far as merging cares: which lists have keys, and what is only replaced as a whole.

Built-in types say it with their Structs, custom ones with their structural schema. Where neither says anything, maps are
merged by key and lists are replaced.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

import msgspec

from edge.api import meta
from edge.api.patch_fields import struct_of, unwrap

Kind = Literal["leaf", "map", "set", "keyed", "any"]

ATOMIC_STRUCTS = frozenset((
    "ConfigMapKeySelector", "CrossVersionObjectReference", "EndpointAddress", "EndpointPort", "LabelSelector",
    "LocalObjectReference", "MatchResources", "NamedRuleWithOperations", "NodeSelector", "NodeSelectorTerm",
    "ObjectFieldSelector", "ObjectReference", "OwnerReference", "ParamKind", "ParamRef", "ResourceFieldSelector", "RoleRef",
    "ScopeSelector", "SecretKeySelector", "SecretReference", "ServiceBackendPort", "Subject", "TopologySelectorTerm",
    "TypedLocalObjectReference", "Variable"))
"""Types that are owned and replaced as a whole."""
ATOMIC_MAPS = frozenset((("PodSpec", "nodeSelector"), ("ReplicationControllerSpec", "selector"),
                         ("Scheduling", "nodeSelector"), ("ServiceSpec", "selector")))
"""Maps, by type and field, that are owned and replaced as a whole; all others are merged by key."""
_KEY_DEFAULTS = {"protocol": "TCP"}
"""What a list's key is when an element does not have it."""


@dataclass(frozen=True)
class Shape:
    """How a value is merged. Of a recursive type the fields are looked at only when they are asked for."""

    kind: Kind
    """`leaf` is replaced as a whole, `set` and `keyed` are lists, `any` depends on what the value is."""
    known: Callable[[], Mapping[str, Shape]] = dict
    """Returns the named fields of a `map`."""
    items: Shape | None = None
    """Of a list's elements, and of what a map has beside its named fields."""
    keys: tuple[str, ...] = ()
    """The fields that identify an element of a `keyed` list."""
    key_defaults: Mapping[str, Any] = field(default_factory=dict)

    @functools.cached_property
    def fields(self) -> Mapping[str, Shape]:
        """The named fields of a `map`."""
        return self.known()

    def of(self, name: str) -> Shape:
        """Return the shape of a field, or of a map's value."""
        return self.fields.get(name) or self.items or ANY


LEAF = Shape("leaf")
ANY = Shape("any")


@functools.cache
def of_struct(kind: type[meta.Struct]) -> Shape:
    """Return the shape of a Struct."""
    if kind.__name__ in ATOMIC_STRUCTS:
        return LEAF
    return Shape("map", known=lambda: {info.encode_name: _field(kind.__name__, info.encode_name, info.type)
                                       for info in msgspec.structs.fields(kind)})


def of_custom(schema: Mapping[str, Any] | None) -> Shape:
    """Return the shape of a custom object whose structural schema this is; None for one without."""
    found = of_schema(schema or {"type": "object"})
    # Whatever the schema says of metadata: it is the same for every kind.
    always = {"apiVersion": LEAF, "kind": LEAF, "metadata": of_struct(meta.ObjectMeta)}
    return Shape("map", known=lambda: {**found.fields, **always}, items=found.items)


def of_schema(schema: Mapping[str, Any]) -> Shape:
    """Return the shape of what a structural schema describes."""
    kind = schema.get("type")
    if kind == "array":
        return _list_of(schema)
    if kind != "object":
        mixed = not kind and not schema.get("x-kubernetes-int-or-string")
        return ANY if mixed else LEAF
    if schema.get("x-kubernetes-map-type") == "atomic":
        return LEAF
    properties = _mapping(schema.get("properties"))
    more = schema.get("additionalProperties")
    if not properties and not isinstance(more, Mapping):
        return ANY  # also what an embedded object has beside its metadata
    return Shape("map", known=lambda: {name: of_schema(_mapping(inner)) for name, inner in properties.items()},
                 items=of_schema(more) if isinstance(more, Mapping) else None)


def _list_of(schema: Mapping[str, Any]) -> Shape:
    items = _mapping(schema.get("items"))
    listed = schema.get("x-kubernetes-list-type")
    if listed == "set":
        return Shape("set", items=LEAF)
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    if listed != "map" or not keys:
        return LEAF
    fields = _mapping(items.get("properties"))
    defaults = {name: fields[name]["default"] for name in keys if "default" in _mapping(fields.get(name))}
    return Shape("keyed", items=of_schema(items), keys=keys, key_defaults=defaults)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


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
