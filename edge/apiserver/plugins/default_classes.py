"""DefaultStorageClass and DefaultIngressClass: give claims and Ingresses that name no class the newest default one.

https://kubernetes.io/docs/concepts/storage/storage-classes/#default-storageclass
https://kubernetes.io/docs/concepts/services-networking/ingress/#default-ingress-class
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from edge.api import meta, networking, persistent_volumes, scheme, storage
from edge.apiserver.admit import Attributes, Operation, Plugin
from edge.apiserver.lookup import Lookup

_STORAGE = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_INGRESS = (networking.DEFAULT_CLASS_ANNOTATION,)


def newest_default(classes: Iterable[meta.Object], annotations: Sequence[str]) -> str:
    """Return the name of the default class; of several the newest, and of equally old ones the first by name."""
    marked = [found.metadata for found in classes
              if any(found.metadata.annotations.get(key) == "true" for key in annotations)]
    marked.sort(key=lambda metadata: metadata.name)
    marked.sort(key=lambda metadata: metadata.creation_timestamp or "", reverse=True)
    return marked[0].name if marked else ""


def names_class(claim: persistent_volumes.PersistentVolumeClaim) -> bool:
    """Return whether somebody has chosen the class of a claim, be it none."""
    return claim.spec.storage_class_name is not None \
        or persistent_volumes.CLASS_ANNOTATION in claim.metadata.annotations


class DefaultStorageClass(Plugin):
    """New claims."""

    name = "DefaultStorageClass"

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def concerns(self, resource: scheme.Resource, operation: Operation, subresource: str) -> bool:
        return resource.type is persistent_volumes.PersistentVolumeClaim and operation == "CREATE" and not subresource

    async def admit(self, request: Attributes) -> meta.Object | None:
        claim = request.obj
        if not isinstance(claim, persistent_volumes.PersistentVolumeClaim) or names_class(claim):
            return claim
        name = newest_default(self._lookup.all(storage.StorageClass), _STORAGE)
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
        name = newest_default(self._lookup.all(networking.IngressClass), _INGRESS)
        return replace(ingress, spec=replace(ingress.spec, ingress_class_name=name)) if name else ingress
