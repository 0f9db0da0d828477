"""What a controller wants done, as values: the loop carries the actions out in order and stops at the first failure.

A reconcile function returns a Plan and nothing else, so that a test reads it as data and a plan that was cut off
half-way is made anew from what is then true.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.api import errors, meta


@dataclass(frozen=True, slots=True)
class Emit:
    """Record an Event about an object. `{name}` in the message becomes the name of what was created or deleted."""

    about: meta.ObjectReference
    type: str
    """Normal or Warning."""
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Create:
    """Create an object."""

    obj: meta.Object
    done: Emit | None = None
    failed: Callable[[errors.ApiError], tuple[Action, ...]] | None = field(default=None, compare=False)
    """What to do when the server refuses it, such as a Warning and a condition."""
    may_exist: bool = False
    """An object of that name is as good: AlreadyExists is no failure."""


@dataclass(frozen=True, slots=True)
class Update:
    """Replace an object."""

    obj: meta.Object


@dataclass(frozen=True, slots=True)
class UpdateStatus:
    """Replace the status of an object."""

    obj: meta.Object


@dataclass(frozen=True, slots=True)
class Patch:
    """Apply a JSON merge patch; a `metadata.resourceVersion` in it makes it conditional."""

    kind: type[meta.Object]
    name: str
    namespace: str
    patch: dict[str, Any]
    subresource: str = ""
    done: Emit | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete exactly the object with this uid."""

    kind: type[meta.Object]
    name: str
    namespace: str
    uid: str
    grace_period_seconds: int | None = None
    propagation_policy: str = ""
    done: Emit | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """An owner as a dependent names it; `kind` is None when nothing of that kind is served, no uid stands for any."""

    kind: type[meta.Object] | None
    name: str
    namespace: str
    uid: str


@dataclass(frozen=True, slots=True)
class Collect:
    """Delete an object if the server, asked now and not the cache, confirms that all these owners are gone."""

    kind: type[meta.Object]
    name: str
    namespace: str
    uid: str
    owners: tuple[Owner, ...]
    grace_period_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Remains:
    """What a purge has left: how many objects of each resource, on which finalizers they wait, what was refused."""

    objects: Mapping[str, int] = field(default_factory=dict)
    """By `group_resource`."""
    finalizers: Mapping[str, int] = field(default_factory=dict)
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Purge:
    """Delete everything in a namespace, or everything of a kind; the actions after it wait until nothing is left."""

    namespace: str = ""
    kind: type[meta.Object] | None = None
    left: Callable[[Remains], tuple[Action, ...]] | None = field(default=None, compare=False)
    """What to do when something is left, such as saying so."""


Action = Create | Update | UpdateStatus | Patch | Delete | Collect | Purge | Emit


@dataclass(frozen=True, slots=True)
class Plan:
    """Actions in order, and when to look again without any change (None: only after a change)."""

    actions: tuple[Action, ...] = ()
    requeue_after_seconds: float | None = None


def reference(kind: str, api_version: str, obj: meta.Object) -> meta.ObjectReference:
    """Return the reference an Event about `obj` carries."""
    m = obj.metadata
    return meta.ObjectReference(kind=kind, api_version=api_version, namespace=m.namespace, name=m.name, uid=m.uid,
                                resource_version=m.resource_version)


def delete(obj: meta.Object, *, grace_period_seconds: int | None = None, propagation_policy: str = "",
           done: Emit | None = None) -> Delete:
    """Return the action that deletes `obj`, and no namesake of it."""
    m = obj.metadata
    return Delete(type(obj), m.name, m.namespace, m.uid, grace_period_seconds, propagation_policy, done)
