"""DefaultStorageClass and DefaultIngressClass: give claims and Ingresses that name no class the newest default one.

https://kubernetes.io/docs/concepts/storage/storage-classes/#default-storageclass
https://kubernetes.io/docs/concepts/services-networking/ingress/#default-ingress-class
"""

from __future__ import annotations

from msgspec.structs import replace

from edge.api import meta, networking, persistent_volumes, scheme, storage, volume_binding
from edge.apiserver.admit import Attributes, Operation, Plugin
from edge.apiserver.lookup import Lookup

_INGRESS = (networking.DEFAULT_CLASS_ANNOTATION,)


class DefaultStorageClass(Plugin):
    """New claims."""

    name = "DefaultStorageClass"

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def concerns(self, resource: scheme.Resource, operation: Operation, subresource: str) -> bool:
        return resource.type is persistent_volumes.PersistentVolumeClaim and operation == "CREATE" and not subresource

    async def admit(self, request: Attributes) -> meta.Object | None:
        claim = request.obj
        if not isinstance(claim, persistent_volumes.PersistentVolumeClaim) \
                or not volume_binding.takes_default_class(claim):
            return claim
        name = volume_binding.newest_default(self._lookup.all(storage.StorageClass), volume_binding.DEFAULT_CLASS)
        return replace(claim, spec=replace(claim.spec, storage_class_name=name)) if name else claim


class DefaultIngressClass(Plugin):
    """New Ingresses."""

    name = "DefaultIngressClass"

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def concerns(self, resource: scheme.Resource, operation: Operation, subresource: str) -> bool:
        return resource.type is networking.Ingress and operation == "CREATE" and not subresource

    async def admit(self, request: Attributes) -> meta.Object | None:
        ingress = request.obj
        if not isinstance(ingress, networking.Ingress) or ingress.spec.ingress_class_name is not None \
                or networking.CLASS_ANNOTATION in ingress.metadata.annotations:
            return ingress
        name = volume_binding.newest_default(self._lookup.all(networking.IngressClass), _INGRESS)
        return replace(ingress, spec=replace(ingress.spec, ingress_class_name=name)) if name else ingress
