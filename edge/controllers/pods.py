"""Facts about pods that several controllers decide by."""

from __future__ import annotations

from datetime import datetime

from edge.api import core, meta, times


def phase(pod: core.Pod) -> str:
    """Return the pod's phase; a pod without a status is Pending."""
    return pod.status.phase or "Pending"


def is_finished(pod: core.Pod) -> bool:
    """Tell whether all containers ended for good."""
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: core.Pod) -> bool:
    """Tell whether the pod counts as a replica: neither finished nor terminating."""
    return not is_finished(pod) and pod.metadata.deletion_timestamp is None


def node_name(pod: core.Pod) -> str:
    """Return the node the pod is bound to, or ""."""
    return pod.spec.node_name


def condition(pod: core.Pod, name: str) -> meta.Condition | None:
    """Return one condition of the pod, or None."""
    for found in pod.status.conditions:
        if found.type == name:
            return found
    return None


def is_ready(pod: core.Pod) -> bool:
    """Tell whether the pod's Ready condition is True."""
    ready = condition(pod, "Ready")
    return ready is not None and ready.status == "True"


def available_in(pod: core.Pod, min_ready_seconds: int, now: datetime) -> float | None:
    """Return in how many seconds the pod counts as available (0: it does), or None while it is not ready."""
    ready = condition(pod, "Ready")
    if ready is None or ready.status != "True":
        return None
    if min_ready_seconds <= 0:
        return 0.0
    if not ready.last_transition_time:
        return float(min_ready_seconds)
    age = (now - times.parse(ready.last_transition_time)).total_seconds()
    # Times on the wire have whole seconds; a clock that was set back must not hold a pod back for longer than asked.
    return min(max(0.0, min_ready_seconds - age), float(min_ready_seconds))


def is_available(pod: core.Pod, min_ready_seconds: int, now: datetime) -> bool:
    """Tell whether the pod has been ready for at least that long."""
    return available_in(pod, min_ready_seconds, now) == 0.0


def restarts(pod: core.Pod) -> int:
    """Return the highest restart count of the pod's containers."""
    return max((status.restart_count for status in pod.status.container_statuses), default=0)


def deletion_rank(pod: core.Pod) -> tuple[object, ...]:
    """Return a sort key: a ReplicaSet that has too many pods deletes the smallest first.

    Unassigned before assigned, pending before running, not ready before ready, ready for a shorter time, restarted
    more often, younger; the name makes it total.
    """
    phases = {"Pending": 0, "Unknown": 1}
    ready = condition(pod, "Ready")
    since = (ready.last_transition_time or "") if ready and ready.status == "True" else ""
    return (bool(node_name(pod)), phases.get(phase(pod), 2), is_ready(pod), _descending(since), -restarts(pod),
            _descending(pod.metadata.creation_timestamp or ""), pod.metadata.name)


def _descending(time: str) -> tuple[int, ...]:
    """Return a key that sorts later RFC 3339 times first."""
    return tuple(-ord(letter) for letter in time)


def controller_of(obj: meta.Object) -> meta.OwnerReference | None:
    """Return the reference to the controlling owner, or None."""
    for ref in obj.metadata.owner_references:
        if ref.controller:
            return ref
    return None
