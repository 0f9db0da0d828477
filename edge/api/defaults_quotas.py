"""What a LimitRange or ResourceQuota gets that leaves it out."""

from __future__ import annotations

from msgspec.structs import replace

from edge.api import quotas
from edge.api.defaults_pods import amounts


def limit_range(obj: quotas.LimitRange) -> quotas.LimitRange:
    """Return a LimitRange whose container rules say what a container gets that asks for nothing."""
    return replace(obj, spec=replace(obj.spec, limits=tuple(_item(item) for item in obj.spec.limits)))


def resource_quota(obj: quotas.ResourceQuota) -> quotas.ResourceQuota:
    """Return a ResourceQuota with its amounts in Kubernetes' form."""
    return replace(obj, spec=replace(obj.spec, hard=amounts(obj.spec.hard)),
                   status=replace(obj.status, hard=amounts(obj.status.hard), used=amounts(obj.status.used)))


def _item(item: quotas.LimitRangeItem) -> quotas.LimitRangeItem:
    most, least, limits = amounts(item.max), amounts(item.min), amounts(item.default)
    requests, ratio = amounts(item.default_request), amounts(item.max_limit_request_ratio)
    if item.type == "Container":
        limits = {**most, **limits}
        requests = {**least, **limits, **requests}
    return replace(item, max=most, min=least, default=limits, default_request=requests, max_limit_request_ratio=ratio)
