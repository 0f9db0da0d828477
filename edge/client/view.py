"""The objects of one kind as last seen, and indexes over them. Every change returns what it changed.

A key is `namespace/name`, or the name alone for a cluster-wide kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic

from edge.api import meta
from edge.client.interface import O

Change = tuple[O | None, O | None]
"""(old, new): None as old for a new object, None as new for one that is gone."""
IndexFunction = Callable[[O], Iterable[str]]
"""The values an object is found under."""


def key_of(obj: meta.Object) -> str:
    """Return the key of an object."""
    return key(obj.metadata.name, obj.metadata.namespace)


def key(name: str, namespace: str = "") -> str:
    """Return the key of a name."""
    return f"{namespace}/{name}" if namespace else name


def by_namespace(obj: meta.Object) -> tuple[str, ...]:
    """Index objects by namespace."""
    return (obj.metadata.namespace,)


def by_owner(obj: meta.Object) -> tuple[str, ...]:
    """Index objects by the uids of their owners."""
    return tuple(owner.uid for owner in obj.metadata.owner_references)


def by_controller(obj: meta.Object) -> tuple[str, ...]:
    """Index objects by the uid of the one owner that controls them."""
    return tuple(owner.uid for owner in obj.metadata.owner_references if owner.controller)


def by_node(obj: meta.Object) -> tuple[str, ...]:
    """Index pods by the node they are bound to; unbound ones are found under ""."""
    spec = getattr(obj, "spec", None)
    name = getattr(spec, "node_name", None)
    return () if name is None else (name,)


class View(Generic[O]):
    """Objects by key, and by the values of each index."""

    def __init__(self) -> None:
        self._objects: dict[str, O] = {}
        self._functions: dict[str, IndexFunction[O]] = {}
        self._indexes: dict[str, dict[str, dict[str, O]]] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: str) -> O | None:
        """Return the object, or None."""
        return self._objects.get(key)

    def items(self) -> tuple[O, ...]:
        """Return every object."""
        return tuple(self._objects.values())

    def by_index(self, name: str, value: str) -> tuple[O, ...]:
        """Return the objects found under a value. Raises KeyError for an index that was never added."""
        return tuple(self._indexes[name].get(value, {}).values())

    def add_index(self, name: str, function: IndexFunction[O]) -> None:
        """Add an index; the same name once more must mean the same function."""
        if name in self._functions:
            assert self._functions[name] is function, name
            return
        self._functions[name] = function
        self._indexes[name] = {}
        for key, obj in self._objects.items():
            self._enter(name, key, obj)

    def put(self, obj: O) -> list[Change[O]]:
        """Add or replace an object. One that has a new uid is another object: the old one went unseen."""
        key = key_of(obj)
        old = self._objects.get(key)
        if old and old.metadata.uid != obj.metadata.uid:
            return [*self.remove(key), *self.put(obj)]
        if old and old.metadata.resource_version == obj.metadata.resource_version:
            return []
        if old:
            self._leave(key, old)
        self._objects[key] = obj
        for name in self._functions:
            self._enter(name, key, obj)
        return [(old, obj)]

    def remove(self, key: str) -> list[Change[O]]:
        """Take an object out."""
        old = self._objects.pop(key, None)
        if old is None:
            return []
        self._leave(key, old)
        return [(old, None)]

    def replace(self, objects: Iterable[O]) -> list[Change[O]]:
        """Hold exactly these objects; return the differences, those that are gone first."""
        new = {key_of(obj): obj for obj in objects}
        gone = [change for key in [key for key in self._objects if key not in new] for change in self.remove(key)]
        return gone + [change for obj in new.values() for change in self.put(obj)]

    def _enter(self, name: str, key: str, obj: O) -> None:
        for value in self._functions[name](obj):
            self._indexes[name].setdefault(value, {})[key] = obj

    def _leave(self, key: str, obj: O) -> None:
        for name, function in self._functions.items():
            index = self._indexes[name]
            for value in function(obj):
                found = index.get(value, {})
                found.pop(key, None)
                if not found:
                    index.pop(value, None)
