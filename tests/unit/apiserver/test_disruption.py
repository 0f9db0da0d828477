"""Evictions: what a disruption budget allows, what it is told, and in which words it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from edge.api import core, errors, meta
from edge.api.disruption_budgets import PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus
from edge.apiserver import disruption
from tests import builders

LABELS = {"app": "web"}
REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."


def budget(name: str = "pdb", *, generation: int = 1, policy: str | None = None, **status: Any) -> PodDisruptionBudget:
    counts = {"observed_generation": 1, "current_healthy": 3, "desired_healthy": 2, "expected_pods": 3,
              "disruptions_allowed": 1, **status}
    return PodDisruptionBudget(
        metadata=replace(builders.object_meta(name), generation=generation),
        spec=PodDisruptionBudgetSpec(selector=meta.LabelSelector(match_labels=LABELS),
                                     unhealthy_pod_eviction_policy=policy),
        status=PodDisruptionBudgetStatus(**counts))


def pod(*, ready: bool = True, phase: str = "Running", **more: Any) -> core.Pod:
    return builders.pod("web-1", node="n", labels=LABELS, ready=ready, phase=phase, **more)


def refused(of: core.Pod, *budgets: PodDisruptionBudget) -> errors.ApiError:
    with pytest.raises(errors.ApiError) as raised:
        disruption.decide(of, budgets, builders.NOW)
    return raised.value


def test_only_budgets_that_select_the_pod_have_a_say() -> None:
    other = replace(budget("other"), spec=PodDisruptionBudgetSpec(
        selector=meta.LabelSelector(match_labels={"app": "db"})))
    none = replace(budget("none"), spec=PodDisruptionBudgetSpec())
    every = replace(budget("every"), spec=PodDisruptionBudgetSpec(selector=meta.LabelSelector()))

    found = disruption.matching(pod(), (budget(), other, none, every))
    assert [each.metadata.name for each in found] == ["pdb", "every"]


def test_an_allowed_eviction_counts() -> None:
    allowed = disruption.decide(pod(), (budget(),), builders.NOW)

    assert allowed.counted
    assert not allowed.exactly
    assert allowed.budget is not None
    assert allowed.budget.status.disruptions_allowed == 0
    assert allowed.budget.status.disrupted_pods == {"web-1": builders.STAMP}


def test_without_a_budget_every_pod_may_go() -> None:
    assert disruption.decide(pod(), (), builders.NOW) == disruption.Allowance()


@pytest.mark.parametrize(("phase", "exactly"), [("Succeeded", False), ("Failed", False), ("Pending", True)])
def test_a_pod_that_serves_nobody_may_always_go(phase: str, exactly: bool) -> None:
    spent = (budget(disruptions_allowed=0), budget("second", disruptions_allowed=0))
    assert disruption.decide(pod(ready=False, phase=phase), spent, builders.NOW) == disruption.Allowance(
        exactly=exactly)


def test_a_pod_that_goes_already_may_go() -> None:
    spent = budget(disruptions_allowed=0)
    assert disruption.decide(pod(deleted=True), (spent,), builders.NOW) == disruption.Allowance()


def test_a_spent_budget_says_how_many_it_needs() -> None:
    error = refused(pod(), budget(disruptions_allowed=0, current_healthy=2))

    assert (error.code, error.reason, error.message) == (429, "TooManyRequests", REFUSED)
    assert error.details == {"causes": [{
        "reason": "DisruptionBudget", "message": "The disruption budget pdb needs 2 healthy pods and has 2 currently"}]}


def test_a_budget_that_was_changed_has_to_be_worked_out_first() -> None:
    error = refused(pod(), budget(generation=2))

    assert (error.code, error.message) == (429, REFUSED)
    assert error.details == {"retryAfterSeconds": 10, "causes": [{
        "reason": "DisruptionBudget",
        "message": "The disruption budget pdb is still being processed by the server."}]}


def test_a_budget_that_could_not_be_worked_out_says_why() -> None:
    failed = meta.Condition(type="DisruptionAllowed", status="False", reason="SyncFailed", message="no idea")
    error = refused(pod(), budget(disruptions_allowed=0, conditions=(failed,)))

    assert error.details is not None
    assert error.details["causes"][0]["message"] == (
        "The disruption budget pdb does not allow evicting pods currently because it failed sync: no idea")


def test_more_than_one_budget_is_not_supported() -> None:
    error = refused(pod(), budget(), budget("second"))

    assert (error.code, error.message) == (
        500, "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.")


@pytest.mark.parametrize(("status", "why"), [
    ({"disruptions_allowed": -1}, "pdb disruptions allowed is negative"),
    ({"disrupted_pods": {str(n): builders.STAMP for n in range(2001)}},
     "DisruptedPods map too big - too many evictions not confirmed by PDB controller")])
def test_a_status_that_cannot_be_right_allows_nothing(status: dict[str, Any], why: str) -> None:
    error = refused(pod(), budget(**status))
    assert (error.code, error.message) == (403, f'poddisruptionbudget.policy "pdb" is forbidden: {why}')


def test_a_pod_that_is_not_ready_may_go_while_enough_others_are_healthy() -> None:
    healthy = budget(disruptions_allowed=0, current_healthy=2)
    assert disruption.decide(pod(ready=False), (healthy,), builders.NOW) == disruption.Allowance(
        healthy, exactly=True)
    assert refused(pod(ready=False), budget(disruptions_allowed=0, current_healthy=1)).code == 429
    # Without any wanted the budget cannot tell; then its number decides.
    assert refused(pod(ready=False), budget(disruptions_allowed=0, current_healthy=0, desired_healthy=0)).code == 429


def test_a_pod_that_is_not_ready_may_always_go_where_the_policy_says_so() -> None:
    spent = budget(policy="AlwaysAllow", disruptions_allowed=0, current_healthy=0)

    assert disruption.decide(pod(ready=False), (spent,), builders.NOW) == disruption.Allowance(spent, exactly=True)
    assert refused(pod(), spent).code == 429


def test_an_evicted_pod_is_marked_once() -> None:
    marked = disruption.marked(pod(), builders.NOW)

    (condition,) = [each for each in marked.status.conditions if each.type == "DisruptionTarget"]
    assert (condition.status, condition.reason, condition.message) == (
        "True", "EvictionByEvictionAPI", "Eviction API: evicting")
    assert disruption.marked(marked, builders.NOW.replace(year=2031)) == marked
