"""Effects: what the agent's settings and its machine say of the node, as the value its parts take."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from edge.agent import eviction, identity_files, machine, masters, node_status, node_watch
from edge.agent.addresses import default_address, interface_address
from edge.agent.policy import Policy, maps_volumes
from edge.agent.taints import parse_taint

if TYPE_CHECKING:
    from edge.agent.settings import Settings


def node(settings: Settings, identity: identity_files.Identity) -> node_watch.Node:
    """Return the node; its address is looked for again at each look."""
    def address() -> str:
        known = masters.remembered(settings.data_dir)
        towards = settings.server or (known.address if known else "")
        if settings.node_address:
            return settings.node_address
        return interface_address(settings.interface) if settings.interface else default_address(towards)

    def external_address() -> str:
        outside = default_address()
        return outside if outside != address() else ""

    return node_watch.Node(
        given=node_status.Given(name=settings.node_name, address=address(), port=settings.listen_port,
                                cpu_milli=settings.cpu_milli, memory_bytes=settings.memory_bytes,
                                labels=settings.labels, max_pods=settings.max_pods, reserved=settings.reserved,
                                eviction=_eviction(settings)),
        pods_have_groups=settings.cgroups_per_qos, pod_pids_limit=settings.pod_pids_limit,
        least_oom_score=machine.least_oom_score(),
        find_address=address, find_external_address=external_address, data_dir=str(settings.data_dir),
        run_dir=str(settings.run_dir), log_dir=str(settings.log_dir),
        cgroup_parent=settings.cgroup_parent, heartbeat_seconds=settings.heartbeat_seconds,
        taints=tuple(parse_taint(text) for text in settings.taints), ca_pem=identity.ca.read_text(),
        parallel_pulls=settings.parallel_pulls,
        policy=Policy(seccomp_dir=str(settings.seccomp_dir or settings.data_dir / "seccomp"),
                      seccomp_default=settings.seccomp_default,
                      allowed_unsafe_sysctls=settings.allowed_unsafe_sysctls,
                      runtime_handlers=settings.runtime_handlers, app_armor=machine.enforces_app_armor(),
                      user_namespaces=maps_volumes(os.uname().release)))


def _eviction(settings: Settings) -> eviction.Rules:
    return eviction.rules(
        settings.eviction_hard, settings.eviction_soft, settings.eviction_soft_grace_seconds,
        settings.eviction_minimum_reclaim, transition_seconds=settings.eviction_transition_seconds,
        max_pod_grace_seconds=settings.eviction_max_pod_grace_seconds)
