"""Decides what a delete does: remove the object, or mark it and let its owner or a finalizer finish.

https://kubernetes.io/docs/concepts/architecture/garbage-collection/ and
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from edge.api import core, errors, meta, scheme, times

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
_FINISHED = ("Succeeded", "Failed")
DEFAULT_GRACE_SECONDS = 30
LONGEST_GRACE_SECONDS = 10 * 365 * 24 * 3600
"""More than this cannot be written as a time of the calendar, and then the pod could not be deleted at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    """How to delete. None and "" leave it to the kind."""

    grace_period_seconds: int | None = None
    propagation_policy: str = ""
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False
    otherwise_orphan: bool = False
    """Leave what the object owns alone, unless its finalizers say something else; where no policy was given."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Take the object out of the store now; `obj` is what watchers see last."""

    obj: meta.Object


@dataclass(frozen=True, slots=True)
class Mark:
    """Store the object with its deletion under way."""

    obj: meta.Object


@dataclass(frozen=True, slots=True)
class Keep:
    """The deletion is already under way as asked."""


Outcome = Remove | Mark | Keep


def check(resource: scheme.Resource, obj: meta.Object, options: DeleteOptions) -> None:
    """Raise errors.Conflict when the object is not the one meant."""
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    for name, wanted, found, why in (
            ("UID", options.uid, obj.metadata.uid, "deleted and then recreated"),
            ("ResourceVersion", options.resource_version, obj.metadata.resource_version, "modified")):
        if wanted and wanted != found:
            raise errors.conflict(kind, obj.metadata.name,
                                  f"the {name} in the precondition ({wanted}) does not match the {name} in record "
                                  f"({found}). The object might have been {why}")


def decide(obj: meta.Object, options: DeleteOptions, now: datetime) -> Outcome:
    """Return what the delete does to the object."""
    if isinstance(obj, core.Namespace) and obj.spec.finalizers:
        return _namespace(obj, now)
    finalizers = _finalizers(obj.metadata.finalizers, _policy(obj, options))
    grace = _grace_seconds(obj, options)
    if grace == 0 and not finalizers:
        return Remove(obj)
    under_way = obj.metadata.deletion_timestamp is not None
    before = obj.metadata.deletion_grace_period_seconds
    shorter = not under_way or before is None or grace < before
    if not shorter and finalizers == obj.metadata.finalizers:
        return Keep()
    metadata = msgspec.structs.replace(obj.metadata, finalizers=finalizers)
    if shorter:
        metadata = msgspec.structs.replace(
            metadata, deletion_timestamp=times.render(_began(obj.metadata, now) + timedelta(seconds=grace)),
            deletion_grace_period_seconds=grace,
            generation=metadata.generation + 1 if metadata.generation and not under_way else metadata.generation)
    return Mark(msgspec.structs.replace(obj, metadata=metadata))


def _began(m: meta.ObjectMeta, now: datetime) -> datetime:
    """Return when the deletion was first asked for: a shorter grace period counts from there."""
    if m.deletion_timestamp is None or m.deletion_grace_period_seconds is None:
        return now
    return times.parse(m.deletion_timestamp) - timedelta(seconds=m.deletion_grace_period_seconds)


def _policy(obj: meta.Object, options: DeleteOptions) -> str:
    undecided = not any(marker in obj.metadata.finalizers for marker in (ORPHAN, FOREGROUND))
    return "Orphan" if options.otherwise_orphan and undecided else options.propagation_policy


def finished(obj: meta.Object) -> bool:
    """Return whether an update has taken away the last thing a deletion was waiting for."""
    if obj.metadata.deletion_timestamp is None or obj.metadata.finalizers:
        return False
    if isinstance(obj, core.Namespace) and obj.spec.finalizers:
        return False
    return not obj.metadata.deletion_grace_period_seconds


def _grace_seconds(obj: meta.Object, options: DeleteOptions) -> int:
    """Only a pod that may be running somewhere is given time."""
    if not isinstance(obj, core.Pod) or not obj.spec.node_name or obj.status.phase in _FINISHED:
        return 0
    if options.grace_period_seconds is not None:
        return _bounded(options.grace_period_seconds)
    if obj.metadata.deletion_grace_period_seconds is not None:
        return obj.metadata.deletion_grace_period_seconds
    own = obj.spec.termination_grace_period_seconds
    return DEFAULT_GRACE_SECONDS if own is None else _bounded(own)


def _bounded(seconds: int) -> int:
    """Return a grace period that can be kept; a negative one counts as one second, as in Kubernetes."""
    return min(seconds, LONGEST_GRACE_SECONDS) if seconds >= 0 else 1


def _finalizers(present: tuple[str, ...], policy: str) -> tuple[str, ...]:
    """Background takes both markers away, Orphan and Foreground leave exactly their own."""
    if not policy:
        return present
    others = tuple(name for name in present if name not in (ORPHAN, FOREGROUND))
    marker = {"Orphan": (ORPHAN,), "Foreground": (FOREGROUND,)}.get(policy, ())
    return others + marker if marker else others


def _namespace(namespace: core.Namespace, now: datetime) -> Outcome:
    if namespace.metadata.deletion_timestamp is not None:
        return Keep()
    metadata = msgspec.structs.replace(namespace.metadata, deletion_timestamp=times.render(now))
    return Mark(msgspec.structs.replace(namespace, metadata=metadata,
                                        status=msgspec.structs.replace(namespace.status, phase="Terminating")))
