"""Keeps the status of ResourceQuotas true: what their namespace has of what they limit.

Admission does not wait for it; the status is for people and their tools.
https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from edge.api import amounts, core, custom, meta, quota_usage, quotas, scheme
from edge.api.resource import Resource
from edge.controllers import interface, plan
from edge.controllers.settings import Settings


def controller(_settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    others = tuple(_source(resource) for resource in scheme.resources()
                   if _countable(resource) and resource.type is not quotas.ResourceQuota)
    return interface.Controller(
        name="resource_quota", reconcile=reconcile, custom_source=_source,
        sources=(interface.own(quotas.ResourceQuota), interface.Source(quotas.ResourceQuota, _siblings), *others))


def _countable(resource: Resource) -> bool:
    return resource.namespaced and "watch" in resource.verbs and resource.type is not core.Event


def _source(resource: Resource) -> interface.Source:
    return interface.Source(custom.named_by(resource), _counted_by(resource))


def _counted_by(resource: Resource) -> Callable[[meta.Object, interface.View], Iterable[interface.Key]]:
    def keys(obj: meta.Object, view: interface.View) -> Iterable[interface.Key]:
        namespace = obj.metadata.namespace
        return tuple(interface.key_of(quota) for quota in view.all(quotas.ResourceQuota, namespace)
                     if quota_usage.names_of(resource.type, resource.group_resource, quota.spec.hard)) \
            if namespace else ()
    return keys


def _siblings(obj: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    """Return the quotas that count quotas."""
    return tuple(interface.key_of(quota) for quota in view.all(quotas.ResourceQuota, obj.metadata.namespace)
                 if quota_usage.names_of(quotas.ResourceQuota, "resourcequotas", quota.spec.hard))


def reconcile(key: interface.Key, view: interface.View, now: datetime) -> plan.Plan:
    """Return the update of a status that is not true."""
    quota = view.get(quotas.ResourceQuota, key.name, key.namespace)
    if quota is None or quota.metadata.deletion_timestamp is not None:
        return plan.Plan()
    used = amounts.texts(quota_usage.total(quota, _usages(quota, view, now)))
    status = quotas.ResourceQuotaStatus(hard=dict(quota.spec.hard), used=used)
    if status == quota.status:
        return plan.Plan()
    return plan.Plan((plan.UpdateStatus(msgspec.structs.replace(quota, status=status)),))


def _usages(quota: quotas.ResourceQuota, view: interface.View, now: datetime) -> Iterable[quota_usage.Usage]:
    """Yield what each object takes that the quota could count; kinds it does not name are not looked at."""
    for resource in view.resources():
        if _countable(resource) and quota_usage.names_of(resource.type, resource.group_resource, quota.spec.hard):
            for obj in view.all(custom.named_by(resource), quota.metadata.namespace):
                yield quota_usage.of(obj, resource.group_resource, now)
