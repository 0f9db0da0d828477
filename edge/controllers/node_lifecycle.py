"""Watches over nodes: one whose lease is old is Unknown, and taints tell scheduler and pods what is wrong with it.

https://kubernetes.io/docs/concepts/architecture/nodes/
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from edge.api import coordination, core, meta, times
from edge.controllers import conditions, indexes, interface, plan, pods
from edge.controllers.settings import Settings

LEASES = "kube-node-lease"
NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_REPORTED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_TAINT_OF = {"MemoryPressure": "node.kubernetes.io/memory-pressure", "DiskPressure": "node.kubernetes.io/disk-pressure",
             "PIDPressure": "node.kubernetes.io/pid-pressure",
             "NetworkUnavailable": "node.kubernetes.io/network-unavailable"}
_OURS = frozenset({NOT_READY, UNREACHABLE, UNSCHEDULABLE, *_TAINT_OF.values()})


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a node may be silent: `grace_seconds`, but nobody is blamed within `startup_seconds` of `started`, when
    the server itself began to listen."""

    grace_seconds: float = 12.0
    started: datetime | None = None
    startup_seconds: float = 30.0


def controller(settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    def run(key: interface.Key, view: interface.View, now: datetime) -> plan.Plan:
        started = settings.listening_since() if settings.listening_since is not None else None
        return reconcile(key, view, now, Patience(settings.node_monitor_grace_seconds, started,
                                                  settings.node_startup_grace_seconds))
    return interface.Controller(
        name="node_lifecycle", reconcile=run,
        sources=(interface.own(core.Node), interface.Source(coordination.Lease, _of_lease),
                 interface.Source(core.Pod, _of_pod)))


def _of_lease(lease: meta.Object, _view: interface.View) -> Iterable[interface.Key]:
    return (interface.Key(core.Node, "", lease.metadata.name),) if lease.metadata.namespace == LEASES else ()


def _of_pod(pod: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    """Name the node of a pod whose readiness contradicts the node's."""
    if not isinstance(pod, core.Pod) or not pod.spec.node_name:
        return ()
    node = view.get(core.Node, pod.spec.node_name)
    if node is None:
        return ()
    return (interface.key_of(node),) if _readiness(pod, _is_ready(node.status.conditions)) is not None else ()


def reconcile(key: interface.Key, view: interface.View, now: datetime, patience: Patience = Patience()) -> plan.Plan:
    """Return the conditions and taints the node should have, and the readiness of its pods."""
    node = view.get(core.Node, key.name)
    if node is None:
        return plan.Plan()
    left = _seconds_left(node, view, now, patience)
    found = node.status.conditions if left > 0 else _unknown(node.status.conditions, now)
    actions: list[plan.Action] = []
    about = plan.reference("Node", "v1", node)
    if found != node.status.conditions:
        actions.append(plan.UpdateStatus(msgspec.structs.replace(
            node, status=msgspec.structs.replace(node.status, conditions=found))))
        if _is_ready(node.status.conditions):
            actions.append(plan.Emit(about, "Normal", "NodeNotReady", f"Node {key.name} status is now: NodeNotReady"))
    taints = _taints(node, found, now, evict=not _all_silent(view, now, patience))
    if taints != node.spec.taints:
        actions.append(plan.Patch(core.Node, key.name, "", {
            "metadata": {"uid": node.metadata.uid, "resourceVersion": node.metadata.resource_version},
            "spec": {"taints": msgspec.to_builtins(taints) or None}}))
    ready = _is_ready(found)
    for pod in view.indexed(core.Pod, indexes.NODE, key.name):
        readiness = _readiness(pod, ready)
        if readiness is not None:
            actions.append(_set_readiness(pod, readiness, now))
    return plan.Plan(tuple(actions), left + 0.05 if left > 0 else None)


def _seconds_left(node: core.Node, view: interface.View, now: datetime, patience: Patience) -> float:
    """Return how long the node's last sign of life still counts; 0 or less when it no longer does."""
    lease = view.get(coordination.Lease, node.metadata.name, LEASES)
    signs = [time for time in (lease.spec.renew_time if lease else None, node.metadata.creation_timestamp) if time]
    if not signs:
        return patience.grace_seconds
    age = (now - max(times.parse(sign) for sign in signs)).total_seconds()
    # A sign from the future means that the clock was set back; it counts from now.
    left = patience.grace_seconds - max(0.0, age)
    if patience.started is None:
        return left
    return max(left, patience.startup_seconds - abs((now - patience.started).total_seconds()))


def _all_silent(view: interface.View, now: datetime, patience: Patience) -> bool:
    """Tell whether every one of several nodes is silent: then the fault is here, or the clock jumped."""
    left = [_seconds_left(node, view, now, patience) for node in view.all(core.Node)]
    return len(left) > 1 and max(left) <= 0


def _is_ready(found: tuple[meta.Condition, ...]) -> bool:
    ready = conditions.find(found, "Ready")
    return ready is not None and ready.status == "True"


def _unknown(found: tuple[meta.Condition, ...], now: datetime) -> tuple[meta.Condition, ...]:
    for name in _REPORTED:
        old = conditions.find(found, name)
        if old is None and name != "Ready":
            continue
        if old is None or old.status != "Unknown":
            made = conditions.make(old, name, "Unknown", "NodeStatusUnknown",
                                   "Kubelet stopped posting node status.", now)
            if old is not None:
                made = msgspec.structs.replace(made, last_heartbeat_time=old.last_heartbeat_time)
            found = conditions.put(found, made)
    return found


def _taints(node: core.Node, found: tuple[meta.Condition, ...], now: datetime, *,
            evict: bool) -> tuple[core.Taint, ...]:
    wanted: list[tuple[str, str]] = []
    ready = conditions.find(found, "Ready")
    if ready is None or ready.status != "True":
        key = UNREACHABLE if ready is not None and ready.status == "Unknown" else NOT_READY
        wanted.append((key, "NoSchedule"))
        if evict:
            wanted.append((key, "NoExecute"))
    wanted += [(key, "NoSchedule") for name, key in _TAINT_OF.items()
               if (condition := conditions.find(found, name)) is not None and condition.status == "True"]
    if node.spec.unschedulable:
        wanted.append((UNSCHEDULABLE, "NoSchedule"))
    kept = [taint for taint in node.spec.taints if taint.key not in _OURS or (taint.key, taint.effect) in wanted]
    have = {(taint.key, taint.effect) for taint in kept}
    added = [core.Taint(key=key, effect=effect, time_added=times.render(now)) for key, effect in wanted
             if (key, effect) not in have]
    return (*kept, *added)


def _readiness(pod: core.Pod, node_is_ready: bool) -> str | None:
    """Return the status the pod's Ready condition must change to because of its node, or None."""
    ready = pods.condition(pod, "Ready")
    if ready is None:
        return None
    if not node_is_ready:
        return "False" if ready.status == "True" else None
    if ready.reason != "NodeNotReady":
        return None
    containers = pods.condition(pod, "ContainersReady")
    return "True" if containers is not None and containers.status == "True" else None


def _set_readiness(pod: core.Pod, status: str, now: datetime) -> plan.Patch:
    old = pods.condition(pod, "Ready")
    reason = "NodeNotReady" if status == "False" else ""
    found = conditions.put(pod.status.conditions, conditions.make(old, "Ready", status, reason, "", now))
    m = pod.metadata
    return plan.Patch(core.Pod, m.name, m.namespace,
                      {"metadata": {"resourceVersion": m.resource_version},
                       "status": {"conditions": msgspec.to_builtins(found)}}, "status")
