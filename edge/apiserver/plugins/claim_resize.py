"""PersistentVolumeClaimResize: lets a claim grow only where its storage class says that volumes can.

https://kubernetes.io/docs/concepts/storage/persistent-volumes/#expanding-persistent-volumes-claims
"""

from __future__ import annotations

from edge.api import amounts, errors, persistent_volumes, scheme, storage
from edge.apiserver.admit import Attributes, Operation, Plugin
from edge.apiserver.lookup import Lookup


def grows(new: persistent_volumes.PersistentVolumeClaim, old: persistent_volumes.PersistentVolumeClaim) -> bool:
    """Return whether a claim asks for more than before."""
    return _size(new) > _size(old)


def class_of(claim: persistent_volumes.PersistentVolumeClaim) -> str:
    """Return the name of the claim's storage class, or nothing."""
    annotated = claim.metadata.annotations.get(persistent_volumes.CLASS_ANNOTATION)
    return (claim.spec.storage_class_name or "") if annotated is None else annotated


def _size(claim: persistent_volumes.PersistentVolumeClaim) -> int:
    return amounts.of(claim.spec.resources.requests.get("storage", 0)).nano


class PersistentVolumeClaimResize(Plugin):
    """Changed claims."""

    name = "PersistentVolumeClaimResize"

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def concerns(self, resource: scheme.Resource, operation: Operation, subresource: str) -> bool:
        return resource.type is persistent_volumes.PersistentVolumeClaim and operation == "UPDATE" and not subresource

    async def validate(self, request: Attributes) -> None:
        new, old = request.obj, request.old
        if not isinstance(new, persistent_volumes.PersistentVolumeClaim) \
                or not isinstance(old, persistent_volumes.PersistentVolumeClaim) or not grows(new, old):
            return
        if old.status.phase != "Bound":
            raise errors.forbidden(request.resource.group_resource, request.name,
                                   "Only bound persistent volume claims can be expanded")
        name = class_of(new)
        found = self._lookup.one(storage.StorageClass, "", name) if name and name == class_of(old) else None
        if found is None or not found.allow_volume_expansion:
            raise errors.forbidden(
                request.resource.group_resource, request.name, "only dynamically provisioned pvc can be resized and "
                "the storageclass that provisions the pvc must support resize")
