"""The namespaces that are there from the first start on."""

from __future__ import annotations

from edge.api import core, errors, meta, scheme
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
