"""Services and their endpoints -> DNS records, by Kubernetes' schema.

https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/ : A for services, headless services and their
named pods, SRV for named ports, PTR for addresses, CNAME for ExternalName.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from edge.api import topology
from edge.network import packets
from edge.network.packets import Answer, Query, Record

TTL_SECONDS = 5
"""As in Kubernetes: names follow the endpoints within seconds."""


@dataclass(frozen=True, slots=True)
class Zone:
    """Everything the cluster's name server knows. Built anew when services change; looking up is one dict access."""

    domain: str
    records: dict[str, tuple[Record, ...]] = field(default_factory=dict)
    """By name. A name with an empty tuple exists without records of its own (`svc.cluster.local`)."""

    def answer(self, query: Query) -> Answer | None:
        """Return the answer, or None when the name is not ours and has to be asked elsewhere."""
        found = self.records.get(query.name)
        if found is None:
            found = self._pod_address(query.name)
        if found is None:
            return Answer(packets.NXDOMAIN, authority=(self._soa(),)) if self._is_ours(query.name) else None
        wanted = tuple(r for r in found if r.type in (query.type, packets.CNAME) or query.type == packets.ANY)
        if not wanted:
            return Answer(authority=(self._soa(),))
        extra = tuple(address for record in wanted if record.type == packets.SRV and isinstance(record.data, tuple)
                      for address in self.records.get(str(record.data[3]), ()) if address.type == packets.A)
        return Answer(records=wanted, additional=extra)

    def _is_ours(self, name: str) -> bool:
        return name == self.domain or name.endswith(f".{self.domain}")

    def _pod_address(self, name: str) -> tuple[Record, ...] | None:
        """Return the record of `10-244-1-5.default.pod.cluster.local`, which holds for any address."""
        label, _, rest = name.partition(".")
        namespace, _, rest = rest.partition(".")
        if rest != f"pod.{self.domain}" or not namespace:
            return None
        try:
            address = str(IPv4Address(label.replace("-", ".")))
        except ValueError:
            return None
        return (Record(name, packets.A, TTL_SECONDS, address),)

    def _soa(self) -> Record:
        data = (f"ns.dns.{self.domain}", f"hostmaster.{self.domain}", 1, 7200, 1800, 86400, TTL_SECONDS)
        return Record(self.domain, packets.SOA, TTL_SECONDS, data)


def build(services: Iterable[topology.Service], cluster: topology.Cluster) -> Zone:
    """Return the zone of the cluster's services."""
    domain = cluster.domain
    records: dict[str, list[Record]] = {domain: [], f"svc.{domain}": [], f"pod.{domain}": [], f"ns.dns.{domain}": [
        Record(f"ns.dns.{domain}", packets.A, TTL_SECONDS, cluster.dns_address)]}
    for service in services:
        base = f"{service.name}.{service.namespace}.svc.{domain}"
        records.setdefault(f"{service.namespace}.svc.{domain}", [])
        if service.type == "ExternalName":
            _add(records, base, packets.CNAME, service.external_name.rstrip(".").lower())
        elif service.cluster_ip == "None":
            _headless(records, service, base)
        elif service.cluster_ip:
            _add(records, base, packets.A, service.cluster_ip)
            _add(records, _reverse(service.cluster_ip), packets.PTR, base)
            for port in service.ports:
                _add_port(records, base, port, base)
    return Zone(domain, {name: tuple(dict.fromkeys(found)) for name, found in records.items()})


def _headless(records: dict[str, list[Record]], service: topology.Service, base: str) -> None:
    records.setdefault(base, [])
    for endpoint in service.endpoints:
        if not endpoint.ready and not service.publish_not_ready:
            continue
        label = endpoint.hostname or endpoint.address.replace(".", "-")
        name = f"{label}.{base}"
        _add(records, base, packets.A, endpoint.address)
        _add(records, name, packets.A, endpoint.address)
        if endpoint.hostname:
            _add(records, _reverse(endpoint.address), packets.PTR, name)
        for port in service.ports:
            _add_port(records, base, port, name)


def _add_port(records: dict[str, list[Record]], base: str, port: topology.ServicePort, target: str) -> None:
    if port.name:
        name = f"_{port.name}._{port.protocol.lower()}.{base}"
        records.setdefault(f"_{port.protocol.lower()}.{base}", [])
        records.setdefault(name, []).append(Record(name, packets.SRV, TTL_SECONDS, (0, 100, port.port, target)))


def _add(records: dict[str, list[Record]], name: str, kind: int, data: str) -> None:
    records.setdefault(name, []).append(Record(name, kind, TTL_SECONDS, data))


def _reverse(address: str) -> str:
    return IPv4Address(address).reverse_pointer
