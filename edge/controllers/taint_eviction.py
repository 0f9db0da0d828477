"""Evicts pods from nodes with NoExecute taints they do not tolerate, or no longer.

https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from edge.api import core, meta, mirror_pods, placement, times
from edge.controllers import indexes, interface, plan, pods
from edge.controllers.settings import Settings

OWN_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def controller(settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    def run(key: interface.Key, view: interface.View, now: datetime) -> plan.Plan:
        if settings.listening_since is None:
            return reconcile(key, view, now)
        return reconcile(key, view, now, settings.listening_since(), settings.node_startup_grace_seconds)
    return interface.Controller(name="taint_eviction", reconcile=run, sources=(
        interface.Source(core.Pod, _of_pod), interface.Source(core.Node, _of_node)))


def _of_pod(pod: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    node = view.get(core.Node, pod.spec.node_name) if isinstance(pod, core.Pod) and pod.spec.node_name else None
    return (interface.key_of(pod),) if node is not None and _evicting(node) else ()


def _of_node(node: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    if not isinstance(node, core.Node) or not _evicting(node):
        return ()
    return tuple(interface.key_of(pod) for pod in view.indexed(core.Pod, indexes.NODE, node.metadata.name))


def _evicting(node: core.Node) -> tuple[core.Taint, ...]:
    return tuple(taint for taint in node.spec.taints if taint.effect == placement.NO_EXECUTE)


def reconcile(key: interface.Key, view: interface.View, now: datetime, started: datetime | None = None,
              startup_seconds: float = 0.0) -> plan.Plan:
    """Return the eviction, or when it will be due.

    A node that was silent before `started`, when the server itself began to listen, loses no pod for that within
    `startup_seconds`: a power failure takes nodes and server at different moments.
    """
    pod = view.get(core.Pod, key.name, key.namespace)
    node = view.get(core.Node, pod.spec.node_name) if pod is not None and pod.spec.node_name else None
    if pod is None or node is None or pod.metadata.deletion_timestamp is not None or pods.is_finished(pod) \
            or mirror_pods.is_mirror(pod):
        return plan.Plan()
    trial = startup_seconds - abs((now - started).total_seconds()) if started is not None else 0.0
    taints = tuple(taint for taint in _evicting(node)
                   if started is None or trial <= 0 or not _on_trial(taint, started))
    left = seconds_left(taints, pod.spec.tolerations, now)
    if left is None:
        return plan.Plan(requeue_after_seconds=trial + 0.05 if taints != _evicting(node) else None)
    if left > 0:
        return plan.Plan(requeue_after_seconds=left + 0.05)
    event = plan.Emit(plan.reference("Pod", "v1", pod), "Normal", "TaintManagerEviction",
                      f"Marking for deletion Pod {key.namespace}/{key.name}")
    return plan.Plan((event, plan.delete(pod)))


def _on_trial(taint: core.Taint, started: datetime) -> bool:
    """Return whether the taint only says that a node was silent when nobody listened."""
    return taint.key in OWN_TAINTS and bool(taint.time_added) and times.parse(taint.time_added or "") < started


def seconds_left(taints: tuple[core.Taint, ...], tolerations: tuple[core.Toleration, ...],
                 now: datetime) -> float | None:
    """Return how long a pod may stay with these NoExecute taints; None: for ever."""
    limits: list[float] = []
    for taint in taints:
        covering = [t for t in tolerations if placement.tolerates(t, taint)]
        if not covering:
            return 0.0
        if all(t.toleration_seconds is not None for t in covering):
            age = (now - times.parse(taint.time_added)).total_seconds() if taint.time_added else 0.0
            allowed = min(t.toleration_seconds or 0 for t in covering)
            limits.append(max(0.0, min(allowed - age, float(allowed))))
    return min(limits, default=None)
