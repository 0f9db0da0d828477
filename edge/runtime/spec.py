"""Decides how a container of a pod is created: the pod's spec and what was resolved for it become a ContainerSpec."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge.api import core, quantity
from edge.runtime.confinement import Confinement
from edge.runtime.containers import ContainerSpec, Device, Mount


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The devices a container gets."""

    devices: tuple[Device, ...] = ()
    groups: tuple[int, ...] = ()
    """That may use them, for a container that does not run as root."""
    env: tuple[tuple[str, str], ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What the pod's spec does not say by itself."""

    attempt: int
    image_id: str
    env: tuple[tuple[str, str], ...] = ()
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    hostname: str = ""
    netns_path: str = ""
    log_path: str = ""
    cgroup_parent: str = ""
    devices: Given = Given()
    image_user: str = ""
    """Needed where the pod names a group and no user."""
    confinement: Confinement = Confinement()
    sysctls: tuple[tuple[str, str], ...] = ()
    """Those of the container's own namespaces."""
    pids_limit: int = 0
    oom_score: int = 0
    oom_group: bool = False


def spec_hash(container: core.Container) -> str:
    """Return what identifies a container's spec: as in Kubernetes, a new name or image means a new container.

    Everything else of a running pod is immutable, so the hash stays the same over restarts of the agent, changes of
    status, labels and annotations, and versions of this program.
    """
    text = json.dumps([container.name, container.image])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def container_spec(pod: core.Pod, container: core.Container, resolved: Resolved) -> ContainerSpec:
    """Return everything needed to create one container of a pod."""
    security = container.security_context or core.SecurityContext()
    capabilities = security.capabilities or core.Capabilities()
    pod_security = pod.spec.security_context or core.PodSecurityContext()
    return ContainerSpec(
        pod_uid=pod.metadata.uid, pod_name=pod.metadata.name, namespace=pod.metadata.namespace, name=container.name,
        attempt=resolved.attempt, spec_hash=spec_hash(container), image=container.image, image_id=resolved.image_id,
        command=resolved.command, args=resolved.args, env=resolved.env, working_dir=container.working_dir or "",
        hostname=resolved.hostname, netns_path="" if pod.spec.host_network else resolved.netns_path,
        mounts=resolved.mounts, log_path=resolved.log_path, cgroup_parent=resolved.cgroup_parent,
        cpu_request_milli=_amount(container, "requests", "cpu"), cpu_limit_milli=_amount(container, "limits", "cpu"),
        memory_limit_bytes=_amount(container, "limits", "memory"), pids_limit=resolved.pids_limit,
        oom_score=resolved.oom_score, oom_group=resolved.oom_group,
        stdin=bool(container.stdin), stdin_once=bool(container.stdin_once), tty=bool(container.tty),
        user=_user(security, pod_security, resolved.image_user),
        supplemental_groups=tuple(dict.fromkeys((*_groups(pod_security), *resolved.devices.groups))),
        devices=resolved.devices.devices, labels=dict(resolved.devices.labels),
        privileged=bool(security.privileged), read_only_root=bool(security.read_only_root_filesystem),
        no_new_privileges=security.allow_privilege_escalation is False, confinement=resolved.confinement,
        capabilities_add=tuple(capabilities.add), capabilities_drop=tuple(capabilities.drop),
        host_pid=bool(pod.spec.host_pid), host_ipc=bool(pod.spec.host_ipc),
        sysctls=resolved.sysctls)


def _amount(container: core.Container, side: Literal["requests", "limits"], name: str) -> int:
    """Return milli-cores or bytes; 0 where nothing is said. A limit without a request is also the request."""
    resources = container.resources
    if resources is None:
        return 0
    given = resources.limits.get(name)
    if side == "requests":
        given = resources.requests.get(name, given)
    if given is None:
        return 0
    return quantity.milli(given) if name == "cpu" else quantity.whole(given)


def _user(security: core.SecurityContext, pod: core.PodSecurityContext, image_user: str) -> str:
    user = security.run_as_user if security.run_as_user is not None else pod.run_as_user
    group = security.run_as_group if security.run_as_group is not None else pod.run_as_group
    if user is None:
        return "" if group is None else f"{image_user.partition(':')[0] or '0'}:{group}"
    return str(user) if group is None else f"{user}:{group}"


def _groups(pod: core.PodSecurityContext) -> tuple[int, ...]:
    own = () if pod.fs_group is None else (pod.fs_group,)
    return tuple(dict.fromkeys((*pod.supplemental_groups, *own)))
