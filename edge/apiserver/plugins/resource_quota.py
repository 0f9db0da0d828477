"""ResourceQuota: refuses what would take more than is left of a namespace's quotas.

What is taken is counted in the store itself, together with what has been let through and is not stored yet: however
many ask at the same time, no more gets in than there is. A quota's status follows a moment later; it is for people.
https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from edge.api import amounts, codec, core, errors, meta, quota_usage, quotas, scheme
from edge.api.amounts import Amounts
from edge.api.quota_usage import Usage
from edge.apiserver.admit import Attributes, Operation, Plugin
from edge.apiserver.lookup import Lookup, key_of, prefix_of
from edge.apiserver.plugins import quota_check
from edge.apiserver.plugins.quota_check import Asked
from edge.store.interface import Record, Store

_MOST_KEPT = 4096
_MEASURED = (core.Pod, *quota_usage.ALSO_ON_UPDATE)
"""Kinds that take more of a quota than their number, or are in scopes."""


@dataclass(frozen=True, slots=True)
class _Reserved:
    """What a write that has been let through will take."""

    key: str
    revision: int
    """What was stored under the key then; once that changes, the store itself counts the object."""
    prefix: str
    usage: Usage


class ResourceQuota(Plugin):
    """Everything in a namespace, by the quotas of it. The last plugin: what it lets through is as good as stored."""

    name = "ResourceQuota"

    def __init__(self, lookup: Lookup, store: Store, now: Callable[[], datetime]) -> None:
        self._lookup, self._store, self._now = lookup, store, now
        self._reserved: dict[int, _Reserved] = {}
        """By the identity of the request, which lives until `done`."""
        self._kept: dict[str, tuple[int, Usage]] = {}
        """What stored objects take, by key and revision."""

    def concerns(self, resource: scheme.Resource, operation: Operation, subresource: str) -> bool:
        if not resource.namespaced or resource.virtual or subresource or resource.plural == "events":
            return False
        return operation == "CREATE" or (operation == "UPDATE" and resource.type in quota_usage.ALSO_ON_UPDATE)

    async def validate(self, request: Attributes) -> None:
        every = self._lookup.all(quotas.ResourceQuota, request.namespace)
        if not every or request.obj is None:
            return
        asked = self._asked(request, request.obj)
        concerned = quota_check.relevant(asked, every)
        if not concerned:
            return
        # From here to the reservation nobody else has a turn.
        if refused := quota_check.refusal(asked, concerned, lambda quota: self._used(request, quota)):
            raise errors.forbidden(request.resource.group_resource, request.name, refused)
        if not request.write.dry_run:
            key = key_of(request.resource, request.namespace, request.name)
            record = self._store.get(key)
            self._reserved[id(request)] = _Reserved(key, record.revision if record else 0,
                                                    prefix_of(request.resource, request.namespace),
                                                    quota_check.growth(asked))

    async def done(self, request: Attributes) -> None:
        self._reserved.pop(id(request), None)

    def _asked(self, request: Attributes, obj: meta.Object) -> Asked:
        name, now = request.resource.group_resource, self._now()
        before = None if request.old is None else quota_usage.of(request.old, name, now)
        return Asked(obj=obj, group_resource=name, usage=quota_usage.of(obj, name, now), before=before)

    def _used(self, request: Attributes, quota: quotas.ResourceQuota) -> Amounts:
        """Return what objects like the one of the request take of a quota."""
        resource, prefix = request.resource, prefix_of(request.resource, request.namespace)
        records = self._store.list(prefix).records
        reserved = tuple(each.usage for each in self._waiting(prefix))
        if resource.type not in _MEASURED:
            return dict.fromkeys(quota.spec.hard, amounts.count(len(records) + len(reserved)))
        return quota_usage.total(quota, (*(self._usage(resource, record) for record in records), *reserved))

    def _waiting(self, prefix: str) -> Iterator[_Reserved]:
        for each in self._reserved.values():
            if each.prefix == prefix:
                record = self._store.get(each.key)
                if (record.revision if record else 0) == each.revision:
                    yield each

    def _usage(self, resource: scheme.Resource, record: Record) -> Usage:
        kept = self._kept.get(record.key)
        if kept is not None and kept[0] == record.revision:
            return kept[1]
        obj = codec.decode_bytes(resource, record.value)
        usage = quota_usage.of(obj, resource.group_resource, self._now())
        if obj.metadata.deletion_timestamp is None:  # Later it may take less without having changed.
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[record.key] = (record.revision, usage)
        return usage
