"""Turns Services, EndpointSlices and Nodes into what every node must know of the others.

Every node makes its routes and packet rules of this, all in one transaction: what one node says of itself, or somebody
wrote into a status, must not spoil them. Addresses that are no IPv4 addresses are left out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from edge.api import core, discovery, topology

SERVICE_LABEL = "kubernetes.io/service-name"
_AFFINITY_SECONDS = 10800


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The settings all nodes share."""

    pod_cidr: str = "10.244.0.0/16"
    service_cidr: str = "10.96.0.0/12"
    dns_address: str = "10.96.0.10"
    domain: str = "cluster.local"


@dataclass(frozen=True, slots=True)
class _Backend:
    """One address behind one named port."""

    port_name: str
    protocol: str
    address: str
    port: int
    ready: bool


def service(source: core.Service, slices: Iterable[discovery.EndpointSlice],
            endpoints: core.Endpoints | None = None) -> topology.Service:
    """Return the service with its backends: from its slices, or from Endpoints kept by hand where it has none."""
    slices = tuple(slices)
    backends, members = _of_slices(slices) if slices or endpoints is None else _of_endpoints(endpoints)
    spec = source.spec
    every = spec.publish_not_ready_addresses
    ports = tuple(topology.ServicePort(
        name=port.name, protocol=port.protocol or "TCP", port=port.port, node_port=port.node_port,
        app_protocol=port.app_protocol,
        backends=tuple(sorted({(b.address, b.port) for b in backends if (b.ready or every)
                               and b.port_name == port.name and b.protocol == (port.protocol or "TCP")})))
        for port in spec.ports)
    return topology.Service(
        namespace=source.metadata.namespace, name=source.metadata.name, type=spec.type or "ClusterIP",
        cluster_ip=spec.cluster_ip if spec.cluster_ip == "None" or is_address(spec.cluster_ip) else "",
        external_name=spec.external_name,
        external_ips=tuple(address for address in spec.external_ips if is_address(address)),
        load_balancer_ips=tuple(entry.ip for entry in source.status.load_balancer.ingress if is_address(entry.ip)),
        session_affinity_seconds=_affinity_seconds(spec),
        external_traffic_policy=spec.external_traffic_policy or "Cluster", publish_not_ready=every, ports=ports,
        endpoints=tuple(sorted(members, key=lambda member: (member.address, member.hostname))))


def cluster(nodes: Iterable[core.Node], network: Network) -> topology.Cluster:
    """Return all nodes that have an address or a pod range, and the shared settings."""
    known = (topology.Node(name=node.metadata.name, address=internal_address(node),
                           pod_cidr=node.spec.pod_cidr if _is_network(node.spec.pod_cidr) else "") for node in nodes)
    return topology.Cluster(nodes=tuple(sorted(known, key=lambda node: node.name)), pod_cidr=network.pod_cidr,
                            service_cidr=network.service_cidr, dns_address=network.dns_address, domain=network.domain)


def internal_address(node: core.Node) -> str:
    """Return the node's address on the rack's own network, or ""."""
    return next((entry.address for entry in node.status.addresses
                 if entry.type == "InternalIP" and is_address(entry.address)), "")


def is_address(text: str) -> bool:
    """Return whether the text is an IPv4 address."""
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _is_network(text: str) -> bool:
    try:
        ipaddress.IPv4Network(text)
    except ValueError:
        return False
    return True


def _affinity_seconds(spec: core.ServiceSpec) -> int:
    if spec.session_affinity != "ClientIP":
        return 0
    config = spec.session_affinity_config
    if config is None or config.client_ip is None or config.client_ip.timeout_seconds is None:
        return _AFFINITY_SECONDS
    return config.client_ip.timeout_seconds


def _of_slices(slices: Iterable[discovery.EndpointSlice]) -> tuple[list[_Backend], set[topology.Endpoint]]:
    backends: list[_Backend] = []
    members: set[topology.Endpoint] = set()
    for piece in slices:
        for endpoint in piece.endpoints:
            if not endpoint.addresses or not is_address(endpoint.addresses[0]):
                continue
            ready = endpoint.conditions.ready is not False  # absent counts as ready
            address = endpoint.addresses[0]
            members.add(topology.Endpoint(address=address, hostname=endpoint.hostname, node=endpoint.node_name,
                                          ready=ready))
            backends += [_Backend(port.name, port.protocol or "TCP", address, port.port, ready)
                         for port in piece.ports if port.port is not None]
    return backends, members


def _of_endpoints(endpoints: core.Endpoints) -> tuple[list[_Backend], set[topology.Endpoint]]:
    backends: list[_Backend] = []
    members: set[topology.Endpoint] = set()
    for subset in endpoints.subsets:
        for ready, addresses in ((True, subset.addresses), (False, subset.not_ready_addresses)):
            for entry in addresses:
                if not is_address(entry.ip):
                    continue
                members.add(topology.Endpoint(address=entry.ip, hostname=entry.hostname, node=entry.node_name,
                                              ready=ready))
                backends += [_Backend(port.name, port.protocol or "TCP", entry.ip, port.port, ready)
                             for port in subset.ports]
    return backends, members
