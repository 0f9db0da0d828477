"""Decides how a container is confined: its security context over its pod's over the node's word, as the kubelet does.

https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import PurePosixPath

from edge.agent import environment
from edge.agent.policy import Policy, dotted
from edge.api import core
from edge.runtime.confinement import IDS, UNCONFINED, Confinement


@dataclass(frozen=True, slots=True)
class Effective:
    """What holds for one container of what it and its pod say."""

    run_as_user: int | None
    run_as_group: int | None
    run_as_non_root: bool
    seccomp: core.SeccompProfile | None
    app_armor: core.AppArmorProfile | None
    se_linux: core.SELinuxOptions | None


def effective(pod: core.PodSpec, container: core.Container) -> Effective:
    """Return what holds for a container: field by field its own word, else its pod's."""
    own, shared = container.security_context or core.SecurityContext(), \
        pod.security_context or core.PodSecurityContext()
    non_root = shared.run_as_non_root if own.run_as_non_root is None else own.run_as_non_root
    return Effective(
        run_as_user=shared.run_as_user if own.run_as_user is None else own.run_as_user,
        run_as_group=shared.run_as_group if own.run_as_group is None else own.run_as_group,
        run_as_non_root=bool(non_root), seccomp=own.seccomp_profile or shared.seccomp_profile,
        app_armor=own.app_armor_profile or shared.app_armor_profile,
        se_linux=own.se_linux_options or shared.se_linux_options)


def needs_image_user(pod: core.PodSpec, container: core.Container) -> bool:
    """Return whether something about a container depends on the user its image names."""
    context = effective(pod, container)
    return context.run_as_user is None and (context.run_as_non_root or context.run_as_group is not None)


def check_user(pod: core.Pod, container: core.Container, image_user: str | None) -> None:
    """Refuse a container that must not run as root and would, or might.

    Raises:
        UnresolvedError: in the kubelet's words.
    """
    context, metadata = effective(pod.spec, container), pod.metadata
    if not context.run_as_non_root:
        return
    whose = f'(pod: "{metadata.name}_{metadata.namespace}({metadata.uid})", container: {container.name})'
    if context.run_as_user is not None:
        if context.run_as_user == 0:
            raise environment.UnresolvedError(f"container's runAsUser breaks non-root policy {whose}")
        return
    name = (image_user or "").partition(":")[0]
    if not name or (name.isdecimal() and int(name) == 0):
        raise environment.UnresolvedError(f"container has runAsNonRoot and image will run as root {whose}")
    if not name.isdecimal():
        raise environment.UnresolvedError("container has runAsNonRoot and image has non-numeric user "
                                          f"({name}), cannot verify user is non-root {whose}")


def confinement(pod: core.PodSpec, container: core.Container, policy: Policy, address: str) -> Confinement:
    """Return how a container is confined. Raises UnresolvedError.

    Args:
        pod: the container's pod.
        container: as its pod says.
        policy: the node's word.
        address: the pod's address, unique on the node; user ids follow from it.
    """
    context, own = effective(pod, container), container.security_context or core.SecurityContext()
    privileged = bool(own.privileged)
    return Confinement(
        seccomp_profile="" if privileged else _seccomp(context.seccomp, policy),
        app_armor_profile=_app_armor(context.app_armor), se_linux=_se_linux(context.se_linux),
        unmasked=own.proc_mount == "Unmasked", first_id=first_id(address) if pod.host_users is False else 0)


def first_id(address: str) -> int:
    """Return the node's id that is root of a pod with a user namespace: no two pods of a node share one.

    An address of a /16 or smaller is never all zeros or all ones in its last 16 bits, so the range begins above the
    node's own ids and ends below the largest.
    """
    try:
        return (int(ipaddress.IPv4Address(address)) % IDS) * IDS
    except ValueError:
        raise environment.UnresolvedError("a pod with hostUsers: false needs an address of its own") from None


def network_sysctls(pod: core.PodSpec) -> tuple[tuple[str, str], ...]:
    """Return the kernel settings of the pod's network namespace."""
    return tuple((name, value) for name, value in _sysctls(pod) if name.startswith("net."))


def container_sysctls(pod: core.PodSpec) -> tuple[tuple[str, str], ...]:
    """Return the kernel settings of each container's own namespaces."""
    return tuple((name, value) for name, value in _sysctls(pod) if not name.startswith("net."))


def _sysctls(pod: core.PodSpec) -> tuple[tuple[str, str], ...]:
    given = pod.security_context.sysctls if pod.security_context is not None else ()
    return tuple((dotted(sysctl.name), sysctl.value) for sysctl in given)


def _seccomp(profile: core.SeccompProfile | None, policy: Policy) -> str:
    if profile is None:
        return "" if policy.seccomp_default else UNCONFINED
    if profile.type == "RuntimeDefault":
        return ""
    if profile.type != "Localhost":
        return UNCONFINED
    path = PurePosixPath(profile.localhost_profile)
    if not profile.localhost_profile:
        raise environment.UnresolvedError("localhostProfile must be set if seccompProfile type is Localhost.")
    if path.is_absolute() or ".." in path.parts:
        raise environment.UnresolvedError(f'localhostProfile "{path}" must be a relative path without ".."')
    return str(PurePosixPath(policy.seccomp_dir, path))


def _app_armor(profile: core.AppArmorProfile | None) -> str:
    if profile is None or profile.type == "RuntimeDefault":
        return ""
    return UNCONFINED if profile.type == "Unconfined" else profile.localhost_profile


def _se_linux(options: core.SELinuxOptions | None) -> tuple[str, ...]:
    if options is None:
        return ()
    parts = (("user", options.user), ("role", options.role), ("type", options.type), ("level", options.level))
    return tuple(f"{name}:{value}" for name, value in parts if value)
