"""LimitRanger: gives containers their default requests and limits, and refuses pods and claims beyond the bounds.

https://kubernetes.io/docs/concepts/policy/limit-range/
"""

from __future__ import annotations

from edge.api import core, errors, meta, persistent_volumes, quotas, scheme
from edge.apiserver.admit import Attributes, Operation, Plugin
from edge.apiserver.lookup import Lookup
from edge.apiserver.plugins import limit_ranges
from edge.apiserver.plugins.refusals import aggregated


class LimitRanger(Plugin):
    """New pods, and claims, by the LimitRanges of their namespace."""

    name = "LimitRanger"

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def concerns(self, resource: scheme.Resource, operation: Operation, subresource: str) -> bool:
        if subresource:
            return False
        return (resource.type is core.Pod and operation == "CREATE") or (
            resource.type is persistent_volumes.PersistentVolumeClaim and operation in ("CREATE", "UPDATE"))

    async def admit(self, request: Attributes) -> meta.Object | None:
        ranges = self._lookup.all(quotas.LimitRange, request.namespace)
        if not ranges or not isinstance(request.obj, core.Pod):
            return request.obj
        return limit_ranges.with_defaults(request.obj, ranges)

    async def validate(self, request: Attributes) -> None:
        obj = request.obj
        if not isinstance(obj, core.Pod | persistent_volumes.PersistentVolumeClaim) \
                or obj.metadata.deletion_timestamp is not None:
            return
        for limit_range in self._lookup.all(quotas.LimitRange, request.namespace):
            if found := limit_ranges.refusals(obj, limit_range):
                raise errors.forbidden(request.resource.group_resource, request.name, aggregated(found))
