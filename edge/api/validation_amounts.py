"""What is wrong with amounts of resources: the names that may stand in a quota or a limit, and the quantities.

https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

from fractions import Fraction

from edge.api import labels, meta, quantity
from edge.api import validation_words as words
from edge.api.errors import Cause
from edge.api.validation_words import Causes

_CONTAINER = {"cpu", "memory", "ephemeral-storage"}
_COUNTED = {"pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps",
            "persistentvolumeclaims", "services.nodeports", "services.loadbalancers"}
_QUOTA = _CONTAINER | _COUNTED | {f"{what}.{name}" for what in ("requests", "limits") for name in _CONTAINER} | {
    "requests.storage"}
_STANDARD = _QUOTA | {"storage"}
_HUGE = ("hugepages-", "requests.hugepages-")


def is_quota(name: str) -> bool:
    """Tell whether a quota may count this resource by a name of its own, without a domain."""
    return name in _QUOTA or name.startswith(_HUGE)


def is_native(name: str) -> bool:
    """Tell whether a resource is Kubernetes' own."""
    return "/" not in name or "kubernetes.io/" in name


def overcommits(name: str) -> bool:
    """Tell whether pods may ask for less than their limit."""
    return is_native(name) and not name.startswith("hugepages-")


def resource_name(at: str, name: str) -> Causes:
    """Yield what is wrong with the name of a resource."""
    if problem := labels.key_problem(name):
        yield words.invalid(at, name, problem)
    elif "/" not in name and name not in _STANDARD and not name.startswith(_HUGE):
        yield words.invalid(at, name, "must be a standard resource type or fully qualified")


def container_resource(at: str, name: str) -> Causes:
    """Yield what is wrong with the name of a resource that containers ask for."""
    yield from resource_name(at, name)
    if "/" not in name:
        if name not in _CONTAINER and not name.startswith("hugepages-"):
            yield words.invalid(at, name, "must be a standard resource for containers")
    elif not is_native(name) and not _is_extended(name):
        yield words.invalid(at, name, "doesn't follow extended resource name standard")


def quota_resource(at: str, name: str) -> Causes:
    """Yield what is wrong with the name of a resource that a quota counts."""
    yield from resource_name(at, name)
    if "/" not in name and not is_quota(name):
        yield words.invalid(at, name, "must be a standard resource for quota")


def amount(at: str, name: str, given: meta.Quantity) -> Causes:
    """Yield what is wrong with an amount of a resource: no quantity, less than nothing, a part of a whole."""
    value = read(given)
    if value is None:
        yield no_quantity(at, given)
        return
    if value < 0:
        yield words.invalid(at, str(given), words.AT_LEAST_0)
    yield from whole(at, name, given, value)


def whole(at: str, name: str, given: meta.Quantity, value: Fraction) -> Causes:
    """Yield what is wrong with a part of what there is only as a whole."""
    if value.denominator != 1 and (name in _COUNTED or _is_extended(name)):
        yield words.invalid(at, str(given), "must be an integer")


def positive(at: str, given: meta.Quantity) -> Causes:
    """Yield what is wrong with an amount that must be more than nothing."""
    value = read(given)
    if value is None:
        yield no_quantity(at, given)
    elif value <= 0:
        yield words.invalid(at, str(given), "must be greater than zero")


def basic(at: str, given: meta.Quantity) -> Causes:
    """Yield what is wrong with an amount of which a status or a volume reports how much there is."""
    value = read(given)
    if value is None:
        yield no_quantity(at, given)
    elif value < 0:
        yield words.invalid(at, quantity.whole(given), "must be a valid resource quantity")


def read(given: meta.Quantity) -> Fraction | None:
    """Return the exact amount, or None when it is no quantity."""
    try:
        return quantity.parse(given)
    except ValueError:
        return None


def no_quantity(at: str, given: meta.Quantity) -> Cause:
    """Return the cause for a text that is no quantity."""
    return words.invalid(at, given, f"quantities must match the regular expression '{quantity.PATTERN}'")


def _is_extended(name: str) -> bool:
    return not is_native(name) and not name.startswith("requests.") and not labels.key_problem(f"requests.{name}")
