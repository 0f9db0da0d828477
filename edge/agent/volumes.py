"""The words for what a pod needs on its node's disk, and where each volume lies there.

`layout` decides which of these a pod needs, `mounts` what its containers see of them, `files` makes them so.
See https://kubernetes.io/docs/concepts/storage/volumes/.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.agent.surroundings import Surroundings
from edge.api import core, quantity

DEFAULT_MODE = 0o644
MEMORY = "Memory"


@dataclass(frozen=True, slots=True)
class File:
    """One file below a tree."""

    path: str
    content: bytes = field(repr=False)
    mode: int = DEFAULT_MODE
    owner: int | None = None
    """User it belongs to; root when None."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Files that change together, through a `..data` link, so that a reader never sees half of a change."""

    path: str
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory of the pod's own. `memory` says tmpfs, `size_bytes` bounds that (0: half the memory)."""

    path: str
    memory: bool = False
    size_bytes: int = 0
    mode: int = 0o777


@dataclass(frozen=True, slots=True)
class HostPath:
    """A path of the node that is to be checked or made. `type` is Kubernetes' hostPath type, or LOCAL."""

    volume: str
    path: str
    type: str
    mode: int = 0o755
    """Of a directory that is made."""


LOCAL = "Local"
"""The type of a path that has to be there, because a PersistentVolume of kind `local` says so."""


@dataclass(frozen=True, slots=True)
class NetworkMount:
    """A file system of another machine that is mounted for the pod."""

    volume: str
    source: str
    target: str
    options: tuple[str, ...] = ()
    type: str = "nfs"


@dataclass(frozen=True, slots=True)
class Ownership:
    """A directory that shall belong to the pod's fsGroup with everything in it; done once for each pod."""

    path: str
    done: str
    """A file that says that it was done."""
    on_root_mismatch: bool = False
    """Leave it alone where its root belongs to the group already."""


@dataclass(frozen=True, slots=True)
class SubPath:
    """A path inside a volume that a container mounts instead of the volume's root, bound to a path of its own."""

    root: str
    path: str
    target: str
    volume: str
    container: str
    shared: bool = False
    """Whether what the container mounts below shall be seen on the node."""


@dataclass(frozen=True, slots=True)
class EmptyDir:
    """An emptyDir on the node, for whoever measures it. `limit_bytes` 0 is no limit."""

    volume: str
    path: str
    memory: bool
    limit_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Everything a pod needs on the disk before its containers start."""

    private: tuple[Directory, ...] = ()
    """Directories only root may enter, made first."""
    directories: tuple[Directory, ...] = ()
    host_paths: tuple[HostPath, ...] = ()
    mounts: tuple[NetworkMount, ...] = ()
    trees: tuple[Tree, ...] = ()
    plain: tuple[File, ...] = ()
    """Files by full path, rewritten in place because containers mount the file itself."""
    owned: tuple[Ownership, ...] = ()
    group: int | None = None
    """fsGroup: owns emptyDir directories and trees, and what is `owned`."""
    problems: tuple[str, ...] = ()
    """Messages of FailedMount events: volumes that cannot be made yet and are left out of all this."""


class NotReadyError(Exception):
    """A volume cannot be made or mounted yet; the text is the message of an event."""


class FilesError(Exception):
    """A file, directory or mount cannot be made or removed; the text is the message of an event."""


def failed(volume: str, why: object) -> NotReadyError:
    """Return the error in Kubernetes' words."""
    return NotReadyError(f'MountVolume.SetUp failed for volume "{volume}" : {why}')


def disk_dir(uid: str, volume: str, around: Surroundings) -> str:
    """Return where a volume without secrets lies."""
    return f"{around.pod_dir(uid)}/volumes/{volume}"


def hidden_dir(uid: str, volume: str, around: Surroundings) -> str:
    """Return where a volume with secrets lies, in memory."""
    return f"{around.secret_dir(uid)}/{volume}"


def mount_dir(uid: str, volume: str, around: Surroundings) -> str:
    """Return where a file system of another machine is mounted. No volume's name has an underscore."""
    return f"{around.secret_dir(uid)}/_mounts/{volume}"


def sub_path_dir(uid: str, around: Surroundings) -> str:
    """Return where the paths inside volumes are bound to that containers mount; gone after a reboot, like the binds."""
    return f"{around.secret_dir(uid)}/_subpaths"


def empty_dirs(pod: core.Pod, around: Surroundings) -> tuple[EmptyDir, ...]:
    """Return the pod's emptyDir volumes."""
    uid = pod.metadata.uid
    return tuple(EmptyDir(volume.name, disk_dir(uid, volume.name, around), empty.medium == MEMORY, limit(empty))
                 for volume in pod.spec.volumes if (empty := volume.empty_dir) is not None)


def limit(source: core.EmptyDirVolumeSource) -> int:
    """Return the bytes an emptyDir may hold; 0 where nothing is said."""
    return quantity.whole(source.size_limit) if source.size_limit else 0
