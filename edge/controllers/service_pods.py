"""Which pods stand behind a service, at which addresses and ports; what Endpoints and EndpointSlices are made from.

https://kubernetes.io/docs/concepts/services-networking/service/
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge.api import core, meta
from edge.controllers import interface, pods


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """A port of the service as one pod serves it."""

    name: str
    port: int
    protocol: str
    app_protocol: str = ""


@dataclass(frozen=True, slots=True)
class Backend:
    """A pod behind a service."""

    pod: core.Pod
    ports: tuple[Port, ...]
    ready: bool
    """Traffic may be sent there."""
    serving: bool
    terminating: bool
    hostname: str

    @property
    def address(self) -> str:
        """Return the pod's first address."""
        return self.pod.status.pod_ip

    @property
    def reference(self) -> meta.ObjectReference:
        """Return the reference to the pod, as endpoints carry it."""
        m = self.pod.metadata
        return meta.ObjectReference(kind="Pod", namespace=m.namespace, name=m.name, uid=m.uid)


def backends(service: core.Service, view: interface.View) -> tuple[Backend, ...]:
    """Return the pods the service selects that have an address, ordered by it; finished ones are left out."""
    chosen = service.spec.selector.items()
    found = [_backend(service, pod) for pod in view.all(core.Pod, service.metadata.namespace)
             if chosen <= pod.metadata.labels.items() and pod.status.pod_ip and not pods.is_finished(pod)]
    return tuple(sorted(found, key=lambda b: (_numeric(b.address), b.pod.metadata.name)))


def services_of(pod: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    """Return the keys of the services that select a pod."""
    return tuple(interface.key_of(service) for service in view.all(core.Service, pod.metadata.namespace)
                 if service.spec.selector and service.spec.selector.items() <= pod.metadata.labels.items())


def is_headless(service: core.Service) -> bool:
    """Tell whether the service has no address of its own."""
    return service.spec.cluster_ip == "None"


def _backend(service: core.Service, pod: core.Pod) -> Backend:
    terminating = pod.metadata.deletion_timestamp is not None
    serving = pods.is_ready(pod)
    named = pod.spec.hostname if pod.spec.hostname and pod.spec.subdomain == service.metadata.name else ""
    return Backend(pod=pod, ports=_ports(service, pod), serving=serving, terminating=terminating, hostname=named,
                   ready=service.spec.publish_not_ready_addresses or (serving and not terminating))


def _ports(service: core.Service, pod: core.Pod) -> tuple[Port, ...]:
    """Return the ports this pod serves; a named target port it does not have is left out."""
    ports: list[Port] = []
    for port in service.spec.ports:
        protocol = port.protocol or "TCP"
        number = _target(port, protocol, pod)
        if number:
            ports.append(Port(port.name, number, protocol, port.app_protocol))
    return tuple(ports)


def _target(port: core.ServicePort, protocol: str, pod: core.Pod) -> int:
    target = port.target_port
    if target is None or target in ("", 0):
        return port.port
    if isinstance(target, int):
        return target
    for container in (*pod.spec.containers, *pod.spec.init_containers):
        for offered in container.ports:
            if offered.name == target and (offered.protocol or "TCP") == protocol:
                return offered.container_port
    return 0


def _numeric(address: str) -> tuple[object, ...]:
    parts = address.split(".")
    return (0, *(int(part) for part in parts)) if all(part.isdigit() for part in parts) else (1, address)
