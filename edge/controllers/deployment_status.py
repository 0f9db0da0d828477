"""The status of a Deployment: counters and the conditions `kubectl rollout status` and `kubectl wait` read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from edge.api import apps, meta, times
from edge.controllers import conditions

NEVER_SECONDS = 2147483647
"""A progress deadline of this many seconds stands for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the status is made from."""

    deployment: apps.Deployment
    replicas: int
    unavailable: int
    sets: tuple[apps.ReplicaSet, ...]
    new: apps.ReplicaSet | None
    collisions: int


def status(facts: Facts, now: datetime) -> tuple[apps.DeploymentStatus, float | None]:
    """Return the status, and in how many seconds the progress deadline has to be looked at again."""
    old = facts.deployment.status
    states = [rs.status for rs in facts.sets]
    total = sum(state.replicas for state in states)
    available = sum(state.available_replicas for state in states)
    new = facts.new.status if facts.new else apps.ReplicaSetStatus()
    counted = msgspec.structs.replace(
        old, observed_generation=max(old.observed_generation, facts.deployment.metadata.generation),
        replicas=total, updated_replicas=new.replicas,
        ready_replicas=sum(state.ready_replicas for state in states), available_replicas=available,
        unavailable_replicas=max(0, max(total, facts.replicas) - available),
        collision_count=facts.collisions or old.collision_count)
    if facts.deployment.metadata.deletion_timestamp is not None:
        return counted, None
    found = _available(counted.conditions, available >= facts.replicas - facts.unavailable, now)
    found, again = _progressing(facts, old, msgspec.structs.replace(counted, conditions=found), now)
    return msgspec.structs.replace(counted, conditions=_failure(facts, found, now)), again


def is_complete(deployment: apps.Deployment, state: apps.DeploymentStatus, replicas: int) -> bool:
    """Tell whether all pods are of the new template and available, and nothing else is left."""
    return state.updated_replicas == state.replicas == state.available_replicas == replicas \
        and state.observed_generation >= deployment.metadata.generation


def _available(old: tuple[meta.Condition, ...], enough: bool, now: datetime) -> tuple[meta.Condition, ...]:
    before = conditions.find(old, "Available")
    if enough:
        made = conditions.make(before, "Available", "True", "MinimumReplicasAvailable",
                               "Deployment has minimum availability.", now, updated=True)
    else:
        made = conditions.make(before, "Available", "False", "MinimumReplicasUnavailable",
                               "Deployment does not have minimum availability.", now, updated=True)
    return conditions.put(old, made)


def _progressing(facts: Facts, old: apps.DeploymentStatus, state: apps.DeploymentStatus,
                 now: datetime) -> tuple[tuple[meta.Condition, ...], float | None]:
    found = state.conditions
    before = conditions.find(found, "Progressing")
    spec = facts.deployment.spec
    deadline = spec.progress_deadline_seconds
    if deadline is None or deadline >= NEVER_SECONDS:
        deadline = None
    name = (f'ReplicaSet "{facts.new.metadata.name}"' if facts.new
            else f'Deployment "{facts.deployment.metadata.name}"')

    def put(value: str, reason: str, message: str, *, moved: bool = False) -> tuple[meta.Condition, ...]:
        made = conditions.make(before, "Progressing", value, reason, message, now, updated=True)
        if moved:
            made = msgspec.structs.replace(made, last_update_time=times.render(now))
        return conditions.put(found, made)

    if spec.paused:
        if before is not None and before.reason == "ProgressDeadlineExceeded":
            return found, None
        return put("Unknown", "DeploymentPaused", "Deployment is paused"), None
    if before is not None and before.reason == "DeploymentPaused":
        return put("Unknown", "DeploymentResumed", "Deployment is resumed", moved=True), deadline
    if facts.new is not None and is_complete(facts.deployment, state, facts.replicas):
        return put("True", "NewReplicaSetAvailable", f"{name} has successfully progressed."), None
    if before is None or _moved(old, state) or _is_new_rollout(before, name):
        reason = "NewReplicaSetCreated" if facts.new and before is None else "ReplicaSetUpdated"
        message = f'Created new replica set "{facts.new.metadata.name}"' if facts.new and before is None \
            else f"{name} is progressing."
        return put("True", reason, message, moved=True), deadline
    if deadline is None or before.reason in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded"):
        return found, None
    left = deadline - (now - times.parse(before.last_update_time or times.render(now))).total_seconds()
    if left > 0:
        return found, left + 0.1
    return put("False", "ProgressDeadlineExceeded", f"{name} has timed out progressing."), None


def _is_new_rollout(before: meta.Condition, name: str) -> bool:
    """Tell whether the condition speaks of another ReplicaSet than the one that is now rolled out."""
    subject = name.rpartition(" ")[2]
    return name.startswith("ReplicaSet") and subject not in before.message


def _moved(old: apps.DeploymentStatus, new: apps.DeploymentStatus) -> bool:
    return (new.updated_replicas > old.updated_replicas
            or new.replicas - new.updated_replicas < old.replicas - old.updated_replicas
            or new.ready_replicas > old.ready_replicas
            or new.available_replicas > old.available_replicas)


def _failure(facts: Facts, found: tuple[meta.Condition, ...], now: datetime) -> tuple[meta.Condition, ...]:
    """Pass on the ReplicaFailure of the new ReplicaSet, else of any."""
    ordered = sorted(facts.sets, key=lambda rs: rs is not facts.new)
    for rs in ordered:
        cause = conditions.find(rs.status.conditions, "ReplicaFailure")
        if cause is not None and cause.status == "True":
            before = conditions.find(found, "ReplicaFailure")
            return conditions.put(found, conditions.make(before, "ReplicaFailure", "True", cause.reason,
                                                         cause.message, now, updated=True))
    return conditions.without(found, "ReplicaFailure")
