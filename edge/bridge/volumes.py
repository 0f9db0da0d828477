"""What nodes must know of volumes: those their pods' claims are bound to, and local ones whose directories shall go.

A directory is only ever removed because its volume says so: it is being deleted, it is to be deleted with its claim,
and no claim has it. What is missing, in a message or in the store, removes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from edge.api import core, local_volumes, meta, volume_binding
from edge.bridge import interface
from edge.bus import messages


def of_claims(pod: core.Pod, view: interface.View) -> dict[str, core.PersistentVolume]:
    """Return the volumes the pod's claims are bound to, by claim, with nothing in them that changes by itself."""
    found: dict[str, core.PersistentVolume] = {}
    namespace = pod.metadata.namespace
    for use in volume_binding.uses(pod):
        claim = view.get(core.PersistentVolumeClaim, use.claim, namespace)
        if claim is None or not claim.spec.volume_name or (
                use.made_for_pod and not volume_binding.belongs_to(claim, pod)):
            continue
        volume = view.get(core.PersistentVolume, claim.spec.volume_name)
        if volume is not None and volume_binding.is_bound(claim, volume):
            found[use.claim] = _lasting(volume)
    return dict(sorted(found.items()))


def _lasting(volume: core.PersistentVolume) -> core.PersistentVolume:
    m, ref = volume.metadata, volume.spec.claim_ref
    if ref is not None:
        ref = meta.ObjectReference(kind=ref.kind, namespace=ref.namespace, name=ref.name, uid=ref.uid)
    return msgspec.structs.replace(
        volume, metadata=meta.ObjectMeta(name=m.name, uid=m.uid, annotations=m.annotations),
        spec=msgspec.structs.replace(volume.spec, claim_ref=ref), status=core.PersistentVolumeStatus())


def pods_of(subject: core.PersistentVolumeClaim | core.PersistentVolume, view: interface.View) -> Iterable[core.Pod]:
    """Yield the pods on nodes whose volumes a claim or volume concerns."""
    if isinstance(subject, core.PersistentVolume):
        ref = subject.spec.claim_ref
        namespace, name = (ref.namespace, ref.name) if ref is not None else ("", "")
    else:
        namespace, name = subject.metadata.namespace, subject.metadata.name
    if not name:
        return
    for pod in view.all(core.Pod, namespace):
        if pod.spec.node_name and any(use.claim == name for use in volume_binding.uses(pod)):
            yield pod


def node_of(volume: core.PersistentVolume, view: interface.View) -> str:
    """Return the node whose disk has a local volume, or ""."""
    host = local_volumes.host_of(volume) if local_volumes.is_local(volume) else ""
    if not host:
        return ""
    named = view.get(core.Node, host)
    if named is not None and named.metadata.labels.get(local_volumes.HOST_NAME, host) == host:
        return host
    return next((node.metadata.name for node in view.all(core.Node)
                 if node.metadata.labels.get(local_volumes.HOST_NAME) == host), host)


def removed(node: str, view: interface.View) -> tuple[str, ...]:
    """Return the names of the local volumes whose directories the node shall remove."""
    return tuple(sorted(volume.metadata.name for volume in view.all(core.PersistentVolume)
                        if may_go(volume, view) and node_of(volume, view) == node))


def may_go(volume: core.PersistentVolume, view: interface.View) -> bool:
    """Return whether the directory of a volume is wanted by nobody any more.

    That its claim is gone was asked of the server before the volume was deleted; the phase is a second witness for a
    volume that a person deletes.
    """
    m, ref = volume.metadata, volume.spec.claim_ref
    if m.deletion_timestamp is None or local_volumes.FINALIZER not in m.finalizers \
            or not local_volumes.is_local(volume) or not local_volumes.is_name(m.name) \
            or volume.spec.persistent_volume_reclaim_policy != "Delete":
        return False
    claim = view.get(core.PersistentVolumeClaim, ref.name, ref.namespace) if ref is not None else None
    if ref is not None and claim is not None and claim.metadata.uid == ref.uid:
        return claim.spec.volume_name != m.name
    return volume.status.phase in ("Released", "Failed", "Available")


def message(node: str, epoch: str, view: interface.View) -> messages.DesiredVolumes | None:
    """Return what a node shall remove; None when that is nothing."""
    names = removed(node, view)
    return messages.DesiredVolumes(epoch=epoch, removed=names) if names else None


def let_go(node: str, report: messages.ReportedVolumes, view: interface.View) -> tuple[core.PersistentVolume, ...]:
    """Return the volumes that need wait no longer: the node has no directory of them, and it was told to remove it."""
    ordered: Collection[str] = removed(node, view)
    found = (view.get(core.PersistentVolume, name) for name in sorted(set(report.removed)) if name in ordered)
    return tuple(volume for volume in found if volume is not None)


def without_finalizer(volume: core.PersistentVolume) -> dict[str, object]:
    """Return the patch that lets a volume go; it fails when the volume has changed since."""
    rest = [name for name in volume.metadata.finalizers if name != local_volumes.FINALIZER]
    return {"metadata": {"resourceVersion": volume.metadata.resource_version, "uid": volume.metadata.uid,
                         "finalizers": rest or None}}
