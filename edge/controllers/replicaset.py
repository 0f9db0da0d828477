"""Keeps as many pods as a ReplicaSet asks for: adopts, creates, deletes, and counts them in the status.

Terminating and finished pods do not count. https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from edge.api import apps, core, errors, labels, meta
from edge.controllers import conditions, indexes, interface, ownership, plan, pods
from edge.controllers.settings import Settings

BURST = 500
"""Pods created or deleted in one round, so that other ReplicaSets get their turn."""


def controller(_settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    return interface.Controller(
        name="replicaset", reconcile=reconcile,
        sources=(interface.own(apps.ReplicaSet),
                 interface.controlled_by(apps.ReplicaSet, core.Pod, also=_selecting)))


def _selecting(pod: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    return tuple(interface.key_of(rs) for rs in view.all(apps.ReplicaSet, pod.metadata.namespace)
                 if labels.from_label_selector(rs.spec.selector).matches(pod.metadata.labels))


def reconcile(key: interface.Key, view: interface.View, now: datetime) -> plan.Plan:
    """Return what brings the number of pods to `spec.replicas`."""
    rs = view.get(apps.ReplicaSet, key.name, key.namespace)
    if rs is None:
        return plan.Plan()
    ref = ownership.controller_ref("ReplicaSet", "apps/v1", rs)
    selector = labels.from_label_selector(rs.spec.selector)
    claimed, claims = ownership.claim(ref, rs, selector, core.Pod, view)
    active = tuple(pod for pod in claimed if pods.is_active(pod))
    wanted = replicas_of(rs)
    status = _status(rs, active, now, settled=len(active) == wanted)
    actions: list[plan.Action] = list(claims)
    if status != rs.status:
        actions.append(plan.UpdateStatus(msgspec.structs.replace(rs, status=status)))
    if rs.metadata.deletion_timestamp is None and not claims:
        actions += _scale(rs, ref, active, view, status, now)
    return plan.Plan(tuple(actions), _soonest_available(rs, active, now))


def replicas_of(rs: apps.ReplicaSet) -> int:
    """Return the wanted number of replicas; an unset one means 1."""
    return 1 if rs.spec.replicas is None else rs.spec.replicas


def _scale(rs: apps.ReplicaSet, ref: meta.OwnerReference, active: tuple[core.Pod, ...], view: interface.View,
           status: apps.ReplicaSetStatus, now: datetime) -> list[plan.Action]:
    missing = replicas_of(rs) - len(active)
    about = plan.reference("ReplicaSet", "apps/v1", rs)
    if missing > 0:
        def failed(error: errors.ApiError) -> tuple[plan.Action, ...]:
            return _refused(rs, status, about, error, now)
        created = plan.Emit(about, "Normal", "SuccessfulCreate", "Created pod: {name}")
        return [plan.Create(_pod(rs, ref), created, failed) for _ in range(min(missing, BURST))]
    crowd = _pods_per_node(rs, view)
    surplus = sorted(active, key=lambda pod: _rank(pod, crowd))[:min(-missing, BURST)]
    return [plan.delete(pod, done=plan.Emit(about, "Normal", "SuccessfulDelete", "Deleted pod: {name}"))
            for pod in surplus]


def _rank(pod: core.Pod, crowd: dict[str, int]) -> tuple[object, ...]:
    """Return the deletion rank, where of equally ready pods the one on the fuller node goes first."""
    assigned, phase, ready, *rest = pods.deletion_rank(pod)
    return (assigned, phase, ready, _cost(pod), -crowd.get(pods.node_name(pod), 0), *rest)


def _cost(pod: core.Pod) -> int:
    try:
        return int(pod.metadata.annotations.get("controller.kubernetes.io/pod-deletion-cost", "0"))
    except ValueError:
        return 0


def _pods_per_node(rs: apps.ReplicaSet, view: interface.View) -> dict[str, int]:
    """Count active pods of all ReplicaSets of the same owner on each node."""
    crowd: dict[str, int] = {}
    owner = pods.controller_of(rs)
    siblings: Iterable[apps.ReplicaSet] = (rs,) if owner is None else view.indexed(apps.ReplicaSet, indexes.OWNER,
                                                                                   owner.uid)
    for sibling in siblings:
        for pod in view.indexed(core.Pod, indexes.OWNER, sibling.metadata.uid):
            if pods.is_active(pod):
                crowd[pods.node_name(pod)] = crowd.get(pods.node_name(pod), 0) + 1
    return crowd


def _pod(rs: apps.ReplicaSet, ref: meta.OwnerReference) -> core.Pod:
    template = rs.spec.template
    m = template.metadata
    prefix = f"{rs.metadata.name}-"
    return core.Pod(
        api_version="v1", kind="Pod", spec=template.spec,
        metadata=meta.ObjectMeta(generate_name=prefix, namespace=rs.metadata.namespace, labels=m.labels,
                                 annotations=m.annotations, finalizers=m.finalizers, owner_references=(ref,)))


def _refused(rs: apps.ReplicaSet, status: apps.ReplicaSetStatus, about: meta.ObjectReference,
             error: errors.ApiError, now: datetime) -> tuple[plan.Action, ...]:
    old = conditions.find(status.conditions, "ReplicaFailure")
    condition = conditions.make(old, "ReplicaFailure", "True", "FailedCreate", error.message, now)
    new = msgspec.structs.replace(status, conditions=conditions.put(status.conditions, condition))
    event = plan.Emit(about, "Warning", "FailedCreate", f"Error creating: {error.message}")
    if old is not None and old.status == "True":
        return (event,)
    patch = {"status": {"conditions": msgspec.to_builtins(new.conditions)}}
    return (event, plan.Patch(apps.ReplicaSet, rs.metadata.name, rs.metadata.namespace, patch, "status"))


def _status(rs: apps.ReplicaSet, active: tuple[core.Pod, ...], now: datetime, *,
            settled: bool) -> apps.ReplicaSetStatus:
    wanted = rs.spec.template.metadata.labels
    old = rs.status
    seconds = rs.spec.min_ready_seconds
    return msgspec.structs.replace(
        old, replicas=len(active),
        fully_labeled_replicas=sum(wanted.items() <= pod.metadata.labels.items() for pod in active),
        ready_replicas=sum(pods.is_ready(pod) for pod in active),
        available_replicas=sum(pods.is_available(pod, seconds, now) for pod in active),
        observed_generation=max(old.observed_generation or 0, rs.metadata.generation),
        conditions=conditions.without(old.conditions, "ReplicaFailure") if settled else old.conditions)


def _soonest_available(rs: apps.ReplicaSet, active: tuple[core.Pod, ...], now: datetime) -> float | None:
    seconds = rs.spec.min_ready_seconds
    waits = (pods.available_in(pod, seconds, now) for pod in active)
    return min((wait + 0.1 for wait in waits if wait), default=None)
