"""Keeps the status of PodDisruptionBudgets true: how many of their pods are healthy, and how many may be evicted.

How many pods there should be is the sum of what their controllers are scaled to. An eviction that was allowed counts
against the budget until the pod is seen to go, but no longer than two minutes.
https://kubernetes.io/docs/concepts/workloads/pods/disruptions/
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from edge.api import core, labels, meta, scheme, times
from edge.api.disruption_budgets import DISRUPTION_ALLOWED, PodDisruptionBudget, PodDisruptionBudgetStatus
from edge.controllers import conditions, interface, plan, pods
from edge.controllers.settings import Settings

DELETION_SECONDS = 120
"""How long an allowed eviction counts while the pod does not go; and how long a pod may be marked as going."""
TARGET = "DisruptionTarget"

_UNMANAGED = ("Pods selected by this PodDisruptionBudget (selector: {}) were found to be unmanaged. As a result, the "
              "status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account "
              'for these pods please set ".spec.minAvailable" field of the PDB to an integer value.')
_SCALED = tuple(resource for resource in scheme.resources()
                if "scale" in resource.subresources and "spec" in resource.type.__struct_fields__)


class Unknown(Exception):
    """How many pods there should be cannot be told; the message says why."""


def controller(_settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    return interface.Controller(name="disruption", reconcile=reconcile, sources=(
        interface.own(PodDisruptionBudget), interface.Source(core.Pod, _of_pod),
        *(interface.Source(resource.type, _of_owner) for resource in _SCALED)))


def _of_pod(pod: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    keys = [interface.key_of(budget) for budget in view.all(PodDisruptionBudget, pod.metadata.namespace)
            if _selects(budget, pod)]
    if isinstance(pod, core.Pod) and _is_target(pod):
        keys.append(interface.key_of(pod))
    return keys


def _of_owner(owner: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    """A controller's scale matters to budgets of its namespace, as its pods may be in any of them."""
    return tuple(interface.key_of(budget) for budget in view.all(PodDisruptionBudget, owner.metadata.namespace))


def reconcile(key: interface.Key, view: interface.View, now: datetime) -> plan.Plan:
    """Return what makes the status of a budget true, or takes an old mark off a pod."""
    if key.kind is core.Pod:
        return _unmarked(view.get(core.Pod, key.name, key.namespace), now)
    budget = view.get(PodDisruptionBudget, key.name, key.namespace)
    if budget is None:
        return plan.Plan()
    selected = tuple(pod for pod in view.all(core.Pod, key.namespace) if _selects(budget, pod))
    about = plan.reference("PodDisruptionBudget", "policy/v1", budget)
    events: list[plan.Action] = []
    unseen, recheck_seconds, overdue = _unseen(budget, selected, now)
    try:
        expected, desired, unmanaged = _expected(budget, selected, view)
    except Unknown as error:
        events.append(plan.Emit(about, "Warning", "CalculateExpectedPodCountFailed",
                                f"Failed to calculate the number of expected pods: {error}"))
        status = _failed(budget.status, str(error), now)
    else:
        if not selected:
            events.append(plan.Emit(about, "Normal", "NoPods", "No matching pods found"))
        if unmanaged:
            events.append(plan.Emit(about, "Warning", "UnmanagedPods", _UNMANAGED.format(
                labels.from_label_selector(budget.spec.selector))))
        status = _status(budget, expected, desired, _healthy(selected, unseen), unseen, now)
    if status == budget.status:
        return plan.Plan((), recheck_seconds)  # nothing is new, and so nobody needs to be told again
    events += [plan.Emit(plan.reference("Pod", "v1", pod), "Warning", "NotDeleted",
                         f"Pod was expected by PDB {key.namespace}/{key.name} to be deleted but it wasn't")
               for pod in overdue]
    return plan.Plan((plan.UpdateStatus(replace(budget, status=status)), *events), recheck_seconds)


def _selects(budget: PodDisruptionBudget, pod: meta.Object) -> bool:
    return labels.from_label_selector(budget.spec.selector).matches(pod.metadata.labels)


def _expected(budget: PodDisruptionBudget, selected: tuple[core.Pod, ...],
              view: interface.View) -> tuple[int, int, bool]:
    """Return how many pods there should be, how many must be healthy, and whether some have no controller.

    Raises Unknown when a controller is gone or has no scale.
    """
    spec = budget.spec
    if spec.max_unavailable is not None:
        expected, unmanaged = _scale(selected, view)
        return expected, max(0, expected - _share(spec.max_unavailable, expected)), unmanaged
    if isinstance(spec.min_available, str):
        expected, unmanaged = _scale(selected, view)
        return expected, _share(spec.min_available, expected), unmanaged
    return (0, 0, False) if spec.min_available is None else (len(selected), spec.min_available, False)


def _scale(selected: tuple[core.Pod, ...], view: interface.View) -> tuple[int, bool]:
    """Return the sum of what the controllers of the pods are scaled to, and whether some pods have none."""
    scales: dict[str, int] = {}
    seen: set[str] = set()
    unmanaged = False
    for pod in selected:
        owner = pods.controller_of(pod)
        if owner is None:
            unmanaged = True
        elif owner.uid not in seen:
            seen.add(owner.uid)
            scaled = _scaled_by(owner, pod.metadata.namespace, view)
            if scaled is None:
                raise Unknown(f'found no controllers for pod "{pod.metadata.name}"')
            scales[scaled.metadata.uid] = _replicas(scaled)
    return sum(scales.values()), unmanaged


def _scaled_by(owner: meta.OwnerReference, namespace: str, view: interface.View) -> meta.Object | None:
    """Return the object whose scale says how many pods there should be, or None when it is gone."""
    found = _found(owner, namespace, view)
    above = None if found is None else pods.controller_of(found)
    # A Deployment's ReplicaSets come and go; what it is scaled to itself counts, and once.
    return _found(above, namespace, view) if above is not None and above.kind == "Deployment" else found


def _found(owner: meta.OwnerReference, namespace: str, view: interface.View) -> meta.Object | None:
    """Return the owner if it can be scaled and is still the one that is meant."""
    for resource in _SCALED:
        if resource.kind == owner.kind and resource.group == owner.api_version.rpartition("/")[0]:
            found = view.get(resource.type, owner.name, namespace)
            return found if found is not None and found.metadata.uid == owner.uid else None
    return None


def _replicas(owner: Any) -> int:
    replicas = owner.spec.replicas
    return 1 if replicas is None else int(replicas)


def _share(amount: meta.IntOrString, whole: int) -> int:
    """Return a number of pods, or a share of the whole rounded up."""
    if isinstance(amount, int):
        return amount
    return -(-whole * int(amount.removesuffix("%")) // 100)


def _unseen(budget: PodDisruptionBudget, selected: tuple[core.Pod, ...],
            now: datetime) -> tuple[dict[str, meta.Time], float | None, tuple[core.Pod, ...]]:
    """Return the allowed evictions nothing is seen of yet, in how many seconds the first is overdue, and those that
    are."""
    unseen: dict[str, meta.Time] = {}
    waits: list[float] = []
    overdue: list[core.Pod] = []
    for pod in selected:
        allowed = budget.status.disrupted_pods.get(pod.metadata.name)
        if not allowed or pod.metadata.deletion_timestamp is not None:
            continue
        left = _left(allowed, now)
        if left > 0:
            unseen[pod.metadata.name] = allowed
            waits.append(left + 0.1)
        else:
            overdue.append(pod)
    return unseen, min(waits, default=None), tuple(overdue)


def _left(since: str, now: datetime) -> float:
    """Return how many of the two minutes are left; a clock that was set back does not make them more."""
    return min((times.parse(since) + timedelta(seconds=DELETION_SECONDS) - now).total_seconds(), DELETION_SECONDS)


def _healthy(selected: tuple[core.Pod, ...], unseen: dict[str, meta.Time]) -> int:
    return sum(pod.metadata.deletion_timestamp is None and pod.metadata.name not in unseen and pods.is_ready(pod)
               for pod in selected)


def _status(budget: PodDisruptionBudget, expected: int, desired: int, healthy: int, unseen: dict[str, meta.Time],
            now: datetime) -> PodDisruptionBudgetStatus:
    # Without any pods nothing is allowed: the first ones may appear before this status is worked out anew.
    allowed = max(0, healthy - desired) if expected > 0 else 0
    old = conditions.find(budget.status.conditions, DISRUPTION_ALLOWED)
    condition = conditions.whole(conditions.make(
        old, DISRUPTION_ALLOWED, "True" if allowed else "False", "SufficientPods" if allowed else "InsufficientPods",
        "", now), budget.metadata.generation)
    return PodDisruptionBudgetStatus(
        observed_generation=budget.metadata.generation, disrupted_pods=unseen, disruptions_allowed=allowed,
        current_healthy=healthy, desired_healthy=desired, expected_pods=expected,
        conditions=conditions.put(budget.status.conditions, condition))


def _failed(status: PodDisruptionBudgetStatus, why: str, now: datetime) -> PodDisruptionBudgetStatus:
    """Return the status that lets nothing go while the numbers are not known."""
    old = conditions.find(status.conditions, DISRUPTION_ALLOWED)
    condition = conditions.whole(conditions.make(old, DISRUPTION_ALLOWED, "False", "SyncFailed", why, now),
                                 status.observed_generation)
    return replace(status, disruptions_allowed=0, conditions=conditions.put(status.conditions, condition))


def _is_target(pod: core.Pod) -> bool:
    return any(each.type == TARGET and each.status == "True" for each in pod.status.conditions) \
        and pod.metadata.deletion_timestamp is None and not pods.is_finished(pod)


def _unmarked(pod: core.Pod | None, now: datetime) -> plan.Plan:
    """Return the end of a mark that has come to nothing: the pod was to go and is still there."""
    if pod is None or not _is_target(pod):
        return plan.Plan()
    mark = conditions.find(pod.status.conditions, TARGET)
    since = mark.last_transition_time if mark is not None else None
    left = _left(since, now) if since else 0.0
    if left > 0:
        return plan.Plan((), left + 0.1)
    cleared = conditions.put(pod.status.conditions, conditions.make(mark, TARGET, "False", "", "", now))
    return plan.Plan((plan.UpdateStatus(replace(pod, status=replace(pod.status, conditions=cleared))),))
