"""Decides where a volume lies that is not made of the pod's own data: a path of the node or of a file server.

A claim leads to the volume that is bound to it. Kinds of volumes this node cannot mount are refused by name.
See https://kubernetes.io/docs/concepts/storage/persistent-volumes/.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.agent import volumes
from edge.api import core, meta
from edge.bus import messages

PROVISIONED_BY = "edge.pi/provisioned-by"
LOCAL_PATH = "local-path"
_OLD_OPTIONS = "volume.beta.kubernetes.io/mount-options"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a volume lies: below `path` of the node, or at `remote` of a file server."""

    name: str = ""
    """Of the PersistentVolume behind it, for messages."""
    path: str = ""
    type: str = ""
    """What `path` has to be: a hostPath type, or volumes.LOCAL."""
    mode: int = 0o755
    """Of the directory, where it is made."""
    remote: str = ""
    options: tuple[str, ...] = ()
    read_only: bool = False
    grouped: bool = False
    """Whether fsGroup shall own what is in there."""


def is_data(volume: core.Volume) -> bool:
    """Return whether the node makes the volume out of what it knows."""
    return not (volume.config_map is None and volume.secret is None and volume.downward_api is None
                and volume.projected is None)


def place(volume: core.Volume, desired: messages.DesiredPod) -> Place:
    """Return where a volume lies that is neither data nor an emptyDir.

    Raises:
        NotReadyError: its claim is not bound, or its kind cannot be mounted here.
    """
    if (path := volume.host_path) is not None:
        return Place(path=path.path, type=path.type)
    if (nfs := volume.nfs) is not None:
        return _nfs(nfs)
    if (claim := volume.persistent_volume_claim) is not None:
        found = _claimed(volume.name, claim.claim_name, desired)
        return replace(found, read_only=found.read_only or claim.read_only)
    if volume.ephemeral is not None:
        name = f"{desired.pod.metadata.name}-{volume.name}"
        if name in desired.claims:
            return _claimed(volume.name, name, desired)
    raise volumes.failed(volume.name, f"volumes of kind {_kind(volume)} are not supported on this node")


def _nfs(source: core.NFSVolumeSource, options: tuple[str, ...] = ()) -> Place:
    server = f"[{source.server}]" if ":" in source.server and not source.server.startswith("[") else source.server
    # As Kubernetes has it: what the volume says comes before the options of its PersistentVolume.
    return Place(remote=f"{server}:{source.path}", read_only=source.read_only,
                 options=(*(("ro",) if source.read_only else ()), *options))


def _claimed(volume: str, claim: str, desired: messages.DesiredPod) -> Place:
    bound = desired.claims.get(claim)
    if bound is None:
        raise volumes.failed(volume, f"error processing PVC {desired.pod.metadata.namespace}/{claim}: PVC is not bound")
    spec, name = bound.spec, bound.metadata.name
    if spec.volume_mode == "Block":
        raise volumes.failed(name, "block devices are not supported on this node")
    if (path := spec.host_path) is not None:
        if bound.metadata.annotations.get(PROVISIONED_BY) == LOCAL_PATH:
            return Place(name=name, path=path.path, type="DirectoryOrCreate", mode=0o777)
        return Place(name=name, path=path.path, type=path.type)
    if (local := spec.local) is not None:
        if bound.metadata.annotations.get(PROVISIONED_BY) == LOCAL_PATH:
            return Place(name=name, path=local.path, type="DirectoryOrCreate", mode=0o777, grouped=True)
        return Place(name=name, path=local.path, type=volumes.LOCAL, grouped=True)
    if (nfs := spec.nfs) is not None:
        old = bound.metadata.annotations.get(_OLD_OPTIONS, "")
        return _nfs(nfs, (*spec.mount_options, *(option for option in old.split(",") if option)))
    raise volumes.failed(name, f"volumes of kind {_kind(spec)} are not supported on this node")


def _kind(spec: core.Volume | core.PersistentVolumeSpec) -> str:
    """Return the name of the source that is set, as manifests spell it."""
    for field, wire in zip(spec.__struct_fields__, spec.__struct_encode_fields__, strict=True):
        value = getattr(spec, field)
        if isinstance(value, meta.Struct) and type(value).__name__.endswith("VolumeSource"):
            return wire
    return "unknown"
