"""StorageObjectInUseProtection: new claims and volumes wait, when they are deleted, until nobody uses them.

https://kubernetes.io/docs/concepts/storage/persistent-volumes/#storage-object-in-use-protection
"""

from __future__ import annotations

from msgspec.structs import replace

from edge.api import meta, persistent_volumes, scheme, volume_binding
from edge.apiserver.admit import Attributes, Operation, Plugin

_FINALIZERS: dict[type[meta.Object], str] = {
    persistent_volumes.PersistentVolume: volume_binding.PV_PROTECTION,
    persistent_volumes.PersistentVolumeClaim: volume_binding.PVC_PROTECTION}


class StorageObjectInUseProtection(Plugin):
    """New claims and volumes."""

    name = "StorageObjectInUseProtection"

    def concerns(self, resource: scheme.Resource, operation: Operation, subresource: str) -> bool:
        return resource.type in _FINALIZERS and operation == "CREATE" and not subresource

    async def admit(self, request: Attributes) -> meta.Object | None:
        return None if request.obj is None else protected(request.obj)


def protected(obj: meta.Object) -> meta.Object:
    """Return a claim or volume with its finalizer."""
    finalizer = _FINALIZERS[type(obj)]
    if finalizer in obj.metadata.finalizers:
        return obj
    return replace(obj, metadata=replace(obj.metadata, finalizers=(*obj.metadata.finalizers, finalizer)))
