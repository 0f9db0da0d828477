"""`/etc/edge/rack.toml`: what a person decides about the rack's own ground."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Dhcp(_Strict):
    """What the DHCP server hands out on the rack's switch."""

    first: IPv4Address = IPv4Address("10.0.0.2")
    """First address leased; never the master's own."""
    last: IPv4Address = IPv4Address("10.0.0.254")
    lease_seconds: int = Field(default=7200, ge=120)
    domain: str = "cluster.home"
    ping_check: bool = True
    """Ping an address before it is offered, so that a machine with a static address is not disturbed."""
    upstream_dns: tuple[IPv4Address, ...] = ()
    """Name servers of the home network; empty: those in the master's /etc/resolv.conf."""


class Rack(_Strict):
    """The rack as the master owns it."""

    address: IPv4Interface = IPv4Interface("10.0.0.1/24")
    """The master's address on the rack's switch."""
    interface: str = "eth0"
    """The interface on the switch."""
    uplink: str = "wlan0"
    """The interface to the home network."""
    pod_network: IPv4Network = IPv4Network("10.244.0.0/16")
    service_network: IPv4Network = IPv4Network("10.96.0.0/12")
    master_name: str = "master"
    names: tuple[str, ...] = ()
    """Further names and addresses the API is reached by; they go into its certificate."""
    dhcp: Dhcp = Dhcp()
    bus_port: int = 8883
    broker_user: str = "mosquitto"
    """The user Mosquitto runs as; it must be able to read its key."""
    server_user: str = "edge"
    """The user edge-server runs as; the keys in `pki_dir` but the broker's are its own."""
    pki_dir: Path = Path("/var/lib/edge/pki")
    state_dir: Path = Path("/var/lib/edge/rack")
    """Leases, which outlive a restart, and what the server has to know of the ground."""
    run_dir: Path = Path("/run/edge-rack")
    """What the last look at the wire has found."""
    wishes_dir: Path = Path("/var/lib/edge/server/rack")
    """What the server wishes of the ground: reservations and revoked keys."""
    config_dir: Path = Path("/etc/edge/rack")
    """Rendered files for the DHCP server, the broker and nftables."""

    @model_validator(mode="after")
    def _addresses_fit(self) -> Rack:
        network = self.address.network
        for name, address in (("dhcp.first", self.dhcp.first), ("dhcp.last", self.dhcp.last)):
            if address not in network:
                raise ValueError(f"{name} {address} is not in the rack's network {network}")
        if self.dhcp.first > self.dhcp.last:
            raise ValueError(f"dhcp.first {self.dhcp.first} comes after dhcp.last {self.dhcp.last}")
        if self.dhcp.first <= self.address.ip <= self.dhcp.last:
            raise ValueError(f"the DHCP range {self.dhcp.first} to {self.dhcp.last} includes the master's own address "
                             f"{self.address.ip}")
        if self.interface == self.uplink:
            raise ValueError("interface and uplink are the same")
        return self
