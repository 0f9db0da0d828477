"""What is there from the first start on: the system's namespaces, roles, bindings and priority classes."""

from __future__ import annotations

import asyncio

from edge.api import core, errors, meta, scheduling, scheme
from edge.apiserver import rbac_defaults
from edge.apiserver.service import Service

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


async def make_namespaces(service: Service) -> None:
    """Create the system namespaces that are missing."""
    resource = scheme.of_type(core.Namespace)
    for name in NAMESPACES:
        try:
            service.get(resource, "", name)
        except errors.NotFound:
            await service.create(resource, "", core.Namespace(metadata=meta.ObjectMeta(name=name)))


async def make_defaults(service: Service) -> None:
    """Create the system's namespaces, roles, bindings and priority classes; mend roles that lack something."""
    await make_namespaces(service)
    # Together: the store syncs the card once for many writes, and there are half a hundred at the first start.
    await asyncio.gather(*(_make(service, wanted) for wanted in rbac_defaults.defaults()),
                         *(_make_class(service, wanted) for wanted in scheduling.system_priority_classes()))


async def _make_class(service: Service, wanted: scheduling.PriorityClass) -> None:
    if service.lookup.one(scheduling.PriorityClass, "", wanted.metadata.name) is None:
        await service.create(scheme.of_type(scheduling.PriorityClass), "", wanted)


async def _make(service: Service, wanted: rbac_defaults.Kind) -> None:
    resource, m = scheme.of_type(type(wanted)), wanted.metadata
    found = service.lookup.one(type(wanted), m.namespace, m.name)
    if found is None:
        await service.create(resource, m.namespace, wanted)
        return
    if (mended := rbac_defaults.mended(wanted, found)) is not None:
        made: meta.Object = mended
        await service.update(resource, m.namespace, m.name, lambda old: made)
