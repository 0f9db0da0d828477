"""Deletes pods nobody looks after any more: those of nodes that are gone, and old finished ones beyond a number."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from edge.api import core, meta
from edge.controllers import indexes, interface, plan, pods
from edge.controllers.settings import Settings

FINISHED = interface.Key(core.Pod, "", "")
"""The key of the count of finished pods."""


def controller(settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    def run(key: interface.Key, view: interface.View, now: datetime) -> plan.Plan:
        return reconcile(key, view, now, threshold=settings.terminated_pod_threshold)
    return interface.Controller(
        name="pod_gc", reconcile=run, workers=1,
        sources=(interface.Source(core.Pod, _of_pod), interface.Source(core.Node, lambda _node, _view: (),
                                                                       on_delete=_of_node)))


def _of_pod(pod: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    if not isinstance(pod, core.Pod):
        return ()
    if pod.spec.node_name and view.get(core.Node, pod.spec.node_name) is None:
        return (interface.key_of(pod),)
    return (FINISHED,) if pods.is_finished(pod) else ()


def _of_node(node: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    return tuple(interface.key_of(pod) for pod in view.indexed(core.Pod, indexes.NODE, node.metadata.name))


def reconcile(key: interface.Key, view: interface.View, _now: datetime, *, threshold: int = 500) -> plan.Plan:
    """Return the deletions that are due."""
    if key == FINISHED:
        finished = [pod for pod in view.all(core.Pod) if pods.is_finished(pod)
                    and pod.metadata.deletion_timestamp is None]
        finished.sort(key=lambda pod: (pod.metadata.creation_timestamp or "", pod.metadata.name))
        return plan.Plan(tuple(plan.delete(pod, grace_period_seconds=0)
                               for pod in finished[:max(0, len(finished) - threshold)]))
    pod = view.get(core.Pod, key.name, key.namespace)
    if pod is None or not pod.spec.node_name or view.get(core.Node, pod.spec.node_name) is not None:
        return plan.Plan()
    m = pod.metadata
    node = plan.Owner(core.Node, pod.spec.node_name, "", "")
    return plan.Plan((plan.Collect(core.Pod, m.name, m.namespace, m.uid, (node,), grace_period_seconds=0),))
