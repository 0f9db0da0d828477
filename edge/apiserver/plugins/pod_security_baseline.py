"""The checks of the Pod Security Standard `baseline`: what would let a pod take over its node.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge.api import core


@dataclass(frozen=True, slots=True)
class Violation:
    """What a check found: in a few words, and exactly."""

    reason: str
    detail: str


Run = Callable[[Mapping[str, str], core.PodSpec], Violation | None]
"""A check: a pod's annotations and spec in, what is wrong with them out."""
_HARMLESS_CAPABILITIES = frozenset((
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"))
PROFILE_TYPES = ("RuntimeDefault", "Localhost")
_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
_CONTAINER_DOMAINS = frozenset(("", "container_t", "container_init_t", "container_kvm_t"))
_ENGINE_DOMAIN = "container_engine_t"
_SYSCTLS = ("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
            "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start")
_SYSCTLS_27 = (*_SYSCTLS, "net.ipv4.ip_local_reserved_ports")
_SYSCTLS_29 = (*_SYSCTLS_27, "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout",
               "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes")
_SYSCTLS_32 = (*_SYSCTLS_29, "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem")


# --- words

def containers_of(spec: core.PodSpec) -> tuple[core.Container, ...]:
    """Return every container of a pod: init, ordinary and ephemeral ones."""
    return (*spec.init_containers, *spec.containers, *spec.ephemeral_containers)


def contexts_of(spec: core.PodSpec) -> tuple[tuple[str, core.SecurityContext], ...]:
    """Return the containers that have a security context, by name."""
    return tuple((container.name, container.security_context) for container in containers_of(spec)
                 if container.security_context is not None)


def quoted(values: Iterable[str]) -> str:
    """Return the values in quotes, with commas between them."""
    return ", ".join(f'"{value}"' for value in values)


def plural(word: str, values: Collection[object]) -> str:
    """Return the word for one or for more values."""
    return word if len(values) == 1 else f"{word}s"


def named(kind: str, names: Sequence[str]) -> str:
    """Return `container "a"` or `containers "a", "b"`."""
    return f"{plural(kind, names)} {quoted(names)}"


def setters(pod: bool, names: Sequence[str]) -> str:
    """Return who has set something: the pod, containers, or both."""
    return " and ".join([*(["pod"] if pod else []), *([named("container", names)] if names else [])])


# --- checks

def app_armor(annotations: Mapping[str, str], spec: core.PodSpec) -> Violation | None:
    """Refuse AppArmor profiles other than the runtime's and those on the node."""
    own = spec.security_context.app_armor_profile if spec.security_context else None
    bad_pod = own is not None and own.type not in PROFILE_TYPES
    bad = {name: context.app_armor_profile.type for name, context in contexts_of(spec)
           if context.app_armor_profile is not None and context.app_armor_profile.type not in PROFILE_TYPES}
    values = sorted({*bad.values(), *([own.type] if own is not None and bad_pod else [])})
    old = sorted(f'{key}="{value}"' for key, value in annotations.items() if key.startswith(_APP_ARMOR)
                 and value not in ("", "runtime/default") and not value.startswith("localhost/"))
    if not values and not old:
        return None
    who = [setters(bad_pod, tuple(bad))] if values else []
    who += [plural("annotation", old)] if old else []
    return Violation(plural("forbidden AppArmor profile", (*values, *old)),
                     f"{' and '.join(who)} must not set AppArmor profile type to {quoted((*values, *old))}")


def capabilities(_annotations: Mapping[str, str], spec: core.PodSpec) -> Violation | None:
    """Refuse capabilities beyond those a container has anyway."""
    bad = {name: added for name, context in contexts_of(spec) if context.capabilities is not None
           and (added := [each for each in context.capabilities.add if each not in _HARMLESS_CAPABILITIES])}
    if not bad:
        return None
    values = sorted({value for added in bad.values() for value in added})
    return Violation("non-default capabilities", f"{named('container', tuple(bad))} must not include {quoted(values)} "
                                                 "in securityContext.capabilities.add")


def host_namespaces(_annotations: Mapping[str, str], spec: core.PodSpec) -> Violation | None:
    """Refuse the node's own namespaces."""
    found = [f"{field}=true" for field, used in (("hostNetwork", spec.host_network), ("hostPID", spec.host_pid),
                                                 ("hostIPC", spec.host_ipc)) if used]
    return Violation("host namespaces", ", ".join(found)) if found else None


def host_paths(_annotations: Mapping[str, str], spec: core.PodSpec) -> Violation | None:
    """Refuse paths of the node."""
    found = [volume.name for volume in spec.volumes if volume.host_path is not None]
    return Violation("hostPath volumes", named("volume", found)) if found else None


def host_ports(_annotations: Mapping[str, str], spec: core.PodSpec) -> Violation | None:
    """Refuse ports of the node."""
    bad = {container.name: ports for container in containers_of(spec)
           if (ports := {str(port.host_port) for port in container.ports if port.host_port})}
    if not bad:
        return None
    found = sorted(set().union(*bad.values()))
    return Violation("hostPort", f"{named('container', tuple(bad))} {'uses' if len(bad) == 1 else 'use'} "
                                 f"{plural('hostPort', found)} {', '.join(found)}")


def privileged(_annotations: Mapping[str, str], spec: core.PodSpec) -> Violation | None:
    """Refuse privileged containers."""
    bad = [name for name, context in contexts_of(spec) if context.privileged]
    return Violation("privileged", f"{named('container', bad)} must not set securityContext.privileged=true") \
        if bad else None


def proc_mount(_annotations: Mapping[str, str], spec: core.PodSpec) -> Violation | None:
    """Refuse a /proc that hides nothing."""
    bad = {name: context.proc_mount for name, context in contexts_of(spec)
           if context.proc_mount not in ("", "Default")}
    return Violation("procMount", f"{named('container', tuple(bad))} must not set securityContext.procMount to "
                                  f"{quoted(sorted(set(bad.values())))}") if bad else None


def _se_linux(domains: Collection[str]) -> Run:
    def wrong(options: core.SELinuxOptions | None) -> bool:
        return options is not None and (options.type not in domains or bool(options.user or options.role))

    def run(_annotations: Mapping[str, str], spec: core.PodSpec) -> Violation | None:
        own = spec.security_context.se_linux_options if spec.security_context else None
        bad = {name: context.se_linux_options for name, context in contexts_of(spec)
               if wrong(context.se_linux_options)}
        found = [options for options in (own if wrong(own) else None, *bad.values()) if options is not None]
        if not found:
            return None
        types = sorted({options.type for options in found if options.type not in domains})
        said = [f"{plural('type', types)} {quoted(types)}"] if types else []
        said += ["user may not be set"] if any(options.user for options in found) else []
        said += ["role may not be set"] if any(options.role for options in found) else []
        return Violation("seLinuxOptions", f"{setters(wrong(own), tuple(bad))} set forbidden "
                                           f"securityContext.seLinuxOptions: {'; '.join(said)}")
    return run


se_linux, se_linux_31 = _se_linux(_CONTAINER_DOMAINS), _se_linux(_CONTAINER_DOMAINS | {_ENGINE_DOMAIN})


def seccomp_annotations(annotations: Mapping[str, str], spec: core.PodSpec) -> Violation | None:
    """Refuse to run without a system call filter, as annotations once said it."""
    keys = (_SECCOMP_POD, *(_SECCOMP_CONTAINER + container.name for container in containers_of(spec)))
    bad = sorted(f'{key}="{annotations[key]}"' for key in set(keys) if key in annotations
                 and annotations[key] not in ("runtime/default", "docker/default")
                 and not annotations[key].startswith("localhost/"))
    return Violation("seccompProfile", f"forbidden {plural('annotation', bad)} {', '.join(bad)}") if bad else None


def seccomp(_annotations: Mapping[str, str], spec: core.PodSpec) -> Violation | None:
    """Refuse to run without a system call filter."""
    own = spec.security_context.seccomp_profile if spec.security_context else None
    bad_pod = own is not None and own.type not in PROFILE_TYPES
    bad = {name: context.seccomp_profile.type for name, context in contexts_of(spec)
           if context.seccomp_profile is not None and context.seccomp_profile.type not in PROFILE_TYPES}
    if not bad and not bad_pod:
        return None
    values = sorted({*bad.values(), *([own.type] if own is not None and bad_pod else [])})
    return Violation("seccompProfile", f"{setters(bad_pod, tuple(bad))} must not set "
                                       f"securityContext.seccompProfile.type to {quoted(values)}")


def _sysctls(allowed: Collection[str]) -> Run:
    def run(_annotations: Mapping[str, str], spec: core.PodSpec) -> Violation | None:
        asked = spec.security_context.sysctls if spec.security_context else ()
        bad = [sysctl.name for sysctl in asked if sysctl.name not in allowed]
        return Violation("forbidden sysctls", ", ".join(bad)) if bad else None
    return run


sysctls, sysctls_27 = _sysctls(_SYSCTLS), _sysctls(_SYSCTLS_27)
sysctls_29, sysctls_32 = _sysctls(_SYSCTLS_29), _sysctls(_SYSCTLS_32)


def windows_host_process(_annotations: Mapping[str, str], spec: core.PodSpec) -> Violation | None:
    """Refuse processes of a Windows node."""
    own = spec.security_context.windows_options if spec.security_context else None
    bad_pod = own is not None and bool(own.host_process)
    bad = [name for name, context in contexts_of(spec)
           if context.windows_options is not None and context.windows_options.host_process]
    return Violation("hostProcess", f"{setters(bad_pod, bad)} must not set "
                                    "securityContext.windowsOptions.hostProcess=true") if bad or bad_pod else None
