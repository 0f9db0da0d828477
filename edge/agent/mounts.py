"""Decides what is mounted where in one container: its volumes, paths inside them, and the files every pod gets.

See https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from edge.agent import environment, layout, names, places, volumes
from edge.agent.surroundings import Surroundings
from edge.agent.volumes import NotReadyError, SubPath
from edge.api import core
from edge.bus import messages
from edge.runtime.containers import Mount

SERVICE_ACCOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
BIDIRECTIONAL = "Bidirectional"
_PROPAGATION = {"HostToContainer": "rslave", BIDIRECTIONAL: "rshared"}


def mounts(container: core.Container, attempt: int, desired: messages.DesiredPod, env: Mapping[str, str],
           around: Surroundings) -> tuple[Mount, ...]:
    """Return what is mounted into one container. A path inside a volume is mounted from where `sub_paths` binds it.

    Raises:
        NotReadyError: a mount names no volume, leads out of its volume, or asks for what cannot be had.
    """
    pod, uid = desired.pod, desired.pod.metadata.uid
    pod_dir = around.pod_dir(uid)
    found = [Mount(source=f"{pod_dir}/etc/{name}", destination=f"/etc/{name}") for name in names.mounted(pod)]
    found.append(Mount(source=f"{pod_dir}/termination/{container.name}-{attempt}",
                       destination=container.termination_message_path or "/dev/termination-log"))
    bound = {path.target: path for path in sub_paths(container, desired, env, around)}
    for index, mount in enumerate(container.volume_mounts):
        _check_recursion(mount)
        source, read_only = _source(container, mount, desired, around)
        target = _target(container, index, mount, uid, around)
        found.append(Mount(source=target if target in bound else source, destination=mount.mount_path,
                           read_only=bool(mount.read_only) or read_only,
                           propagation=_PROPAGATION.get(mount.mount_propagation or "", "rprivate")))
    taken = {mount.destination.rstrip("/") for mount in found}
    if layout.needs_account(desired) and SERVICE_ACCOUNT_PATH not in taken:
        found.append(Mount(source=layout.account_dir(uid, around), destination=SERVICE_ACCOUNT_PATH, read_only=True))
    unique = {mount.destination: mount for mount in found}
    return tuple(unique.values())


def sub_paths(container: core.Container, desired: messages.DesiredPod, env: Mapping[str, str],
              around: Surroundings) -> tuple[SubPath, ...]:
    """Return the paths inside volumes that one container mounts, to be bound before it is created.

    Raises:
        NotReadyError: a mount names no volume, or leads out of its volume.
    """
    uid, found = desired.pod.metadata.uid, []
    for index, mount in enumerate(container.volume_mounts):
        if path := _sub_path(mount, env):
            found.append(SubPath(
                root=_source(container, mount, desired, around)[0], path=path, volume=mount.name,
                target=_target(container, index, mount, uid, around), container=container.name,
                shared=mount.mount_propagation == BIDIRECTIONAL))
    return tuple(found)


def shown(container: core.Container) -> tuple[core.VolumeMountStatus, ...]:
    """Return how the volumes of a container that was made are mounted, for its status."""
    return tuple(core.VolumeMountStatus(
        name=mount.name, mount_path=mount.mount_path, read_only=bool(mount.read_only),
        recursive_read_only="Disabled" if mount.read_only else "") for mount in container.volume_mounts)


def _target(container: core.Container, index: int, mount: core.VolumeMount, uid: str, around: Surroundings) -> str:
    return f"{volumes.sub_path_dir(uid, around)}/{mount.name}/{container.name}/{index}"


def _source(container: core.Container, mount: core.VolumeMount, desired: messages.DesiredPod,
            around: Surroundings) -> tuple[str, bool]:
    """Return where a mount's volume lies, and whether it is read-only whatever the mount says."""
    uid = desired.pod.metadata.uid
    for volume in desired.pod.spec.volumes:
        if volume.name != mount.name:
            continue
        if volume.empty_dir is not None:
            return volumes.disk_dir(uid, volume.name, around), False
        if places.is_data(volume):
            # As from the kubelet: what the node writes again by itself is not for the container to write.
            return layout.data_dir(volume, uid, around), True
        place = places.place(volume, desired)
        return place.path or volumes.mount_dir(uid, volume.name, around), place.read_only
    raise NotReadyError(f'container {container.name} mounts the volume "{mount.name}", which is not in the pod')


def _sub_path(mount: core.VolumeMount, env: Mapping[str, str]) -> str:
    path = mount.sub_path
    if mount.sub_path_expr:
        for name in environment.references(mount.sub_path_expr):
            if name not in env:
                raise NotReadyError(f'missing value for "{name}"')
        path = environment.expand(mount.sub_path_expr, env)
    if path.startswith("/"):
        raise NotReadyError(f"error SubPath `{path}` must not be an absolute path")
    if ".." in PurePosixPath(path).parts:
        raise NotReadyError(f"unable to provision SubPath `{path}`: must not contain '..'")
    return path


def _check_recursion(mount: core.VolumeMount) -> None:
    """Raises NotReadyError for a mount that has to be read-only all the way down, which the engine cannot do."""
    if mount.recursive_read_only not in ("IfPossible", "Enabled"):
        return
    asked = f'volume "{mount.name}" requested recursive read-only mode, but it is not'
    if not mount.read_only:
        raise NotReadyError(f"{asked} read-only")
    if mount.mount_propagation not in ("", "None"):
        raise NotReadyError(f'{asked} compatible with propagation "{mount.mount_propagation}"')
    if mount.recursive_read_only == "Enabled":
        raise NotReadyError(f"{asked} supported by the runtime")
