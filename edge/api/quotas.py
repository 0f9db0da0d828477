"""LimitRanges and ResourceQuotas: how much one object, and one namespace, may take."""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc
from edge.api.resource import Resource


class LimitRangeItem(meta.Struct):
    """The rule for one type of object."""

    type: Annotated[str, doc("Container, Pod or PersistentVolumeClaim.", required=True)] = ""
    max: Annotated[dict[str, meta.Quantity], doc("Most one may ask for.")] = {}
    min: Annotated[dict[str, meta.Quantity], doc("Least one must ask for.")] = {}
    default: Annotated[dict[str, meta.Quantity], doc(
        "Limits of a container that sets none; max by default.")] = {}
    default_request: Annotated[dict[str, meta.Quantity], doc(
        "Requests of a container that sets none; the default limits, else min, by default.")] = {}
    max_limit_request_ratio: Annotated[dict[str, meta.Quantity], doc(
        "How many times the request the limit may be.")] = {}


class LimitRangeSpec(meta.Struct):
    """The rules."""

    limits: Annotated[tuple[LimitRangeItem, ...], doc(
        "One rule for each type.", list_type="atomic", required=True)] = meta.written(tuple)


class LimitRange(meta.Object):
    """What single pods, containers and claims of a namespace may ask for, and what they get by default."""

    spec: Annotated[LimitRangeSpec, doc("The rules.")] = LimitRangeSpec()


class ScopedResourceSelectorRequirement(meta.Struct):
    """One condition on what is counted."""

    scope_name: Annotated[str, doc("Scope, such as PriorityClass.", required=True)] = ""
    operator: Annotated[str, doc("In, NotIn, Exists or DoesNotExist.", required=True)] = ""
    values: Annotated[tuple[str, ...], doc("Values for In and NotIn.", list_type="atomic")] = ()


class ScopeSelector(meta.Struct):
    """Conditions that hold together."""

    match_expressions: Annotated[tuple[ScopedResourceSelectorRequirement, ...], doc(
        "The conditions.", list_type="atomic")] = ()


class ResourceQuotaSpec(meta.Struct):
    """How much there is."""

    hard: Annotated[dict[str, meta.Quantity], doc(
        "Most the namespace may have of each resource, such as pods or requests.cpu.")] = {}
    scopes: Annotated[tuple[str, ...], doc(
        "What is counted: Terminating, NotTerminating, BestEffort, NotBestEffort, PriorityClass or "
        "CrossNamespacePodAffinity; everything when empty. Cannot change.", list_type="atomic")] = ()
    scope_selector: Annotated[ScopeSelector | None, doc("As scopes, with values.")] = None


class ResourceQuotaStatus(meta.Struct):
    """How much is taken."""

    hard: Annotated[dict[str, meta.Quantity], doc("Most the namespace may have, as it is enforced.")] = {}
    used: Annotated[dict[str, meta.Quantity], doc("What the namespace has.")] = {}


class ResourceQuota(meta.Object):
    """How much all objects of a namespace may take together."""

    spec: Annotated[ResourceQuotaSpec, doc("How much there is.")] = ResourceQuotaSpec()
    status: Annotated[ResourceQuotaStatus, doc("How much is taken.")] = ResourceQuotaStatus()


RESOURCES = (
    Resource(group="", version="v1", kind="LimitRange", plural="limitranges", type=LimitRange,
             short_names=("limits",)),
    Resource(group="", version="v1", kind="ResourceQuota", plural="resourcequotas", type=ResourceQuota,
             short_names=("quota",), subresources=("status",), returns_deleted=True),
)
