"""Decides whether a pod may be evicted: what its disruption budget allows now, and what the budget remembers of it.

https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from edge.api import core, errors, labels, meta, times
from edge.api.disruption_budgets import DISRUPTION_ALLOWED, PodDisruptionBudget, PodDisruptionBudgetStatus

MOST_UNSEEN = 2000
"""Evictions that the budget's controller has not seen yet; more of them mean that it does not look."""
BUSY_SECONDS = 10
TARGET = "DisruptionTarget"
"""The condition of a pod that is evicted; Jobs look at it."""
_VIOLATED = "Cannot evict pod as it would violate the pod's disruption budget."


@dataclass(frozen=True, slots=True)
class Allowance:
    """The pod may go."""

    budget: PodDisruptionBudget | None = None
    """The budget that has a say, with its new status; None when no budget has."""
    counted: bool = False
    """The budget's new status must be stored first: it is one eviction poorer."""
    exactly: bool = False
    """The pod may go only as it was looked at: it is not ready, and could become so meanwhile."""


def matching(pod: core.Pod, budgets: Iterable[PodDisruptionBudget]) -> tuple[PodDisruptionBudget, ...]:
    """Return the budgets that select the pod; all are of its namespace."""
    return tuple(budget for budget in budgets
                 if labels.from_label_selector(budget.spec.selector).matches(pod.metadata.labels))


def decide(pod: core.Pod, budgets: tuple[PodDisruptionBudget, ...], now: datetime) -> Allowance:
    """Return how the pod may be evicted, given the budgets that select it.

    Raises:
        errors.TooManyRequests: when too few pods would be left, or the budget has yet to be worked out.
        errors.Forbidden: when the budget's status cannot be right.
        errors.ApiError: 500 when there is more than one budget.
    """
    if pod.status.phase in ("Succeeded", "Failed") or pod.metadata.deletion_timestamp is not None:
        return Allowance()  # nothing that is not disrupted already
    if pod.status.phase in ("", "Pending"):
        return Allowance(exactly=True)
    if len(budgets) > 1:
        raise errors.ApiError("This pod has more than one PodDisruptionBudget, which the eviction subresource does not "
                              "support.")
    if not budgets:
        return Allowance()
    budget = budgets[0]
    if not _ready(pod) and _spares_unhealthy(budget):
        return Allowance(budget, exactly=True)
    return Allowance(replace(budget, status=_decremented(pod, budget, now)), counted=True)


def busy(budget: PodDisruptionBudget) -> errors.TooManyRequests:
    """Return the 429 of an eviction that has to wait until the budget was looked at again."""
    return _refused(f"The disruption budget {budget.metadata.name} is still being processed by the server.",
                    BUSY_SECONDS)


def marked(pod: core.Pod, now: datetime) -> core.Pod:
    """Return the pod with the condition that says that it is being evicted."""
    condition = meta.Condition(type=TARGET, status="True", reason="EvictionByEvictionAPI",
                               message="Eviction API: evicting", last_transition_time=times.render(now))
    before = next((each for each in pod.status.conditions if each.type == TARGET), None)
    if before is not None and before.status == "True":
        condition = replace(condition, last_transition_time=before.last_transition_time)
    others = tuple(each for each in pod.status.conditions if each.type != TARGET)
    return replace(pod, status=replace(pod.status, conditions=(*others, condition)))


def _decremented(pod: core.Pod, budget: PodDisruptionBudget, now: datetime) -> PodDisruptionBudgetStatus:
    """Return the status of a budget that lets this pod go. Raises what refuses it."""
    status = budget.status
    if status.observed_generation < budget.metadata.generation:
        raise busy(budget)
    if status.disruptions_allowed < 0:
        raise _forbidden(budget, "pdb disruptions allowed is negative")
    if len(status.disrupted_pods) > MOST_UNSEEN:
        raise _forbidden(budget, "DisruptedPods map too big - too many evictions not confirmed by PDB controller")
    if status.disruptions_allowed == 0:
        raise _refused(_why(budget))
    return replace(status, disruptions_allowed=status.disruptions_allowed - 1,
                   disrupted_pods={**status.disrupted_pods, pod.metadata.name: times.render(now)})


def _why(budget: PodDisruptionBudget) -> str:
    """Return what holds the pod back. The numbers mean nothing when the budget could not be worked out."""
    status = budget.status
    name = f"The disruption budget {budget.metadata.name}"
    condition = next((each for each in status.conditions if each.type == DISRUPTION_ALLOWED), None)
    if condition is not None and condition.reason == "SyncFailed" and condition.message:
        return f"{name} does not allow evicting pods currently because it failed sync: {condition.message}"
    return f"{name} needs {status.desired_healthy} healthy pods and has {status.current_healthy} currently"


def _spares_unhealthy(budget: PodDisruptionBudget) -> bool:
    """Tell whether a pod that is not ready may go without being counted, as it does not serve anybody."""
    status = budget.status
    return budget.spec.unhealthy_pod_eviction_policy == "AlwaysAllow" \
        or (status.current_healthy >= status.desired_healthy > 0)


def _ready(pod: core.Pod) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions)


def _refused(why: str, retry_seconds: int = 0) -> errors.TooManyRequests:
    details: dict[str, Any] = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    if retry_seconds:
        details["retryAfterSeconds"] = retry_seconds
    return errors.TooManyRequests(_VIOLATED, details=details)


def _forbidden(budget: PodDisruptionBudget, why: str) -> errors.Forbidden:
    name = budget.metadata.name
    return errors.Forbidden(f'poddisruptionbudget.policy "{name}" is forbidden: {why}',
                            details={"name": name, "group": "policy", "kind": "poddisruptionbudget"})
