"""Decides which files and directories a pod needs on its node, with which modes, before its containers start.

ConfigMaps, Secrets, the downward API and projected volumes become trees that are replaced as a whole; secrets live on
a tmpfs. A volume that cannot be made yet is a problem of its own: the others are made all the same.
"""

from __future__ import annotations

from edge.agent import downward, environment, names, places, projected, volumes
from edge.agent.surroundings import Surroundings
from edge.agent.volumes import Directory, File, HostPath, Layout, NetworkMount, Ownership, Tree
from edge.api import core, pod_amounts
from edge.bus import messages


def layout(desired: messages.DesiredPod, address: str, around: Surroundings) -> Layout:
    """Return what the pod needs; `address` is the pod's own."""
    pod, uid = desired.pod, desired.pod.metadata.uid
    maker = _Maker(desired, address, around)
    problems = []
    for volume in pod.spec.volumes:
        try:
            maker.add(volume)
        except volumes.NotReadyError as error:
            problems.append(str(error))
    if needs_account(desired):
        maker.trees.append(Tree(account_dir(uid, around), _account_files(desired, around)))
    pod_dir = around.pod_dir(uid)
    plain = tuple(File(f"{pod_dir}/etc/{name}", text.encode()) for name, text in names.files(pod, address, around))
    security = pod.spec.security_context
    private = (Directory(pod_dir, mode=0o750), Directory(around.secret_dir(uid), mode=0o700),
               Directory(f"{pod_dir}/etc", mode=0o755), Directory(f"{pod_dir}/termination", mode=0o750))
    return Layout(private=private, directories=tuple(maker.directories), host_paths=tuple(maker.host_paths),
                  mounts=tuple(maker.mounts), trees=tuple(maker.trees), plain=plain, owned=tuple(maker.owned),
                  group=security.fs_group if security else None, problems=tuple(problems))


class _Maker:
    """Collects what the volumes of one pod need."""

    def __init__(self, desired: messages.DesiredPod, address: str, around: Surroundings) -> None:
        self._desired, self._address, self._around = desired, address, around
        self.directories: list[Directory] = []
        self.host_paths: list[HostPath] = []
        self.mounts: list[NetworkMount] = []
        self.trees: list[Tree] = []
        self.owned: list[Ownership] = []

    def add(self, volume: core.Volume) -> None:
        """Raises NotReadyError."""
        uid, name = self._desired.pod.metadata.uid, volume.name
        if (empty := volume.empty_dir) is not None:
            self.directories.append(self._empty_dir(name, empty))
        elif places.is_data(volume):
            self.trees.append(Tree(data_dir(volume, uid, self._around), self._files(volume)))
        else:
            self._place(volume, places.place(volume, self._desired))

    def _place(self, volume: core.Volume, place: places.Place) -> None:
        uid, name = self._desired.pod.metadata.uid, volume.name
        if place.remote:
            self.mounts.append(NetworkMount(name, place.remote, volumes.mount_dir(uid, name, self._around),
                                            place.options))
            return
        self.host_paths.append(HostPath(place.name or name, place.path, place.type, place.mode))
        security = self._desired.pod.spec.security_context
        if place.grouped and not place.read_only and security is not None and security.fs_group is not None:
            done = f"{self._around.secret_dir(uid)}/_owned-{name}"
            self.owned.append(Ownership(place.path, done, security.fs_group_change_policy == "OnRootMismatch"))

    def _empty_dir(self, name: str, source: core.EmptyDirVolumeSource) -> Directory:
        if source.medium not in ("", volumes.MEMORY):
            raise volumes.failed(name, f'the medium "{source.medium}" is not supported on this node')
        memory = source.medium == volumes.MEMORY
        path = volumes.disk_dir(self._desired.pod.metadata.uid, name, self._around)
        return Directory(path, memory, memory_size(self._desired.pod, source) if memory else volumes.limit(source))

    def _files(self, volume: core.Volume) -> tuple[File, ...]:
        try:
            return projected.files(volume, self._desired, self._address, self._around)
        except (environment.UnresolvedError, downward.UnknownFieldError) as error:
            raise volumes.failed(volume.name, error) from error


def data_dir(volume: core.Volume, uid: str, around: Surroundings) -> str:
    """Return where a volume made of data lies: in memory unless nothing in it can be secret."""
    harmless = volume.config_map is not None or volume.downward_api is not None
    return volumes.disk_dir(uid, volume.name, around) if harmless else volumes.hidden_dir(uid, volume.name, around)


def memory_size(pod: core.Pod, source: core.EmptyDirVolumeSource) -> int:
    """Return the size of a tmpfs: what the pod may use of memory at most, or less if it says so.

    0 is the kernel's own bound, half of the node's memory, where neither says anything.
    """
    own = volumes.limit(source)
    whole = 0
    if all(each.resources.limits.get("memory") for each in (*pod.spec.init_containers, *pod.spec.containers)):
        total = pod_amounts.limits(pod.spec).get("memory")
        whole = total.nano // 10**9 if total is not None else 0
    return min(own, whole) if own and whole else own or whole


def needs_account(desired: messages.DesiredPod) -> bool:
    """Return whether the pod gets its service account mounted by the node, as its spec has no volume for it."""
    held = bool(desired.service_account_token) or (desired.withheld is not None and desired.withheld.account)
    return held and desired.pod.spec.automount_service_account_token is not False


def account_dir(uid: str, around: Surroundings) -> str:
    """Return where the node keeps the service account files of such a pod."""
    return f"{around.secret_dir(uid)}/kube-api-access"


def _account_files(desired: messages.DesiredPod, around: Surroundings) -> tuple[File, ...]:
    # World-readable inside a directory that only root can enter on the node, as pods run under any user.
    files = (File("ca.crt", around.ca_pem.encode()), File("namespace", desired.pod.metadata.namespace.encode()))
    token = desired.service_account_token
    return (*files, File("token", token.encode())) if token else files
