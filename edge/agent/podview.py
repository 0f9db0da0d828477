"""What a pod looks like to those who ask this node for its logs, a shell or a port; and its ports on the node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from edge.agent.streams_directory import ContainerView, PodView
from edge.agent.surroundings import Surroundings
from edge.agent.view import View
from edge.api import core
from edge.bus import messages
from edge.network.interface import HostPort, Sandbox
from edge.runtime.containers import Container, State


def pod_view(desired: messages.DesiredPod, told: core.PodStatus, containers: tuple[Container, ...],
             around: Surroundings, address: str, now: datetime) -> PodView:
    """Return the pod, last reported as `told`, with the newest container of each name."""
    pod = desired.pod
    uid = pod.metadata.uid
    seen = View(uid=uid, desired=desired, deleting=False, around=around, containers=containers, now=now, monotonic=0.0)
    waiting = {status.name: status.state.waiting.reason
               for status in (*told.init_container_statuses, *told.container_statuses) if status.state.waiting}
    shown = {}
    for spec in (*pod.spec.init_containers, *pod.spec.containers):
        latest, reason = seen.latest(spec.name), waiting.get(spec.name, "")
        shown[spec.name] = ContainerView(waiting=reason) if latest is None else ContainerView(
            id=latest.id, attempt=latest.attempt, running=latest.state is State.RUNNING, tty=bool(spec.tty),
            backing_off=bool(reason) and latest.state is State.EXITED, waiting=reason)
    return PodView(namespace=pod.metadata.namespace, name=pod.metadata.name, uid=uid, address=address,
                   log_dir=around.pod_log_dir(pod.metadata.namespace, pod.metadata.name, uid), containers=shown)


def host_ports(pods: Mapping[str, core.Pod], sandboxes: Iterable[Sandbox]) -> tuple[HostPort, ...]:
    """Return the ports of the node that lead into its pods, in a stable order. `pods` are by uid."""
    found = {HostPort(port.host_port, port.protocol or "TCP", sandbox.address, port.container_port)
             for sandbox in sandboxes if sandbox.pod_uid in pods
             for container in pods[sandbox.pod_uid].spec.containers for port in container.ports if port.host_port}
    return tuple(sorted(found, key=lambda each: (each.host_port, each.protocol, each.address)))
