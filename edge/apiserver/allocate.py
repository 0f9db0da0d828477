"""Gives services their cluster IPs and node ports: pure over the set that is in use.

As in Kubernetes, the lower band of each range is left to people who choose addresses themselves.
https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from edge.api import core, errors

SERVICE_NETWORK = ipaddress.IPv4Network("10.96.0.0/12")
RESERVED_ADDRESSES = frozenset({"10.96.0.1", "10.96.0.10"})
"""The API server's and the cluster DNS's; only given when asked for by name."""
FIRST_NODE_PORT, LAST_NODE_PORT = 30000, 32767
_STATIC_ADDRESSES = 256
_STATIC_PORTS = 86
_NODE_PORT_TYPES = ("NodePort", "LoadBalancer")


@dataclass(frozen=True, slots=True)
class Used:
    """What other services have."""

    addresses: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset()


def used(services: Iterable[core.Service]) -> Used:
    """Return the addresses and node ports of the services."""
    addresses: set[str] = set()
    ports: set[int] = set()
    for service in services:
        if service.spec.cluster_ip not in ("", "None"):
            addresses.add(service.spec.cluster_ip)
        ports.update(port.node_port for port in service.spec.ports if port.node_port)
    return Used(frozenset(addresses), frozenset(ports))


def allocate(service: core.Service, others: Used) -> core.Service:
    """Return the service with its cluster IP and node ports.

    Raises:
        errors.Invalid: when it asks for one that is taken or out of range, or none is left.
    """
    return _node_ports(_address(service, others), others)


def _address(service: core.Service, others: Used) -> core.Service:
    spec = service.spec
    if spec.type == "ExternalName":
        return msgspec.structs.replace(service, spec=msgspec.structs.replace(
            spec, cluster_ip="", cluster_ips=(), ip_families=(), ip_family_policy=""))
    _check_families(service)
    wanted = spec.cluster_ip or (spec.cluster_ips[0] if spec.cluster_ips else "")
    if wanted not in ("", "None"):
        _check_address(service, wanted, others)
    chosen = wanted or _free_address(service, others)
    return msgspec.structs.replace(service, spec=msgspec.structs.replace(
        spec, cluster_ip=chosen, cluster_ips=(chosen,), ip_families=spec.ip_families or ("IPv4",),
        ip_family_policy=spec.ip_family_policy or "SingleStack"))


def _check_families(service: core.Service) -> None:
    """Refuse what only a cluster with IPv6 could give."""
    if service.spec.ip_family_policy == "RequireDualStack":
        raise _invalid(service, "spec.ipFamilyPolicy", 'Invalid value: "RequireDualStack": this cluster is not '
                                                       "configured for dual-stack services")
    for index, family in enumerate(service.spec.ip_families):
        if family != "IPv4":
            raise _invalid(service, f"spec.ipFamilies[{index}]",
                           f'Invalid value: "{family}": not configured on this cluster')


def _check_address(service: core.Service, wanted: str, others: Used) -> None:
    try:
        inside = ipaddress.IPv4Address(wanted) in SERVICE_NETWORK
    except ValueError:
        inside = False
    why = ""
    if not inside:
        why = f"provided IP is not in the valid range. The range of valid IPs is {SERVICE_NETWORK}"
    elif wanted in others.addresses:
        why = "provided IP is already allocated"
    if why:
        raise _invalid(service, "spec.clusterIPs",
                       f'Invalid value: []string{{"{wanted}"}}: failed to allocate IP {wanted}: {why}')


def _free_address(service: core.Service, others: Used) -> str:
    first = int(SERVICE_NETWORK.network_address)
    size = SERVICE_NETWORK.num_addresses
    for offset in itertools.chain(range(_STATIC_ADDRESSES, size - 1), range(1, _STATIC_ADDRESSES)):
        address = str(ipaddress.IPv4Address(first + offset))
        if address not in others.addresses and address not in RESERVED_ADDRESSES:
            return address
    raise _invalid(service, "spec.clusterIPs", "Invalid value: []string(nil): failed to allocate an IP: range is full")


def _node_ports(service: core.Service, others: Used) -> core.Service:
    spec = service.spec
    if spec.type not in _NODE_PORT_TYPES:
        return _with_ports(service, [msgspec.structs.replace(port, node_port=0) for port in spec.ports])
    for index, port in enumerate(spec.ports):
        if port.node_port:
            _check_port(service, index, port.node_port, others)
    if spec.type == "LoadBalancer" and spec.allocate_load_balancer_node_ports is False:
        return service
    taken = set(others.ports) | {port.node_port for port in spec.ports if port.node_port}
    ports: list[core.ServicePort] = []
    by_number: dict[int, int] = {}
    for port in spec.ports:
        # The same port over TCP and UDP shares one node port.
        number = port.node_port or by_number.get(port.port) or _free_port(service, taken)
        taken.add(number)
        by_number.setdefault(port.port, number)
        ports.append(msgspec.structs.replace(port, node_port=number))
    return _with_ports(service, ports)


def _with_ports(service: core.Service, ports: list[core.ServicePort]) -> core.Service:
    return msgspec.structs.replace(service, spec=msgspec.structs.replace(service.spec, ports=tuple(ports)))


def _check_port(service: core.Service, index: int, wanted: int, others: Used) -> None:
    why = ""
    if not FIRST_NODE_PORT <= wanted <= LAST_NODE_PORT:
        why = ("provided port is not in the valid range. The range of valid ports is "
               f"{FIRST_NODE_PORT}-{LAST_NODE_PORT}")
    elif wanted in others.ports:
        why = "provided port is already allocated"
    if why:
        raise _invalid(service, f"spec.ports[{index}].nodePort", f"Invalid value: {wanted}: {why}")


def _free_port(service: core.Service, taken: set[int]) -> int:
    first: int = FIRST_NODE_PORT + _STATIC_PORTS
    for number in itertools.chain(range(first, LAST_NODE_PORT + 1), range(FIRST_NODE_PORT, first)):
        if number not in taken:
            return number
    raise _invalid(service, "spec.ports[0].nodePort", "Invalid value: 0: failed to allocate a nodePort: range is full")


def _invalid(service: core.Service, field: str, message: str) -> errors.Invalid:
    cause = errors.Cause(reason="FieldValueInvalid", field=field, message=message)
    return errors.invalid("", "Service", service.metadata.name, (cause,))
