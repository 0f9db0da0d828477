"""Decides how a pod stands among others when the node runs short: its class of service, whether it is critical, and
how ready the kernel is to kill its processes.

https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/
"""

from __future__ import annotations

from collections.abc import Iterable

from edge.api import core, quantity

GUARANTEED, BURSTABLE, BEST_EFFORT = "Guaranteed", "Burstable", "BestEffort"
STATIC = "kubernetes.io/config.source"
MIRROR = "kubernetes.io/config.mirror"
SYSTEM_CRITICAL_PRIORITY = 2_000_000_000
NODE_CRITICAL = "system-node-critical"
GUARANTEED_SCORE = -997
BEST_EFFORT_SCORE = 1000
_COUNTED = ("cpu", "memory")


def qos_class(spec: core.PodSpec) -> str:
    """Return Guaranteed, Burstable or BestEffort, by the requests and limits for CPU and memory."""
    asked = limited = 0
    guaranteed = True
    for container in (*spec.init_containers, *spec.containers):
        requests, limits = container.resources.requests, container.resources.limits
        for name in _COUNTED:
            limit = amount(limits, name)
            request = amount(requests, name) if name in requests else limit
            asked += request
            limited += limit
            guaranteed = guaranteed and limit > 0 and request == limit
    if not asked and not limited:
        return BEST_EFFORT
    return GUARANTEED if guaranteed else BURSTABLE


def amount(amounts: dict[str, str | int | float], name: str) -> int:
    """Return thousandths of a core for cpu, else whole units; what is absent or no quantity counts as nothing."""
    try:
        return quantity.milli(amounts.get(name, 0)) if name == "cpu" else quantity.whole(amounts.get(name, 0))
    except ValueError:
        return 0


def is_critical(pod: core.Pod) -> bool:
    """Return whether the node never ends the pod to save itself: a static pod, or one of the system's priority."""
    annotations = pod.metadata.annotations
    if annotations.get(STATIC, "api") != "api" or MIRROR in annotations:
        return True
    return (pod.spec.priority or 0) >= SYSTEM_CRITICAL_PRIORITY


def oom_score(pod: core.Pod, container: core.Container, memory_bytes: int) -> int:
    """Return the container's oom_score_adj on a node with that much memory, as the kubelet sets it."""
    if is_critical(pod) and pod.spec.priority_class_name == NODE_CRITICAL:
        return GUARANTEED_SCORE
    quality = qos_class(pod.spec)
    if quality == GUARANTEED:
        return GUARANTEED_SCORE
    if quality == BEST_EFFORT:
        return BEST_EFFORT_SCORE
    score = _score((container,), memory_bytes)
    if container.restart_policy == "Always":
        # A sidecar goes no earlier than what it is beside.
        score = min(score, _score(pod.spec.containers, memory_bytes))
    return min(max(score, BEST_EFFORT_SCORE + GUARANTEED_SCORE), BEST_EFFORT_SCORE - 1)


def _score(containers: Iterable[core.Container], memory_bytes: int) -> int:
    least = min((amount(each.resources.requests, "memory") or amount(each.resources.limits, "memory")
                 for each in containers), default=0)
    return BEST_EFFORT_SCORE - BEST_EFFORT_SCORE * least // max(memory_bytes, 1)
