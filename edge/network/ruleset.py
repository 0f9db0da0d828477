"""Services and host ports -> this node's nftables table, as one script that replaces the table in one transaction.

A packet finds its service in one lookup of a verdict map, however many services there are; the service's chain picks a
backend from a map. The table is the same on every node but for host ports and `externalTrafficPolicy: Local`.
See nft(8) and https://kubernetes.io/docs/reference/networking/virtual-ips/.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge.api import topology
from edge.network.interface import HostPort

TABLE = "edge"
MARK = "0x4000"
"""On packets that came in from outside to a service: their source is translated, so that the answer comes back."""


@dataclass(frozen=True, slots=True)
class _Port:
    """One port of one service, with its backends as seen from this node."""

    service: topology.Service
    port: topology.ServicePort
    local: tuple[tuple[str, int], ...]

    @property
    def protocol(self) -> str:
        return self.port.protocol.lower()

    @property
    def chain(self) -> str:
        return f"svc-{self.service.namespace}/{self.service.name}/{self.protocol}/{self.port.port}"

    @property
    def is_local(self) -> bool:
        return self.service.external_traffic_policy == "Local"

    @property
    def outside_addresses(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.service.external_ips, *self.service.load_balancer_ips)))


def render(services: Iterable[topology.Service], node_name: str, host_ports: Iterable[HostPort] = ()) -> str:
    """Return the nft script. The same input gives the same text, so that an unchanged table is not loaded again."""
    ports = _ports(services, node_name)
    served = [port for port in ports if port.port.backends]
    silent = [port for port in ports if not port.port.backends]
    parts = [
        f"table ip {TABLE} {{}}",
        f"delete table ip {TABLE}",
        f"table ip {TABLE} {{",
        _map("service-ips", "ipv4_addr . inet_proto . inet_service : verdict", _addresses(served)),
        _map("node-ports", "inet_proto . inet_service : verdict",
             _first((f"{p.protocol} . {p.port.node_port}", f"goto {_entry(p)}") for p in served if p.port.node_port)),
        _map("silent-ips", "ipv4_addr . inet_proto . inet_service : verdict",
             _first((f"{address} . {p.protocol} . {p.port.port}", "goto refuse")
                    for p in silent for address in _all_of(p))),
        *_host_ports(tuple(host_ports)),
        _set("hairpins", "ipv4_addr . ipv4_addr",
             sorted({f"{address} . {address}" for p in served for address, _ in p.port.backends})),
        *(chain for port in served for chain in _chains(port)),
        _FIXED.format(mark=MARK),
        "}",
    ]
    return "\n".join(parts) + "\n"


def _host_ports(ports: tuple[HostPort, ...]) -> tuple[str, str]:
    """Return the maps of the ports that are open on every address of the node, and of those that are open on one."""
    everywhere = sorted((f"{port.protocol.lower()} . {port.host_port}", f"{port.address} . {port.port}")
                        for port in ports if not port.host_ip)
    bound = sorted((f"{port.host_ip} . {port.protocol.lower()} . {port.host_port}", f"{port.address} . {port.port}")
                   for port in ports if port.host_ip)
    return (_map("host-ports", "inet_proto . inet_service : ipv4_addr . inet_service", _first(everywhere)),
            _map("bound-host-ports", "ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service", _first(bound)))


def _ports(services: Iterable[topology.Service], node_name: str) -> list[_Port]:
    found = []
    for service in sorted(services, key=lambda service: (service.namespace, service.name)):
        if service.cluster_ip in ("", "None") or service.type == "ExternalName":
            continue
        here = {endpoint.address for endpoint in service.endpoints if endpoint.node == node_name}
        found += [_Port(service, port, tuple(backend for backend in port.backends if backend[0] in here))
                  for port in service.ports]
    return found


def _addresses(ports: list[_Port]) -> list[str]:
    elements: dict[str, str] = {}
    for port in ports:
        elements[f"{port.service.cluster_ip} . {port.protocol} . {port.port.port}"] = port.chain
    for port in ports:
        for address in port.outside_addresses:
            # Two services may claim one outside address and port; the first by name has it, as a stable choice.
            elements.setdefault(f"{address} . {port.protocol} . {port.port.port}", _entry(port))
    return [f"{key} : goto {chain}" for key, chain in elements.items()]


def _first(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Return the elements of a map; of a key that comes twice only the first.

    A port that was freed and given to the next service at once may for a moment be claimed by both, and the kernel
    would refuse the table of all.
    """
    elements: dict[str, str] = {}
    for key, value in pairs:
        elements.setdefault(key, value)
    return [f"{key} : {value}" for key, value in elements.items()]


def _all_of(port: _Port) -> tuple[str, ...]:
    return (port.service.cluster_ip, *port.outside_addresses)


def _entry(port: _Port) -> str:
    """Return the chain for packets from outside."""
    return f"{port.chain}-outside"


def _chains(port: _Port) -> list[str]:
    chains = [_chain(port.chain, [_pick(port, port.port.backends)])]
    if not port.port.node_port and not port.outside_addresses:
        return chains
    if port.is_local:
        body = [_pick(port, port.local)] if port.local else ["drop"]
    else:
        body = [f"meta mark set meta mark or {MARK}", f"goto {port.chain}"]
    return [*chains, _chain(_entry(port), body)]


def _pick(port: _Port, backends: tuple[tuple[str, int], ...]) -> str:
    """Return the rule that sends a connection to one of the backends: at random, or by the client's address."""
    chooser = "jhash ip saddr" if port.service.session_affinity_seconds else "numgen random"
    choices = ", ".join(f"{number} : {address} . {number_of_port}"
                        for number, (address, number_of_port) in enumerate(sorted(backends)))
    return f"meta l4proto {port.protocol} dnat ip to {chooser} mod {len(backends)} map {{ {choices} }}"


def _chain(name: str, rules: list[str]) -> str:
    return "\n".join((f"  chain {name} {{", *(f"    {rule}" for rule in rules), "  }"))


def _map(name: str, types: str, elements: list[str]) -> str:
    return _container("map", name, types, elements)


def _set(name: str, types: str, elements: list[str]) -> str:
    return _container("set", name, types, elements)


def _container(keyword: str, name: str, types: str, elements: list[str]) -> str:
    lines = [f"  {keyword} {name} {{", f"    type {types}"]
    if elements:
        lines.append(f"    elements = {{ {', '.join(elements)} }}")
    return "\n".join((*lines, "  }"))


_FIXED = """  chain refuse {{
    reject
  }}
  chain services {{
    ip daddr . meta l4proto . th dport vmap @service-ips
    ip daddr != 127.0.0.0/8 fib daddr type local meta l4proto . th dport vmap @node-ports
    ip daddr != 127.0.0.0/8 fib daddr type local dnat ip to ip daddr . meta l4proto . th dport map @bound-host-ports
    ip daddr != 127.0.0.0/8 fib daddr type local dnat ip to meta l4proto . th dport map @host-ports
  }}
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    jump services
  }}
  chain output {{
    type nat hook output priority -100; policy accept;
    jump services
  }}
  chain forward {{
    type filter hook forward priority -10; policy accept;
    ct state new ip daddr . meta l4proto . th dport vmap @silent-ips
  }}
  chain local-output {{
    type filter hook output priority -10; policy accept;
    ct state new ip daddr . meta l4proto . th dport vmap @silent-ips
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    meta mark and {mark} != 0 masquerade
    oifname != "lo" ip saddr . ip daddr @hairpins masquerade
  }}"""
