"""What the server itself reads of its objects on every request: roles, quotas, webhooks, definitions.

Listings are decoded once and kept until something of their kind is written, so that a look costs a few microseconds.
https://kubernetes.io/docs/concepts/overview/kubernetes-api/
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from edge.api import codec, meta, scheme
from edge.store.interface import Record, Store

O = TypeVar("O", bound=meta.Object)  # noqa: E741
T = TypeVar("T")
_MOST_OBJECTS = 512
_MOST_LISTINGS = 256


def key_of(resource: scheme.Resource, namespace: str, name: str) -> str:
    """Return the store key of an object."""
    return f"/{resource.group}/{resource.plural}/{namespace if resource.namespaced else ''}/{name}"


def prefix_of(resource: scheme.Resource, namespace: str) -> str:
    """Return the key prefix of a listing; an empty namespace means all of them."""
    base = f"/{resource.group}/{resource.plural}/"
    return f"{base}{namespace}/" if namespace and resource.namespaced else base


class Lookup:
    """Typed looks into the store, always as new as the store itself."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._objects: dict[tuple[str, int], meta.Object] = {}
        self._listings: dict[Hashable, tuple[meta.Object, ...]] = {}
        self._derived: dict[Hashable, Any] = {}
        self._made_of: dict[str, set[Hashable]] = {}
        """What was worked out from the objects of a resource, by its prefix."""
        store.observe(self._changed)

    def _changed(self, key: str) -> None:
        """Forget what was worked out from objects like the one with this store key."""
        prefix = key[:key.index("/", key.index("/", 1) + 1) + 1]
        for key_of_made in self._made_of.pop(prefix, ()):
            self._listings.pop(key_of_made, None)
            self._derived.pop(key_of_made, None)

    def decode(self, resource: scheme.Resource, record: Record) -> meta.Object:
        """Return the record as a typed object; objects cannot change, so all readers share one."""
        at = (record.key, record.revision)
        found = self._objects.get(at)
        if found is None or type(found) is not resource.type:  # a definition may have come anew, with a new type
            found = codec.decode_bytes(resource, record.value)
            while len(self._objects) >= _MOST_OBJECTS:
                self._objects.pop(next(iter(self._objects)))
            self._objects[at] = found
        return found

    def one(self, kind: type[O], namespace: str, name: str) -> O | None:
        """Return an object of a built-in kind, or None."""
        resource = scheme.of_type(kind)
        record = self._store.get(key_of(resource, namespace, name))
        return None if record is None else cast(O, self.decode(resource, record))

    def all(self, kind: type[O], namespace: str = "") -> tuple[O, ...]:
        """Return every object of a built-in kind, of one namespace or of all."""
        at = (kind, namespace)
        kept = self._listings.get(at)
        if kept is None:
            resource = scheme.of_type(kind)
            page = self._store.list(prefix_of(resource, namespace))
            while len(self._listings) >= _MOST_LISTINGS:
                self._listings.pop(next(iter(self._listings)))
            kept = self._listings[at] = tuple(codec.decode_bytes(resource, record.value) for record in page.records)
            self._made_of.setdefault(prefix_of(resource, ""), set()).add(at)
        return cast("tuple[O, ...]", kept)

    def derived(self, key: Hashable, kinds: tuple[type[meta.Object], ...], build: Callable[[], T]) -> T:
        """Return what `build` makes of all objects of these kinds, made anew only after one of them was written."""
        if key not in self._derived:
            self._derived[key] = build()
            for kind in kinds:
                self._made_of.setdefault(prefix_of(scheme.of_type(kind), ""), set()).add(key)
        return cast(T, self._derived[key])
