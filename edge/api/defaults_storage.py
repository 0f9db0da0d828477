"""What volumes, claims, storage classes and drivers get that leave it out."""

from __future__ import annotations

from msgspec.structs import replace

from edge.api import defaults_pods, meta, storage, volumes
from edge.api import persistent_volume_sources as sources
from edge.api import persistent_volumes as kinds


def persistent_volume(obj: kinds.PersistentVolume) -> kinds.PersistentVolume:
    """Return a PersistentVolume that is kept without its claim unless it says otherwise."""
    status = obj.status
    if not status.phase:
        # A new one becomes Pending when it is created.
        status = replace(status, phase="Pending", last_phase_transition_time=(
            status.last_phase_transition_time or obj.metadata.creation_timestamp))
    return replace(obj, spec=volume_spec(obj.spec), status=status)


def volume_spec(spec: kinds.PersistentVolumeSpec) -> kinds.PersistentVolumeSpec:
    """Return the spec of a volume with the defaults of its source."""
    return replace(
        spec, capacity=defaults_pods.amounts(spec.capacity), volume_mode=spec.volume_mode or "Filesystem",
        persistent_volume_reclaim_policy=spec.persistent_volume_reclaim_policy or "Retain",
        iscsi=_iscsi(spec.iscsi), rbd=_rbd(spec.rbd), azure_disk=_azure_disk(spec.azure_disk),
        scale_io=_scale_io(spec.scale_io))


def persistent_volume_claim(obj: kinds.PersistentVolumeClaim) -> kinds.PersistentVolumeClaim:
    """Return a PersistentVolumeClaim; without a class of its own it stays so, for the default class to be found."""
    status = obj.status
    return replace(obj, spec=claim_spec(obj.spec), status=replace(
        status, phase=status.phase or "Pending", capacity=defaults_pods.amounts(status.capacity),
        allocated_resources=defaults_pods.amounts(status.allocated_resources)))


def claim_spec(spec: volumes.PersistentVolumeClaimSpec) -> volumes.PersistentVolumeClaimSpec:
    """Return the spec of a claim; its two ways to name a source of data say the same."""
    wanted = replace(spec.resources, limits=defaults_pods.amounts(spec.resources.limits),
                     requests=defaults_pods.amounts(spec.resources.requests))
    source, reference = spec.data_source, spec.data_source_ref
    if source is not None and reference is None:
        reference = volumes.TypedObjectReference(api_group=source.api_group, kind=source.kind, name=source.name)
    elif source is None and reference is not None and not reference.namespace:
        source = volumes.TypedLocalObjectReference(api_group=reference.api_group, kind=reference.kind,
                                                   name=reference.name)
    return replace(spec, resources=wanted, volume_mode=spec.volume_mode or "Filesystem", data_source=source,
                   data_source_ref=reference)


def storage_class(obj: storage.StorageClass) -> storage.StorageClass:
    """Return a StorageClass whose volumes are made at once, and deleted with their claims."""
    return replace(obj, reclaim_policy=obj.reclaim_policy or "Delete",
                   volume_binding_mode=obj.volume_binding_mode or "Immediate")


def volume_attachment(obj: storage.VolumeAttachment) -> storage.VolumeAttachment:
    """Return a VolumeAttachment with the defaults of a volume that is named inline."""
    inline = obj.spec.source.inline_volume_spec
    if inline is None:
        return obj
    source = replace(obj.spec.source, inline_volume_spec=volume_spec(inline))
    return replace(obj, spec=replace(obj.spec, source=source))


def csi_driver(obj: storage.CSIDriver) -> storage.CSIDriver:
    """Return a CSIDriver that attaches, and is told nothing of pods, unless it says otherwise."""
    spec = obj.spec
    return replace(obj, spec=replace(
        spec, attach_required=_or(spec.attach_required, True), pod_info_on_mount=_or(spec.pod_info_on_mount, False),
        storage_capacity=_or(spec.storage_capacity, False), requires_republish=_or(spec.requires_republish, False),
        se_linux_mount=_or(spec.se_linux_mount, False),
        fs_group_policy=spec.fs_group_policy or "ReadWriteOnceWithFSType",
        volume_lifecycle_modes=spec.volume_lifecycle_modes or ("Persistent",)))


def csi_storage_capacity(obj: storage.CSIStorageCapacity) -> storage.CSIStorageCapacity:
    """Return a CSIStorageCapacity with its amounts in Kubernetes' form."""
    return replace(obj, capacity=_amount(obj.capacity), maximum_volume_size=_amount(obj.maximum_volume_size))


def _iscsi(source: sources.ISCSIPersistentVolumeSource | None) -> sources.ISCSIPersistentVolumeSource | None:
    return None if source is None else replace(source, iscsi_interface=source.iscsi_interface or "default")


def _rbd(source: sources.RBDPersistentVolumeSource | None) -> sources.RBDPersistentVolumeSource | None:
    if source is None:
        return None
    return replace(source, pool=source.pool or "rbd", user=source.user or "admin",
                   keyring=source.keyring or "/etc/ceph/keyring")


def _azure_disk(source: sources.AzureDiskVolumeSource | None) -> sources.AzureDiskVolumeSource | None:
    if source is None:
        return None
    return replace(source, caching_mode=source.caching_mode or "ReadWrite", kind=source.kind or "Shared",
                   fs_type=source.fs_type or "ext4", read_only=_or(source.read_only, False))


def _scale_io(source: sources.ScaleIOPersistentVolumeSource | None) -> sources.ScaleIOPersistentVolumeSource | None:
    if source is None:
        return None
    return replace(source, storage_mode=source.storage_mode or "ThinProvisioned", fs_type=source.fs_type or "xfs")


def _amount(amount: meta.Quantity | None) -> meta.Quantity | None:
    return None if amount is None else defaults_pods.amounts({"": amount})[""]


def _or(value: bool | None, default: bool) -> bool:
    return default if value is None else value
