"""What is wrong with a Job's policies: what failed pods mean, when it has succeeded early, when pods are replaced."""

from __future__ import annotations

from edge.api import batch, job_indexes, labels
from edge.api import validation_words as words
from edge.api.errors import Cause
from edge.api.validation_words import Causes

_MOST_RULES = 20
_MOST_CODES = 255
_LONGEST_INDEXES = 64 * 1024
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")


def policies(here: str, spec: batch.JobSpec) -> Causes:
    """Yield what is wrong with the policies of a Job's spec."""
    if spec.pod_failure_policy is not None:
        yield from _failure(f"{here}.podFailurePolicy.rules", spec, spec.pod_failure_policy.rules)
    if spec.success_policy is not None:
        if spec.completion_mode != "Indexed":
            yield words.invalid(f"{here}.successPolicy", spec.success_policy, "requires indexed completion mode")
        else:
            yield from _success(f"{here}.successPolicy.rules", spec.completions, spec.success_policy.rules)
    replacement = spec.pod_replacement_policy
    if replacement is not None:
        supported = ("Failed", "TerminatingOrFailed") if spec.pod_failure_policy is None else ("Failed",)
        if replacement not in supported:
            yield words.unsupported(f"{here}.podReplacementPolicy", replacement, supported)


def _failure(here: str, spec: batch.JobSpec, rules: tuple[batch.PodFailurePolicyRule, ...]) -> Causes:
    if len(rules) > _MOST_RULES:
        yield words.too_many(here, len(rules), _MOST_RULES)
    pod = spec.template.spec
    containers = {container.name for container in (*pod.containers, *pod.init_containers)}
    for index, rule in enumerate(rules):
        at = f"{here}[{index}]"
        if not rule.action:
            yield words.required(f"{at}.action", _valid(_ACTIONS))
        elif rule.action == "FailIndex" and spec.backoff_limit_per_index is None:
            yield words.invalid(f"{at}.action", rule.action, "requires the backoffLimitPerIndex to be set")
        elif rule.action not in _ACTIONS:
            yield words.unsupported(f"{at}.action", rule.action, _ACTIONS)
        if rule.on_exit_codes is not None:
            yield from _exit_codes(f"{at}.onExitCodes", rule.on_exit_codes, containers)
        yield from _conditions(f"{at}.onPodConditions", rule.on_pod_conditions)
        if rule.on_exit_codes is not None and rule.on_pod_conditions:
            yield _without_value(at, "specifying both OnExitCodes and OnPodConditions is not supported")
        elif rule.on_exit_codes is None and not rule.on_pod_conditions:
            yield _without_value(at, "specifying one of OnExitCodes and OnPodConditions is required")


def _exit_codes(here: str, codes: batch.PodFailurePolicyOnExitCodesRequirement, containers: set[str]) -> Causes:
    if not codes.operator:
        yield words.required(f"{here}.operator", _valid(("In", "NotIn")))
    elif codes.operator not in ("In", "NotIn"):
        yield words.unsupported(f"{here}.operator", codes.operator, ("In", "NotIn"))
    if codes.container_name is not None and codes.container_name not in containers:
        yield words.invalid(f"{here}.containerName", codes.container_name,
                            "must be one of the container or initContainer names in the pod template")
    values = codes.values
    if not values:
        yield words.invalid(f"{here}.values", list(values), "at least one value is required")
    elif len(values) > _MOST_CODES:
        yield words.too_many(f"{here}.values", len(values), _MOST_CODES)
    seen: set[int] = set()
    for index, value in enumerate(values):
        if codes.operator == "In" and value == 0:
            yield words.invalid(f"{here}.values[{index}]", value, "must not be 0 for the In operator")
        if value in seen:
            yield words.duplicate(f"{here}.values[{index}]", value)
        seen.add(value)
    if list(values) != sorted(values):
        yield words.invalid(f"{here}.values", list(values), "must be ordered")


def _conditions(here: str, patterns: tuple[batch.PodFailurePolicyOnPodConditionsPattern, ...]) -> Causes:
    if len(patterns) > _MOST_RULES:
        yield words.too_many(here, len(patterns), _MOST_RULES)
    for index, pattern in enumerate(patterns):
        yield from words.check(f"{here}[{index}].type", pattern.type, labels.key_problem)
        if not pattern.status:
            yield words.required(f"{here}[{index}].status", _valid(("False", "True", "Unknown")))
        elif pattern.status not in ("False", "True", "Unknown"):
            yield words.unsupported(f"{here}[{index}].status", pattern.status, ("False", "True", "Unknown"))


def _success(here: str, completions: int | None, rules: tuple[batch.SuccessPolicyRule, ...]) -> Causes:
    if not rules:
        yield words.required(here, "at least one rules must be specified when the successPolicy is specified")
    if len(rules) > _MOST_RULES:
        yield words.too_many(here, len(rules), _MOST_RULES)
    for index, rule in enumerate(rules):
        yield from _success_rule(f"{here}[{index}]", completions or 0, rule)


def _success_rule(here: str, completions: int, rule: batch.SuccessPolicyRule) -> Causes:
    wanted, indexes = rule.succeeded_count, rule.succeeded_indexes
    if wanted is None and indexes is None:
        yield words.required(here, "at least one of succeededCount or succeededIndexes must be specified")
    listed = 0
    if indexes is not None:
        field = f"{here}.succeededIndexes"
        if len(indexes) > _LONGEST_INDEXES:
            yield words.too_long(field, _LONGEST_INDEXES)
        try:
            listed = job_indexes.count(job_indexes.parse(indexes, completions))
        except ValueError as error:
            yield words.invalid(field, indexes, f"error parsing succeededIndexes: {error}")
    if wanted is None:
        return
    field = f"{here}.succeededCount"
    yield from words.at_least(field, wanted)
    if wanted > completions:
        yield words.invalid(field, wanted, f"must be less than or equal to {completions} (the number of specified "
                                           "completions)")
    if indexes is not None and wanted > listed:
        yield words.invalid(field, wanted, f"must be less than or equal to {listed} (the number of indexes in the "
                                           "specified succeededIndexes field)")


def _valid(values: tuple[str, ...]) -> str:
    listed = " ".join(f'"{value}"' for value in values)
    return f"valid values: [{listed}]"


def _without_value(field: str, detail: str) -> Cause:
    return Cause(reason="FieldValueInvalid", field=field, message=f"Invalid value: {detail}")
