"""Decides whether this node takes a pod at all, before anything of it is made, as the kubelet does.

The scheduler has looked at most of it already; a pod may name its node by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edge.agent import eviction_order, security
from edge.agent.policy import Policy, dotted, namespace_of
from edge.api import amounts, core, pod_amounts
from edge.api.amounts import Amount

SAFE_SYSCTLS = (
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem")
"""Of a namespace, and of no influence on other pods."""
_NAME = re.compile(r"[a-z0-9][-_a-z0-9]*([./][a-zA-Z0-9][-_a-zA-Z0-9]*)*")
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - only compared
_COUNTED = ("pods", "cpu", "memory", "ephemeral-storage")
"""Devices are waited for instead: one may be plugged in."""


Port = tuple[str, str, int]
"""Address (empty: every one), protocol, number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """The node, as a new pod finds it."""

    policy: Policy = field(default_factory=Policy)
    allocatable: Mapping[str, Amount] = field(default_factory=dict)
    """Empty while it is not known."""
    used: Mapping[str, Amount] = field(default_factory=dict)
    """What the pods that were taken before have asked for, with their number as `pods`."""
    ports: frozenset[Port] = frozenset()
    """Ports of the node that those pods take."""
    pressures: tuple[str, ...] = ()
    """The node's conditions about what it is short of."""


def refusal(pod: core.Pod, facts: NodeFacts) -> tuple[str, str] | None:
    """Return the reason and message for which the node does not take a pod, or None when it does."""
    for check in (_pressure, _sysctls, _claims, _system, _groups_policy, _room, _node_ports, _app_armor):
        found = check(pod, facts)
        if found is not None:
            return found
    return None


def requests(pods: Iterable[core.Pod]) -> dict[str, Amount]:
    """Return what pods ask for together, and how many they are."""
    total: dict[str, Amount] = {}
    for pod in pods:
        total = amounts.added(total, {**pod_amounts.requests(pod.spec), "pods": amounts.ONE})
    return total


def ports(pods: Iterable[core.Pod]) -> frozenset[Port]:
    """Return the ports of the node that pods take."""
    found = set()
    for pod in pods:
        sidecars = (each for each in pod.spec.init_containers if each.restart_policy == "Always")
        for port in (port for container in (*pod.spec.containers, *sidecars) for port in container.ports):
            number = port.host_port or (port.container_port if pod.spec.host_network else 0)
            if number:
                address = "" if port.host_ip in _EVERYWHERE else port.host_ip
                found.add((address, port.protocol or "TCP", number))
    return frozenset(found)


def _pressure(pod: core.Pod, facts: NodeFacts) -> tuple[str, str] | None:
    text = eviction_order.refusal(pod, facts.pressures)
    return (eviction_order.EVICTED, text) if text else None


def _sysctls(pod: core.Pod, facts: NodeFacts) -> tuple[str, str] | None:
    context = pod.spec.security_context
    allowed = (*SAFE_SYSCTLS, *(dotted(name) for name in facts.policy.allowed_unsafe_sysctls))
    for sysctl in context.sysctls if context is not None else ():
        name = dotted(sysctl.name)
        namespace = namespace_of(name)
        if not namespace or not _NAME.fullmatch(name) or not any(_matches(name, pattern) for pattern in allowed):
            return "SysctlForbidden", f'forbidden sysctl: "{name}" not allowlisted'
        if (namespace == "IPC" and pod.spec.host_ipc) or (namespace == "Net" and pod.spec.host_network):
            return "SysctlForbidden", f'forbidden sysctl: "{name}" not allowed with host {namespace} enabled'
    return None


def _matches(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _system(pod: core.Pod, facts: NodeFacts) -> tuple[str, str] | None:
    spec = pod.spec
    if pod.metadata.labels.get("kubernetes.io/os", "linux") != "linux":
        return ("PodOSSelectorNodeLabelDoesNotMatch",
                "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label")
    if spec.os is not None and spec.os.name != "linux":
        return "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"
    if spec.host_users is False and not facts.policy.user_namespaces:
        return "UnexpectedAdmissionError", "User namespaces need Linux 6.3 or later on this node"
    contexts = (spec.security_context, *(each.security_context for each in _containers(spec)))
    if any(each is not None and each.windows_options is not None and each.windows_options.host_process
           for each in contexts):
        return "PodOSNotSupported", "Failed to admit pod as windowsOptions.hostProcess doesn't match node OS"
    return None


def _claims(pod: core.Pod, _facts: NodeFacts) -> tuple[str, str] | None:
    """Without what it claims a container would run and fail, or work on the wrong thing."""
    if pod.spec.resource_claims:
        return "UnexpectedAdmissionError", "Resource claims are not supported on this node"
    if any(each.volume_devices for each in _containers(pod.spec)):
        return "UnexpectedAdmissionError", "Block devices of volumes are not supported on this node"
    return None


def _groups_policy(pod: core.Pod, _facts: NodeFacts) -> tuple[str, str] | None:
    """The engine leaves out the image's groups where it is told the group, and only there."""
    context = pod.spec.security_context
    if context is None or context.supplemental_groups_policy != "Strict":
        return None
    if all(security.effective(pod.spec, each).run_as_group is not None for each in _containers(pod.spec)):
        return None
    return ("SupplementalGroupsPolicyNotSupported",
            "SupplementalGroupsPolicy=Strict is not supported in this node for containers without runAsGroup")


def _app_armor(pod: core.Pod, facts: NodeFacts) -> tuple[str, str] | None:
    """Profiles of the node are refused where nothing enforces them; the runtime's default is left out there."""
    profiles = (security.effective(pod.spec, each).app_armor for each in _containers(pod.spec))
    if facts.policy.app_armor or not any(each is not None and each.type == "Localhost" for each in profiles):
        return None
    return "AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host"


def _room(pod: core.Pod, facts: NodeFacts) -> tuple[str, str] | None:
    """Refuse what does not fit."""
    asked = requests((pod,))
    for name in _COUNTED:
        wanted, have = asked.get(name, amounts.NONE), facts.allocatable.get(name)
        used = facts.used.get(name, amounts.NONE)
        if have is None or wanted.nano <= 0 or wanted.nano <= have.nano - used.nano:
            continue
        return f"OutOf{name}", (
            f"Node didn't have enough resource: {name}, requested: {_number(name, wanted)}, "
            f"used: {_number(name, used)}, capacity: {_number(name, have)}")
    return None


def _node_ports(pod: core.Pod, facts: NodeFacts) -> tuple[str, str] | None:
    for address, protocol, number in ports((pod,)):
        if any((protocol, number) == taken[1:] and (not address or taken[0] in ("", address)) for taken in facts.ports):
            return ("NodePorts", "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod "
                    "ports")
    return None


def _number(name: str, amount: Amount) -> int:
    """Return an amount in Kubernetes' integers: thousandths of a processor, else whole units."""
    unit = 10**6 if name == "cpu" else 10**9
    return -(-amount.nano // unit)


def _containers(spec: core.PodSpec) -> tuple[core.Container, ...]:
    return (*spec.init_containers, *spec.containers)
