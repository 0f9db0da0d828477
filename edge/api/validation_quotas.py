"""What is wrong with LimitRanges and ResourceQuotas."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from edge.api import labels, meta, quotas
from edge.api import validation_amounts as amounts
from edge.api import validation_words as words
from edge.api.validation_words import Causes

_TYPES = ("Container", "PersistentVolumeClaim", "Pod")
_FILTERED = ("Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "CrossNamespacePodAffinity")
_SCOPES = (*_FILTERED, "PriorityClass")
_OPPOSITES = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
_COMPUTE = {"cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"}
_ONLY_EXISTS = ("must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, "
                "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or "
                "ResourceQuotaScopeCrossNamespacePodAffinity")


def limit_range(obj: quotas.LimitRange) -> Causes:
    """Yield what is wrong with a LimitRange."""
    seen: set[str] = set()
    for index, item in enumerate(obj.spec.limits):
        here = f"spec.limits[{index}]"
        if problem := labels.key_problem(item.type):
            yield words.invalid(f"{here}.type", item.type, problem)
        elif "/" not in item.type and item.type not in _TYPES:
            yield words.invalid(f"{here}.type", item.type, "must be a standard limit type or fully qualified")
        if item.type in seen:
            yield words.duplicate(f"{here}.type", item.type)
        seen.add(item.type)
        yield from _limits(here, item)


def _limits(here: str, item: quotas.LimitRangeItem) -> Causes:
    given = {"max": item.max, "min": item.min, "default": item.default, "defaultRequest": item.default_request,
             "maxLimitRequestRatio": item.max_limit_request_ratio}
    if item.type == "Pod":
        for field in ("default", "defaultRequest"):
            if given.pop(field):
                yield words.forbidden(f"{here}.{field}", "may not be specified when `type` is 'Pod'")
    elif item.type == "PersistentVolumeClaim" and "storage" not in item.min and "storage" not in item.max:
        yield words.required(f"{here}.limits", "either minimum or maximum storage value is required, but neither was "
                                               "provided")
    name_rule = amounts.container_resource if item.type in ("Pod", "Container") else amounts.resource_name
    values: dict[str, dict[str, Fraction]] = {}
    for field, quantities in given.items():
        for name, amount in quantities.items():
            at = f"{here}.{field}[{name}]"
            yield from name_rule(at, name)
            value = amounts.read(amount)
            if value is None:
                yield amounts.no_quantity(at, amount)
            else:
                values.setdefault(name, {})[field] = value
    for name in values:
        yield from _order(here, name, values[name], {field: given[field].get(name, 0) for field in given})
        yield from _ratio(here, name, values[name], item.max_limit_request_ratio)


def _order(here: str, name: str, value: dict[str, Fraction], shown: dict[str, meta.Quantity]) -> Causes:
    """What is smaller by its name must be smaller."""
    for low, high, field, named, text in (
            ("min", "max", "min", "min", "min value {} is greater than max value {}"),
            ("min", "defaultRequest", "defaultRequest", "defaultRequest",
             "min value {} is greater than default request value {}"),
            ("defaultRequest", "max", "defaultRequest", "defaultRequest",
             "default request value {} is greater than max value {}"),
            ("defaultRequest", "default", "defaultRequest", "defaultRequest",
             "default request value {} is greater than default limit value {}"),
            ("min", "default", "default", "min", "min value {} is greater than default value {}"),
            ("default", "max", "default", "max", "default value {} is greater than max value {}")):
        if low in value and high in value and value[low] > value[high]:
            yield words.invalid(f"{here}.{field}[{name}]", str(shown[named]), text.format(shown[low], shown[high]))
    if "default" in value and value.get("defaultRequest", value["default"]) != value["default"] \
            and not amounts.overcommits(name):
        yield words.invalid(f"{here}.defaultRequest[{name}]", str(shown["defaultRequest"]),
                            f"default value {shown['default']} must equal to defaultRequest value "
                            f"{shown['defaultRequest']} in {name}")


def _ratio(here: str, name: str, value: dict[str, Fraction], shown: dict[str, meta.Quantity]) -> Causes:
    ratio = value.get("maxLimitRequestRatio")
    if ratio is None:
        return
    at, text = f"{here}.maxLimitRequestRatio[{name}]", str(shown[name])
    if ratio < 1:
        yield words.invalid(at, text, f"ratio {text} is less than 1")
    if value.get("min") and "max" in value and ratio > value["max"] / value["min"]:
        yield words.invalid(at, text, f"ratio {text} is greater than max/min = {float(value['max'] / value['min']):f}")


def resource_quota(obj: quotas.ResourceQuota) -> Causes:
    """Yield what is wrong with a ResourceQuota."""
    spec = obj.spec
    yield from _counts("spec.hard", spec.hard)
    for scope in dict.fromkeys(spec.scopes):
        if scope not in _SCOPES:
            yield words.invalid("spec.scopes", spec.scopes, "unsupported scope")
        for _ in _unfit(scope, spec.hard):
            yield words.invalid("spec.scopes", spec.scopes, "unsupported scope applied to resource")
    yield from _conflicts("spec.scopes", spec.scopes, spec.scopes)
    if spec.scope_selector is not None:
        yield from _scope_selector(spec, spec.scope_selector)
    yield from quota_status(obj)


def quota_status(obj: quotas.ResourceQuota) -> Causes:
    """Yield what is wrong with the status of a ResourceQuota."""
    yield from _counts("status.hard", obj.status.hard)
    yield from _counts("status.used", obj.status.used)


def update_quota(new: quotas.ResourceQuota, old: quotas.ResourceQuota) -> Causes:
    """Yield what of a change to a ResourceQuota is not allowed: its scopes stay."""
    if set(new.spec.scopes) != set(old.spec.scopes):
        yield words.invalid("spec.scopes", new.spec.scopes, words.IMMUTABLE)


def _counts(here: str, hard: dict[str, meta.Quantity]) -> Causes:
    for name, amount in hard.items():
        yield from amounts.quota_resource(f"{here}[{name}]", name)
        yield from amounts.amount(f"{here}[{name}]", name, amount)


def _scope_selector(spec: quotas.ResourceQuotaSpec, selector: quotas.ScopeSelector) -> Causes:
    here = "spec.scopeSelector.matchExpressions"
    for term in selector.match_expressions:
        if term.scope_name not in _SCOPES:
            yield words.invalid(f"{here}.scopeName", term.scope_name, "unsupported scope")
        for _ in _unfit(term.scope_name, spec.hard):
            yield words.invalid(here, selector, "unsupported scope applied to resource")
        if term.scope_name in _FILTERED and term.operator != "Exists":
            yield words.invalid(f"{here}.operator", term.operator, _ONLY_EXISTS)
        if term.operator in ("In", "NotIn"):
            if not term.values:
                yield words.required(f"{here}.values", "must be at least one value when `operator` is 'In' or 'NotIn' "
                                                       "for scope selector")
        elif term.operator in ("Exists", "DoesNotExist"):
            if term.values:
                yield words.invalid(f"{here}.values", term.values, "must be no value when `operator` is 'Exist' or "
                                                                   "'DoesNotExist' for scope selector")
        else:
            yield words.invalid(f"{here}.operator", term.operator, "not a valid selector operator")
    yield from _conflicts(here, (term.scope_name for term in selector.match_expressions), spec.scopes)


def _unfit(scope: str, hard: dict[str, meta.Quantity]) -> Iterable[str]:
    """Return the resources that cannot be counted in a scope: only pods have one, the idle ones only their number."""
    if scope not in _SCOPES:
        return ()
    fit = {"pods"} if scope == "BestEffort" else {"pods"} | _COMPUTE
    return (name for name in sorted(hard) if amounts.is_quota(name) and name not in fit)


def _conflicts(here: str, scopes: Iterable[str], shown: tuple[str, ...]) -> Causes:
    given = set(scopes)
    for pair in _OPPOSITES:
        if given.issuperset(pair):
            yield words.invalid(here, shown, "conflicting scopes")
