"""The contract of a controller: a key and a view of the caches in, a Plan out.

Level, not edge: a key says only which object to look at, never what happened to it. A view is a consistent-enough
copy; the loop makes sure that it contains everything this controller itself wrote for the key before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from edge.api import meta
from edge.api.custom import CustomResource
from edge.api.resource import Resource
from edge.controllers import plan

O = TypeVar("O", bound=meta.Object)  # noqa: E741 - the letter edge.client.interface uses


@dataclass(frozen=True, slots=True)
class Key:
    """Names the object to reconcile."""

    kind: type[meta.Object]
    namespace: str
    name: str


class View(Protocol):
    """What a controller may know: the caches, read-only."""

    def resources(self) -> tuple[Resource, ...]:
        """Return every resource the server serves, custom ones included."""
        ...

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        """Return the resource of a reference's `apiVersion` and `kind`, or None."""
        ...

    def get(self, kind: type[O], name: str, namespace: str = "") -> O | None:
        """Return the object, or None."""
        ...

    def all(self, kind: type[O], namespace: str = "") -> Iterable[O]:
        """Return every object of the namespace, or of all namespaces when it is empty."""
        ...

    def indexed(self, kind: type[O], index: str, value: str) -> Iterable[O]:
        """Return the objects an index (see indexes.py) files under `value`."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """Which keys a change of an object of `kind` concerns; it is called with the old and with the new object."""

    kind: type[meta.Object]
    keys: Callable[[meta.Object, View], Iterable[Key]]
    on_delete: Callable[[meta.Object, View], Iterable[Key]] | None = None
    """Called instead when the object is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """A controller as the loop runs it."""

    name: str
    reconcile: Callable[[Key, View, datetime], plan.Plan]
    sources: tuple[Source, ...]
    initial: tuple[Key, ...] = ()
    """Keys to reconcile once at the start; periodic ones ask to be requeued."""
    workers: int = 4
    """Keys reconciled at the same time."""
    custom_source: Callable[[CustomResource], Source] | None = None
    """The source for each custom resource, as they come and go."""


def key_of(obj: meta.Object) -> Key:
    """Return the key of an object."""
    return Key(type(obj), obj.metadata.namespace, obj.metadata.name)


def own(kind: type[meta.Object]) -> Source:
    """Return the source of the objects a controller is for."""
    return Source(kind, lambda obj, _view: (key_of(obj),))


def controlled_by(kind: type[meta.Object], dependent: type[meta.Object],
                  also: Callable[[meta.Object, View], Iterable[Key]] | None = None) -> Source:
    """Return the source that maps a dependent to its controlling owner of `kind`; an orphan to what `also` names."""
    def keys(obj: meta.Object, view: View) -> Iterable[Key]:
        for ref in obj.metadata.owner_references:
            if ref.controller:
                return (Key(kind, obj.metadata.namespace, ref.name),) if ref.kind == kind.__name__ else ()
        return also(obj, view) if also else ()
    return Source(dependent, keys)
