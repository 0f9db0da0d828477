"""Runs one pod of a DaemonSet on every node that fits, and replaces old ones a few at a time.

Pods are made for one node each by a node affinity on `metadata.name`; the scheduler binds them.
https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from edge.api import apps, core, labels, meta, placement
from edge.controllers import daemonset_revisions, interface, ownership, plan, pods, rollout
from edge.controllers.settings import Settings

HASH_LABEL = daemonset_revisions.HASH_LABEL
_AUTOMATIC = (("node.kubernetes.io/not-ready", "NoExecute"), ("node.kubernetes.io/unreachable", "NoExecute"),
              ("node.kubernetes.io/disk-pressure", "NoSchedule"), ("node.kubernetes.io/memory-pressure", "NoSchedule"),
              ("node.kubernetes.io/pid-pressure", "NoSchedule"), ("node.kubernetes.io/unschedulable", "NoSchedule"))


@dataclass(frozen=True, slots=True)
class Situation:
    """What one round looks at."""

    daemon_set: apps.DaemonSet
    wanted: tuple[str, ...]
    """Nodes that should run the pod."""
    kept: frozenset[str]
    """Nodes on which a running pod may stay."""
    by_node: dict[str, list[core.Pod]]
    hash: str
    now: datetime


def controller(_settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    return interface.Controller(
        name="daemonset", reconcile=reconcile,
        sources=(interface.own(apps.DaemonSet),
                 interface.controlled_by(apps.DaemonSet, core.Pod, also=_selecting),
                 interface.controlled_by(apps.DaemonSet, apps.ControllerRevision),
                 interface.Source(core.Node, lambda _node, view: tuple(
                     interface.key_of(ds) for ds in view.all(apps.DaemonSet)))))


def _selecting(pod: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    return tuple(interface.key_of(ds) for ds in view.all(apps.DaemonSet, pod.metadata.namespace)
                 if labels.from_label_selector(ds.spec.selector).matches(pod.metadata.labels))


def reconcile(key: interface.Key, view: interface.View, now: datetime) -> plan.Plan:
    """Return the pods to create and delete, the revisions to keep, and the status."""
    ds = view.get(apps.DaemonSet, key.name, key.namespace)
    if ds is None:
        return plan.Plan()
    ref = ownership.controller_ref("DaemonSet", "apps/v1", ds)
    selector = labels.from_label_selector(ds.spec.selector)
    claimed, claims = ownership.claim(ref, ds, selector, core.Pod, view)
    history = daemonset_revisions.plan_history(ds, ref, claimed, view)
    at = _situation(ds, claimed, view, history.hash, now)
    status = _status(at)
    actions: list[plan.Action] = [*claims]
    if ds.metadata.deletion_timestamp is None:
        actions += history.actions
    if status != ds.status:
        actions.append(plan.UpdateStatus(msgspec.structs.replace(ds, status=status)))
    if ds.metadata.deletion_timestamp is None and not claims:
        actions += _place(at, ref) or _roll(at)
    return plan.Plan(tuple(actions), _soonest_available(at))


def tolerations(spec: core.PodSpec) -> tuple[core.Toleration, ...]:
    """Return the template's tolerations and those every DaemonSet pod has."""
    extra = _AUTOMATIC + ((("node.kubernetes.io/network-unavailable", "NoSchedule"),) if spec.host_network else ())
    made = tuple(core.Toleration(key=key, operator="Exists", effect=effect) for key, effect in extra)
    return (*spec.tolerations, *(t for t in made if t not in spec.tolerations))


def _situation(ds: apps.DaemonSet, claimed: tuple[core.Pod, ...], view: interface.View, digest: str,
               now: datetime) -> Situation:
    spec = ds.spec.template.spec
    allowed = tolerations(spec)
    wanted: list[str] = []
    kept: set[str] = set()
    for node in sorted(view.all(core.Node), key=lambda node: node.metadata.name):
        fits = placement.selects(spec, node) and spec.node_name in ("", node.metadata.name)
        if not fits or placement.untolerated(node.spec.taints, allowed, (placement.NO_EXECUTE,)):
            continue
        kept.add(node.metadata.name)
        if not placement.untolerated(node.spec.taints, allowed):
            wanted.append(node.metadata.name)
    by_node: dict[str, list[core.Pod]] = {}
    for pod in claimed:
        by_node.setdefault(pod.spec.node_name or placement.only_node(pod.spec), []).append(pod)
    return Situation(ds, tuple(wanted), frozenset(kept), by_node, digest, now)


def _place(at: Situation, ref: meta.OwnerReference) -> list[plan.Action]:
    """Return creations for nodes without a pod, and deletions where one is too many, finished or out of place."""
    about = plan.reference("DaemonSet", "apps/v1", at.daemon_set)
    deleted = plan.Emit(about, "Normal", "SuccessfulDelete", "Deleted pod: {name}")
    actions: list[plan.Action] = []
    for node, found in sorted(at.by_node.items()):
        live = [pod for pod in found if pod.metadata.deletion_timestamp is None]
        for pod in live:
            if pods.is_finished(pod) and node in at.kept:
                m = pod.metadata
                actions += [plan.Emit(about, "Warning", "FailedDaemonPod",
                                      f"Found failed daemon pod {m.namespace}/{m.name} on node {node}, will try to "
                                      "kill it"), plan.delete(pod, done=deleted)]
        running = sorted((pod for pod in live if not pods.is_finished(pod)), key=_oldest_first)
        surplus = running[1:] if node in at.kept else live
        actions += [plan.delete(pod, done=deleted) for pod in surplus]
    created = plan.Emit(about, "Normal", "SuccessfulCreate", "Created pod: {name}")
    for node in at.wanted:
        # A terminating pod still holds ports and volumes of its node: its successor waits until it is gone.
        if not at.by_node.get(node):
            actions.append(plan.Create(_pod(at, node, ref), created, lambda error: (
                plan.Emit(about, "Warning", "FailedCreate", f"Error creating: {error.message}"),)))
    return actions


def _oldest_first(pod: core.Pod) -> tuple[object, ...]:
    return (not pod.spec.node_name, not pods.is_ready(pod), pod.metadata.creation_timestamp or "", pod.metadata.name)


def _roll(at: Situation) -> list[plan.Action]:
    """Return the deletions of old pods that `maxUnavailable` allows now; those that are down anyway go first."""
    strategy = at.daemon_set.spec.update_strategy
    if strategy.type == "OnDelete":
        return []
    rolling = strategy.rolling_update
    allowed = max(1, rollout.amount(rolling.max_unavailable if rolling else None, len(at.wanted), up=True, default=1))
    missing = 0
    broken: list[core.Pod] = []
    old: list[core.Pod] = []
    for node in at.wanted:
        pod = next(iter(_live(at, node)), None)
        up = pod is not None and pods.is_available(pod, at.daemon_set.spec.min_ready_seconds, at.now)
        missing += not up
        if pod is not None and pod.metadata.labels.get(HASH_LABEL) != at.hash:
            (old if up else broken).append(pod)
    about = plan.reference("DaemonSet", "apps/v1", at.daemon_set)
    deleted = plan.Emit(about, "Normal", "SuccessfulDelete", "Deleted pod: {name}")
    return [plan.delete(pod, done=deleted) for pod in (*broken, *old[:max(0, allowed - missing)])]


def _live(at: Situation, node: str) -> list[core.Pod]:
    return [pod for pod in at.by_node.get(node, ()) if pods.is_active(pod)]


def _pod(at: Situation, node: str, ref: meta.OwnerReference) -> core.Pod:
    ds, template = at.daemon_set, at.daemon_set.spec.template
    m = template.metadata
    spec = msgspec.structs.replace(template.spec, affinity=_on(node, template.spec.affinity),
                                   tolerations=tolerations(template.spec))
    return core.Pod(api_version="v1", kind="Pod", spec=spec, metadata=meta.ObjectMeta(
        generate_name=f"{ds.metadata.name}-", namespace=ds.metadata.namespace,
        labels={**m.labels, HASH_LABEL: at.hash}, annotations=m.annotations, finalizers=m.finalizers,
        owner_references=(ref,)))


def _on(node: str, affinity: core.Affinity | None) -> core.Affinity:
    """Return the affinity narrowed to one node; other terms were checked when the node was chosen."""
    rule = core.NodeSelectorRequirement(key="metadata.name", operator="In", values=(node,))
    required = core.NodeSelector(node_selector_terms=(core.NodeSelectorTerm(match_fields=(rule,)),))
    base = affinity or core.Affinity()
    only = msgspec.structs.replace(base.node_affinity or core.NodeAffinity(),
                                   required_during_scheduling_ignored_during_execution=required)
    return msgspec.structs.replace(base, node_affinity=only)


def _status(at: Situation) -> apps.DaemonSetStatus:
    ds = at.daemon_set
    chosen = [_live(at, node)[0] for node in at.wanted if _live(at, node)]
    available = sum(pods.is_available(pod, ds.spec.min_ready_seconds, at.now) for pod in chosen)
    return msgspec.structs.replace(
        ds.status, desired_number_scheduled=len(at.wanted), current_number_scheduled=len(chosen),
        number_misscheduled=sum(node not in at.wanted and bool(_live(at, node)) for node in at.by_node),
        number_ready=sum(pods.is_ready(pod) for pod in chosen), number_available=available,
        number_unavailable=len(at.wanted) - available,
        updated_number_scheduled=sum(pod.metadata.labels.get(HASH_LABEL) == at.hash for pod in chosen),
        observed_generation=max(ds.status.observed_generation, ds.metadata.generation))


def _soonest_available(at: Situation) -> float | None:
    seconds = at.daemon_set.spec.min_ready_seconds
    waits = (pods.available_in(pod, seconds, at.now) for node in at.wanted for pod in _live(at, node))
    return min((wait + 0.1 for wait in waits if wait), default=None)
