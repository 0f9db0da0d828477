"""What a pod looks like to those who ask this node for its logs, a shell or a port; and its ports on the node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from ipaddress import IPv4Address

from edge.agent.streams_directory import ContainerView, PodView
from edge.agent.surroundings import Surroundings
from edge.agent.view import View, is_sidecar
from edge.api import core
from edge.bus import messages
from edge.network.interface import HostPort, Sandbox
from edge.runtime.containers import Container, State

NOWHERE = "192.0.0.8"
"""An address that no packet is sent to (RFC 7600)."""


def pod_view(desired: messages.DesiredPod, told: core.PodStatus, containers: tuple[Container, ...],
             around: Surroundings, address: str, now: datetime, netns_path: str = "") -> PodView:
    """Return the pod, last reported as `told`, with the newest container of each name."""
    pod = desired.pod
    uid = pod.metadata.uid
    seen = View(uid=uid, desired=desired, deleting=False, around=around, containers=containers, now=now, monotonic=0.0)
    waiting = {status.name: status.state.waiting.reason
               for status in (*told.init_container_statuses, *told.container_statuses,
                              *told.ephemeral_container_statuses) if status.state.waiting}
    shown = {}
    for spec in (*pod.spec.init_containers, *pod.spec.containers, *pod.spec.ephemeral_containers):
        # One that is made and was not started has no log yet: then the attempt before is the last there was.
        latest = next((each for each in seen.attempts(spec.name) if each.state is not State.CREATED), None)
        reason = waiting.get(spec.name, "")
        shown[spec.name] = ContainerView(waiting=reason) if latest is None else ContainerView(
            id=latest.id, attempt=latest.attempt, running=latest.state is State.RUNNING, tty=bool(spec.tty),
            backing_off=latest.state is State.EXITED and (bool(reason) or latest is not seen.latest(spec.name)),
            waiting=reason)
    return PodView(namespace=pod.metadata.namespace, name=pod.metadata.name, uid=uid, address=address,
                   netns_path=netns_path,
                   log_dir=around.pod_log_dir(pod.metadata.namespace, pod.metadata.name, uid),
                   log_memory_dir=f"{around.log_links}/{uid}", containers=shown)


def host_ports(pods: Mapping[str, core.Pod], sandboxes: Iterable[Sandbox]) -> tuple[HostPort, ...]:
    """Return the ports of the node that lead into its pods, in a stable order. `pods` are by uid."""
    found = {HostPort(port.host_port, port.protocol or "TCP", sandbox.address, port.container_port,
                      _bound(port.host_ip))
             for sandbox in sandboxes if sandbox.pod_uid in pods
             for container in _with_ports(pods[sandbox.pod_uid].spec) for port in container.ports if port.host_port}
    return tuple(sorted(found, key=lambda each: (each.host_port, each.protocol, each.host_ip, each.address)))


def _bound(host_ip: str) -> str:
    """Return the address of the node a port is open on, empty for all of them.

    What is no IPv4 address of a rack is an address that no packet has, so that the port is open for nobody.
    """
    try:
        return "" if host_ip in ("", "::") or IPv4Address(host_ip).is_unspecified else host_ip
    except ValueError:
        return NOWHERE


def _with_ports(spec: core.PodSpec) -> tuple[core.Container, ...]:
    """Return the containers that run for as long as the pod."""
    return *(each for each in spec.init_containers if is_sidecar(each)), *spec.containers
