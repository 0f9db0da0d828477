"""What an operator sets about the server, in /etc/edge/server.toml. Unknown keys are errors."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from edge.pki import names


def _network(text: str) -> str:
    ipaddress.IPv4Network(text)
    return text


def _address(text: str) -> str:
    ipaddress.IPv4Address(text)
    return text


def _range(text: str) -> str:
    """Accept an address, a range `a-b`, a network, or `uplink`."""
    if text == "uplink":
        return text
    first, dash, last = text.partition("-")
    if dash:
        if ipaddress.IPv4Address(first.strip()) > ipaddress.IPv4Address(last.strip()):
            raise ValueError("the range ends before it begins")
    else:
        ipaddress.IPv4Network(text, strict=False)
    return text


def _label(text: str) -> str:
    if problem := names.node_name_problem(text):
        raise ValueError(problem.replace("node name", "name"))
    return text


Network = Annotated[str, AfterValidator(_network)]
Address = Annotated[str, AfterValidator(_address)]
Range = Annotated[str, AfterValidator(_range)]
Label = Annotated[str, AfterValidator(_label)]
Port = Annotated[int, Field(ge=1, le=65535)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BusSettings(_Section):
    """The broker the server and all nodes meet at."""

    host: str = ""
    """Name or address of the broker, which its certificate must carry; `advertise_address` when empty."""
    port: Port = 8883
    """TLS port of the broker."""


class NetworkSettings(_Section):
    """Addresses of pods and services; every node gets them from here."""

    pod_cidr: Network = "10.244.0.0/16"
    """Range pods get their addresses from; each node has a /24 of it."""
    service_cidr: Network = "10.96.0.0/12"
    """Range of cluster IPs; the first address is the service `kubernetes`."""
    dns_address: Address = "10.96.0.10"
    """Address of the cluster DNS on every node; lies in service_cidr."""
    domain: str = Field(default="cluster.local", min_length=1)
    """DNS domain of the cluster."""
    load_balancer_addresses: tuple[Range, ...] = ("uplink",)
    """Addresses for services of type LoadBalancer: single ones, ranges `a-b`, networks, or `uplink` for the address the
    master has in the home network, whichever it is at the time."""

    @model_validator(mode="after")
    def _fits_together(self) -> NetworkSettings:
        services, pods = ipaddress.IPv4Network(self.service_cidr), ipaddress.IPv4Network(self.pod_cidr)
        if services.overlaps(pods):
            raise ValueError(f"service_cidr {services} and pod_cidr {pods} overlap")
        if ipaddress.IPv4Address(self.dns_address) not in services:
            raise ValueError(f"dns_address {self.dns_address} is not in service_cidr {services}")
        if pods.prefixlen > 24:
            raise ValueError(f"pod_cidr {pods} is smaller than the /24 of one node")
        return self


class NodesSettings(_Section):
    """When a node counts as gone."""

    grace_seconds: float = Field(default=12.0, gt=0)
    """Seconds without a heartbeat until a node is Unknown; nodes send one every 5 s."""
    eviction_seconds: int = Field(default=10, ge=0)
    """Seconds after that until its pods are replaced elsewhere, unless a pod says otherwise."""


class DiscoverySettings(_Section):
    """Multicast DNS, by which new nodes find the master."""

    enabled: bool = True
    """False announces nothing; nodes then need the master's address in their settings."""
    interfaces: tuple[Address, ...] = ()
    """Addresses of the master on the rack's side; advertise_address when empty. Never the uplink's."""
    uplink: bool = True
    """Announce the master, and services of type LoadBalancer by name, in the home network too. False where the uplink
    leads into a network of strangers."""
    uplink_interface: str = ""
    """The interface to the home network; that of the default route when empty."""


class AuditSettings(_Section):
    """The audit log: who did what through the API."""

    enabled: bool = True
    """False writes nothing."""
    path: str = "/run/edge-server/audit.log"
    """File of one JSON line for each event; in memory by default, to spare the card. Empty writes nothing."""
    max_bytes: int = Field(default=4 * 1024 * 1024, ge=4096)
    """Size at which a new file is begun."""
    files: int = Field(default=2, ge=1, le=100)
    """How many files are kept, the current one included."""
    mutating_only: bool = True
    """False writes down reads too, not only what changes something or was refused."""


class RackSettings(_Section):
    """Where the server and `edge-rack`, which makes the ground as root, leave things for each other."""

    state_dir: Path = Path("/var/lib/edge/rack")
    """Leases, and which DHCP server keeps them; the server reads it."""
    run_dir: Path = Path("/run/edge-rack")
    """What the last look at the wire has found; the server reads it."""
    wishes_dir: Path = Path("/var/lib/edge/server/rack")
    """Reservations and revoked certificates; the server writes it, and a change there starts `edge-rack apply`."""


class ServerSettings(_Section):
    """Everything about the server."""

    data_dir: Path = Path("/var/lib/edge/server")
    """Where the store is kept."""
    pki_dir: Path = Path("/var/lib/edge/pki")
    """Where keys and certificates are, as `edge-rack apply` makes them."""
    listen: str = ""
    """Address the API listens on; every one when empty."""
    port: Port = 6443
    """Port of the API."""
    advertise_address: Address = "10.0.0.1"
    """Address of the master by which nodes and pods reach the API."""
    agent_port: Port = 10250
    """Port the nodes' agents listen on."""
    name: Label = "rack"
    """Name the master announces itself by."""
    names: tuple[str, ...] = ("master",)
    """Further names of the master, for its certificates."""
    bus: BusSettings = BusSettings()
    """The broker."""
    network: NetworkSettings = NetworkSettings()
    """Addresses of pods and services."""
    nodes: NodesSettings = NodesSettings()
    """When a node counts as gone."""
    discovery: DiscoverySettings = DiscoverySettings()
    """How nodes find the master."""
    audit: AuditSettings = AuditSettings()
    """The audit log."""
    rack: RackSettings = RackSettings()
    """The ground `edge-rack` makes."""
    bootstrap_token_file: Path | None = None
    """File with the bootstrap token, `[a-z0-9]{6}.[a-z0-9]{16}`; without it only tokens made by hand let nodes in."""
    history_seconds: int = Field(default=300, ge=10)
    """Seconds between compactions of the store's history."""
    history_revisions: int = Field(default=1_000, ge=100)
    """Revisions a compaction leaves."""
