"""Defaults of the less common volumes of a pod: claims made for it, images, and storage systems."""

from __future__ import annotations

from msgspec.structs import replace

from edge.api import volumes


def volume(given: volumes.Volume) -> volumes.Volume:
    """Return the volume with the defaults of its source."""
    if given.ephemeral is not None:
        return replace(given, ephemeral=_ephemeral(given.ephemeral))
    if given.image is not None:
        return replace(given, image=_image(given.image))
    if given.iscsi is not None:
        return replace(given, iscsi=replace(given.iscsi, iscsi_interface=given.iscsi.iscsi_interface or "default"))
    return _of_system(given)


def _of_system(given: volumes.Volume) -> volumes.Volume:
    if given.rbd is not None:
        rbd = given.rbd
        return replace(given, rbd=replace(rbd, pool=rbd.pool or "rbd", user=rbd.user or "admin",
                                          keyring=rbd.keyring or "/etc/ceph/keyring"))
    if given.scale_io is not None:
        scale_io = given.scale_io
        return replace(given, scale_io=replace(scale_io, storage_mode=scale_io.storage_mode or "ThinProvisioned",
                                               fs_type=scale_io.fs_type or "xfs"))
    if given.azure_disk is not None:
        disk = given.azure_disk
        return replace(given, azure_disk=replace(
            disk, caching_mode=disk.caching_mode or "ReadWrite", kind=disk.kind or "Shared",
            fs_type=disk.fs_type or "ext4", read_only=bool(disk.read_only)))
    return given


def _ephemeral(source: volumes.EphemeralVolumeSource) -> volumes.EphemeralVolumeSource:
    template = source.volume_claim_template
    if template is None or template.spec.volume_mode:
        return source
    return replace(source, volume_claim_template=replace(
        template, spec=replace(template.spec, volume_mode="Filesystem")))


def _image(source: volumes.ImageVolumeSource) -> volumes.ImageVolumeSource:
    tag = source.reference.rpartition("/")[2].partition("@")[0].partition(":")[2]
    newest = "@" not in source.reference and tag in ("", "latest")
    return replace(source, pull_policy=source.pull_policy or ("Always" if newest else "IfNotPresent"))
