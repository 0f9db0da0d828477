"""Decides which files and directories a pod needs on its node, with which modes, and what is mounted where.

ConfigMaps, Secrets, the downward API and projected volumes become trees that are replaced as a whole; secrets live on
a tmpfs. See https://kubernetes.io/docs/concepts/storage/volumes/.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from edge.agent import downward, environment, names
from edge.agent.surroundings import Surroundings
from edge.api import core, quantity
from edge.bus import messages
from edge.runtime.containers import Mount

SERVICE_ACCOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
DEFAULT_MODE = 0o644
_PROPAGATION = {"HostToContainer": "rslave", "Bidirectional": "rshared"}


@dataclass(frozen=True, slots=True)
class File:
    """One file below a tree."""

    path: str
    content: bytes = field(repr=False)
    mode: int = DEFAULT_MODE


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
    """A path of the node that is to be checked or made. `type` is Kubernetes' hostPath type."""

    volume: str
    path: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Everything a pod needs on the disk before its containers start."""

    private: tuple[Directory, ...] = ()
    """Directories only root may enter, made first."""
    directories: tuple[Directory, ...] = ()
    host_paths: tuple[HostPath, ...] = ()
    trees: tuple[Tree, ...] = ()
    plain: tuple[File, ...] = ()
    """Files by full path, rewritten in place because containers mount the file itself."""
    group: int | None = None
    """fsGroup: owns emptyDir directories and trees."""


class NotReadyError(Exception):
    """A volume cannot be made yet; the text is the message of a FailedMount event."""


def layout(desired: messages.DesiredPod, address: str, around: Surroundings) -> Layout:
    """Return what the pod needs; `address` is the pod's own.

    Raises:
        NotReadyError: a volume names something that is missing, or is of a kind this node does not have.
    """
    pod, uid = desired.pod, desired.pod.metadata.uid
    maker = _Maker(desired, address, around)
    for volume in pod.spec.volumes:
        maker.add(volume)
    if needs_account(desired):
        maker.trees.append(Tree(account_dir(uid, around), _account_files(desired, around)))
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        maker.directories += _sub_directories(container, desired, address, around, _sources(desired, around))
    pod_dir = around.pod_dir(uid)
    plain = tuple(File(f"{pod_dir}/etc/{file.path}", file.content, file.mode) for file in
                  (File(name, text.encode()) for name, text in names.files(pod, address, around)))
    security = pod.spec.security_context
    private = (Directory(pod_dir, mode=0o750), Directory(around.secret_dir(uid), mode=0o700),
               Directory(f"{pod_dir}/etc", mode=0o755), Directory(f"{pod_dir}/termination", mode=0o750))
    return Layout(private=private, directories=tuple(maker.directories), host_paths=tuple(maker.host_paths),
                  trees=tuple(maker.trees), plain=plain, group=security.fs_group if security else None)


class _Maker:
    """Collects what the volumes of one pod need."""

    def __init__(self, desired: messages.DesiredPod, address: str, around: Surroundings) -> None:
        self._desired, self._address, self._around = desired, address, around
        self.directories: list[Directory] = []
        self.host_paths: list[HostPath] = []
        self.trees: list[Tree] = []

    def add(self, volume: core.Volume) -> None:
        uid = self._desired.pod.metadata.uid
        disk = f"{self._around.pod_dir(uid)}/volumes/{volume.name}"
        hidden = f"{self._around.secret_dir(uid)}/{volume.name}"
        if (path := volume.host_path) is not None:
            self.host_paths.append(HostPath(volume.name, path.path, path.type or ""))
        elif (empty := volume.empty_dir) is not None:
            size = quantity.whole(empty.size_limit) if empty.size_limit else 0
            memory = empty.medium == "Memory"
            self.directories.append(Directory(disk, memory, size))
        else:
            source = disk if volume.config_map is not None or volume.downward_api is not None else hidden
            self.trees.append(Tree(source, self._files(volume)))

    def _files(self, volume: core.Volume) -> tuple[File, ...]:
        try:
            if (config := volume.config_map) is not None:
                mode = _mode(config.default_mode)
                return _config_files(self._desired, config.name, config.items, mode, bool(config.optional))
            if (secret := volume.secret) is not None:
                mode = _mode(secret.default_mode)
                return _secret_files(self._desired, secret.secret_name, secret.items, mode, bool(secret.optional))
            if (api := volume.downward_api) is not None:
                return self._downward(api.items, _mode(api.default_mode))
            if (projected := volume.projected) is not None:
                mode = _mode(projected.default_mode)
                return tuple(file for source in projected.sources for file in self._projection(source, mode))
        except (environment.UnresolvedError, downward.UnknownFieldError) as error:
            raise NotReadyError(f'MountVolume.SetUp failed for volume "{volume.name}" : {error}') from error
        raise NotReadyError(f'MountVolume.SetUp failed for volume "{volume.name}" : this kind is not supported')

    def _projection(self, source: core.VolumeProjection, mode: int) -> tuple[File, ...]:
        if (config := source.config_map) is not None:
            return _config_files(self._desired, config.name, config.items, mode, bool(config.optional))
        if (secret := source.secret) is not None:
            return _secret_files(self._desired, secret.name, secret.items, mode, bool(secret.optional))
        if (api := source.downward_api) is not None:
            return self._downward(api.items, mode)
        if (token := source.service_account_token) is not None:
            return (File(_safe(token.path), self._desired.service_account_token.encode(), mode & 0o600 or 0o600),)
        return ()

    def _downward(self, items: Iterable[core.DownwardAPIVolumeFile], mode: int) -> tuple[File, ...]:
        files = []
        for item in items:
            text = ""
            if item.field_ref is not None:
                text = downward.field(self._desired.pod, item.field_ref.field_path, self._address, self._around)
            elif (wanted := item.resource_field_ref) is not None:
                container = _container(self._desired.pod, wanted.container_name)
                text = downward.resource(container, wanted.resource, str(wanted.divisor or ""), self._around)
            files.append(File(_safe(item.path), text.encode(), _mode(item.mode, mode)))
        return tuple(files)


def _container(pod: core.Pod, name: str) -> core.Container:
    for container in (*pod.spec.containers, *pod.spec.init_containers):
        if container.name == name:
            return container
    raise downward.UnknownFieldError(f"container {name} not found")


def _mode(given: int | None, default: int = DEFAULT_MODE) -> int:
    return default if given is None else given & 0o777


def _safe(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or parts[0].startswith(".."):
        raise environment.UnresolvedError(f'the path "{path}" leads out of the volume')
    return path


def _config_files(desired: messages.DesiredPod, name: str, items: Iterable[core.KeyToPath], mode: int,
                  optional: bool) -> tuple[File, ...]:
    config = desired.config_maps.get(name)
    if config is None:
        if optional:
            return ()
        raise environment.UnresolvedError(f'configmap "{name}" not found')
    values = {key: environment.config_value(config, key) for key in (*config.data, *config.binary_data)}
    return _chosen(values, items, mode, optional)


def _secret_files(desired: messages.DesiredPod, name: str, items: Iterable[core.KeyToPath], mode: int,
                  optional: bool) -> tuple[File, ...]:
    secret = desired.secrets.get(name)
    if secret is None:
        if optional:
            return ()
        raise environment.UnresolvedError(f'secret "{name}" not found')
    values = {key: environment.secret_value(secret, key) for key in (*secret.data, *secret.string_data)}
    return _chosen(values, items, mode, optional)


def _chosen(values: dict[str, bytes | None], items: Iterable[core.KeyToPath], mode: int,
            optional: bool) -> tuple[File, ...]:
    wanted = tuple(items)
    if not wanted:
        return tuple(File(_safe(key), value, mode) for key, value in sorted(values.items()) if value is not None)
    files = []
    for item in wanted:
        value = values.get(item.key)
        if value is None:
            if optional:
                continue
            raise environment.UnresolvedError(f"references non-existent config key: {item.key}")
        files.append(File(_safe(item.path), value, _mode(item.mode, mode)))
    return tuple(files)


def needs_account(desired: messages.DesiredPod) -> bool:
    """Return whether the pod gets its service account mounted by the node."""
    return bool(desired.service_account_token) and desired.pod.spec.automount_service_account_token is not False


def account_dir(uid: str, around: Surroundings) -> str:
    """Return where the node keeps the pod's service account files."""
    return f"{around.secret_dir(uid)}/kube-api-access"


def _account_files(desired: messages.DesiredPod, around: Surroundings) -> tuple[File, ...]:
    # World-readable inside a directory that only root can enter on the node, as pods run under any user.
    return (File("ca.crt", around.ca_pem.encode()), File("namespace", desired.pod.metadata.namespace.encode()),
            File("token", desired.service_account_token.encode()))


def _sub_path(mount: core.VolumeMount, env: dict[str, str]) -> str:
    path = environment.expand(mount.sub_path_expr, env) if mount.sub_path_expr else mount.sub_path
    if path.startswith("/") or ".." in PurePosixPath(path).parts:
        raise NotReadyError(f'subPath "{path}" of volume "{mount.name}" leads out of the volume')
    return path


def _sub_directories(container: core.Container, desired: messages.DesiredPod, address: str, around: Surroundings,
                     sources: dict[str, str]) -> list[Directory]:
    """Return the directories that subPath mounts of emptyDir volumes expect to be made for them."""
    own = {volume.name for volume in desired.pod.spec.volumes if volume.empty_dir is not None}
    found = []
    for mount in container.volume_mounts:
        if mount.name in own and (mount.sub_path or mount.sub_path_expr):
            env = _environment(container, desired, address, around)
            found.append(Directory(f"{sources[mount.name]}/{_sub_path(mount, env)}"))
    return found


def _environment(container: core.Container, desired: messages.DesiredPod, address: str,
                 around: Surroundings) -> dict[str, str]:
    try:
        return dict(environment.resolve(container, desired, address, around))
    except environment.UnresolvedError as error:
        raise NotReadyError(str(error)) from error


def mounts(container: core.Container, attempt: int, desired: messages.DesiredPod, env: dict[str, str],
           around: Surroundings) -> tuple[Mount, ...]:
    """Return what is mounted into one container.

    Raises:
        NotReadyError: a mount names no volume, or leads out of its volume.
    """
    pod, uid = desired.pod, desired.pod.metadata.uid
    pod_dir, sources = around.pod_dir(uid), _sources(desired, around)
    given = {volume.name for volume in pod.spec.volumes if volume.host_path is None and volume.empty_dir is None}
    found = [Mount(source=f"{pod_dir}/etc/{name}", destination=f"/etc/{name}") for name in names.mounted(pod)]
    found.append(Mount(source=f"{pod_dir}/termination/{container.name}-{attempt}",
                       destination=container.termination_message_path or "/dev/termination-log"))
    for mount in container.volume_mounts:
        if mount.name not in sources:
            raise NotReadyError(f'container {container.name} mounts the volume "{mount.name}", which is not in the pod')
        sub = _sub_path(mount, env)
        source = f"{sources[mount.name]}/{sub}" if sub else sources[mount.name]
        # As from the kubelet: what the node writes again by itself is not for the container to write.
        found.append(Mount(source=source, destination=mount.mount_path,
                           read_only=bool(mount.read_only) or mount.name in given,
                           propagation=_PROPAGATION.get(mount.mount_propagation or "", "rprivate")))
    taken = {mount.destination.rstrip("/") for mount in found}
    if needs_account(desired) and SERVICE_ACCOUNT_PATH not in taken:
        found.append(Mount(source=account_dir(uid, around), destination=SERVICE_ACCOUNT_PATH, read_only=True))
    unique = {mount.destination: mount for mount in found}
    return tuple(unique.values())


def _sources(desired: messages.DesiredPod, around: Surroundings) -> dict[str, str]:
    uid = desired.pod.metadata.uid
    found: dict[str, str] = {}
    for volume in desired.pod.spec.volumes:
        if volume.host_path is not None:
            found[volume.name] = volume.host_path.path
        elif volume.empty_dir is not None or volume.config_map is not None or volume.downward_api is not None:
            found[volume.name] = f"{around.pod_dir(uid)}/volumes/{volume.name}"
        else:
            found[volume.name] = f"{around.secret_dir(uid)}/{volume.name}"
    return found
