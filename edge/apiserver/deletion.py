"""Decides what a delete does: remove the object, or mark it and let its owner or a finalizer finish.

https://kubernetes.io/docs/concepts/architecture/garbage-collection/ and
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

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


class _Preconditions(msgspec.Struct, frozen=True, rename="camel"):
    uid: str | None = None
    resource_version: str | None = None


class _Body(msgspec.Struct, frozen=True, rename="camel"):
    """What a DeleteOptions says, null for what it leaves open."""

    grace_period_seconds: int | None = None
    propagation_policy: str | None = None
    orphan_dependents: bool | None = None
    preconditions: _Preconditions | None = None
    dry_run: tuple[str, ...] | None = None


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


def from_body(body: Mapping[str, Any], base: DeleteOptions) -> DeleteOptions:
    """Return the options of a DeleteOptions body over those of the query.

    Raises:
        errors.BadRequest: for values of the wrong type or an unknown policy.
    """
    try:
        sent = msgspec.convert(body, type=_Body)
    except msgspec.ValidationError as error:
        raise errors.BadRequest(f'DeleteOptions in version "v1" cannot be handled as a DeleteOptions: json: {error}'
                                ) from error
    policy = sent.propagation_policy or ""
    if sent.orphan_dependents is not None and not policy:
        policy = "Orphan" if sent.orphan_dependents else "Background"
    meant = sent.preconditions or _Preconditions()
    merged = replace(base, uid=meant.uid or "", resource_version=meant.resource_version or "",
                     dry_run=base.dry_run or "All" in (sent.dry_run or ()))
    if sent.grace_period_seconds is not None:
        merged = replace(merged, grace_period_seconds=sent.grace_period_seconds)
    if policy:
        merged = replace(merged, propagation_policy=policy)
    if merged.propagation_policy not in ("", "Orphan", "Foreground", "Background"):
        raise errors.BadRequest(f'invalid propagationPolicy: "{merged.propagation_policy}": '
                                'must be one of "Orphan", "Background", "Foreground"')
    return merged


def check(resource: scheme.Resource, obj: meta.Object, options: DeleteOptions) -> None:
    """Raise errors.Conflict when the object is not the one meant."""
    for name, wanted, found in (("UID", options.uid, obj.metadata.uid),
                                ("ResourceVersion", options.resource_version, obj.metadata.resource_version)):
        if wanted and wanted != found:
            raise errors.conflict(resource.group_resource, obj.metadata.name,
                                  f"Precondition failed: {name} in precondition: {wanted}, "
                                  f"{name} in object meta: {found}")


def decide(obj: meta.Object, options: DeleteOptions, now: datetime) -> Outcome:
    """Return what the delete does to the object."""
    if isinstance(obj, core.Namespace) and obj.spec.finalizers:
        return _namespace(obj, now)
    finalizers = _finalizers(obj.metadata.finalizers, options.propagation_policy)
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
            metadata, deletion_timestamp=times.render(now + timedelta(seconds=grace)),
            deletion_grace_period_seconds=grace,
            generation=metadata.generation + 1 if metadata.generation and not under_way else metadata.generation)
    return Mark(msgspec.structs.replace(obj, metadata=metadata))


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
