"""What is wrong with PodDisruptionBudgets, and with the counts of their status."""

from __future__ import annotations

from edge.api import disruption_budgets as budgets
from edge.api import meta
from edge.api import validation_words as words
from edge.api.validation_words import Causes


def budget(obj: budgets.PodDisruptionBudget) -> Causes:
    """Yield what is wrong with a PodDisruptionBudget."""
    spec = obj.spec
    if spec.min_available is not None and spec.max_unavailable is not None:
        yield words.invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set")
    yield from _amount("spec.minAvailable", spec.min_available)
    yield from _amount("spec.maxUnavailable", spec.max_unavailable)
    yield from words.label_selector("spec.selector", spec.selector)
    policy = spec.unhealthy_pod_eviction_policy
    if policy is not None and policy not in ("AlwaysAllow", "IfHealthyBudget"):
        yield words.unsupported("spec.unhealthyPodEvictionPolicy", policy, ("AlwaysAllow", "IfHealthyBudget"))


def update_status(new: budgets.PodDisruptionBudget, _old: budgets.PodDisruptionBudget) -> Causes:
    """Yield what is wrong with a new status."""
    status = new.status
    for field, number in (("disruptionsAllowed", status.disruptions_allowed),
                          ("currentHealthy", status.current_healthy), ("desiredHealthy", status.desired_healthy),
                          ("expectedPods", status.expected_pods)):
        yield from words.at_least(f"status.{field}", number)


def _amount(field: str, amount: meta.IntOrString | None) -> Causes:
    yield from words.count_or_percent(field, amount)
    if isinstance(amount, str) and amount.endswith("%") and amount[:-1].isascii() and amount[:-1].isdigit() \
            and (len(amount) > 9 or int(amount[:-1]) > 100):
        yield words.invalid(field, amount, "must not be greater than 100%")
