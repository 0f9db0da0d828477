"""The admission plugins every server has, in Kubernetes' order.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from edge.api import core, meta, scheme
from edge.apiserver.admit import Plugin
from edge.apiserver.lookup import Lookup
from edge.apiserver.plugins.claim_resize import PersistentVolumeClaimResize
from edge.apiserver.plugins.default_classes import DefaultIngressClass, DefaultStorageClass
from edge.apiserver.plugins.limit_ranger import LimitRanger
from edge.apiserver.plugins.pod_security import PodSecurity
from edge.apiserver.plugins.priority import Priority
from edge.apiserver.plugins.resource_quota import ResourceQuota
from edge.apiserver.plugins.runtime_class import RuntimeClass
from edge.apiserver.plugins.service_account import ServiceAccount
from edge.apiserver.plugins.storage_protection import StorageObjectInUseProtection
from edge.apiserver.plugins.volatile_limit import VolatileLimit
from edge.store.interface import Record, Store

__all__ = ["built_in"]


class Clock(Protocol):
    """What plugins ask of time."""

    def now(self) -> datetime:
        """Return the wall clock, in UTC."""
        ...


class Ids(Protocol):
    """What plugins ask of chance."""

    def suffix(self, length: int = 5) -> str:
        """Return letters for a generated name."""
        ...


class Api(Protocol):
    """What plugins need of the service."""

    lookup: Lookup
    store: Store

    @property
    def ids(self) -> Ids:
        """The server's chance."""
        ...

    @property
    def clock(self) -> Clock:
        """The server's clock."""
        ...

    async def create(self, resource: scheme.Resource, namespace: str, obj: meta.Object) -> Record:
        """Create an object, as the server itself."""
        ...


def built_in(service: Api, before_quota: Sequence[Plugin] = ()) -> tuple[Plugin, ...]:
    """Return the plugins of a server; `before_quota` are further ones, such as webhooks.

    Quotas come last: what they let through nobody may refuse any more.
    """
    look, accounts = service.lookup, scheme.of_type(core.ServiceAccount)
    return (LimitRanger(look),
            ServiceAccount(look, lambda account: service.create(accounts, account.metadata.namespace, account),
                           service.ids.suffix),
            PodSecurity(look), Priority(look), StorageObjectInUseProtection(), DefaultStorageClass(look),
            PersistentVolumeClaimResize(look), RuntimeClass(look), DefaultIngressClass(look), *before_quota,
            VolatileLimit(service.store), ResourceQuota(look, service.store, service.clock.now))
