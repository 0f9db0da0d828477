"""`/etc/edge/rack.toml`: what a person decides about the rack's own ground."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from edge.dhcp import macs

Interface = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,14}$")]
"""A name the kernel gives an interface, and nothing that would mean more in the files it is written into."""
User = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
Manager = Literal["auto", "NetworkManager", "systemd-networkd", "ifupdown", "none"]


def _no_line_breaks(value: str) -> str:
    if any(not character.isprintable() for character in value):
        raise ValueError("holds a character that cannot be printed")
    return value


Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Domain = Annotated[str, StringConstraints(
    max_length=200, pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$")]
Line = Annotated[str, AfterValidator(_no_line_breaks)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ReservationSettings(_Strict):
    """An address that is kept for one machine."""

    address: IPv4Address
    mac: str = ""
    """Hardware address of its wired interface."""
    serial: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{0,64}$")] = ""
    """Serial number of the board, instead of `mac`."""
    name: Label | Literal[""] = ""
    """Host name it gets."""

    @model_validator(mode="after")
    def _names_a_machine(self) -> ReservationSettings:
        if bool(self.mac) == bool(self.serial):
            raise ValueError(f"the reservation of {self.address} needs a mac or a serial, and not both")
        if self.mac and not macs.normal(self.mac):
            raise ValueError(f"{self.mac!r} is no hardware address of a machine: write it as b8:27:eb:00:00:01")
        return self


class Dhcp(_Strict):
    """What the DHCP server hands out on the rack's switch."""

    server: Literal["dnsmasq", "isc-dhcp-server", "kea"] = "dnsmasq"
    """Which server leases addresses; dnsmasq answers names in any case."""
    first: IPv4Address = IPv4Address("10.0.0.2")
    """First address leased; never the master's own."""
    last: IPv4Address = IPv4Address("10.0.0.254")
    lease_seconds: int = Field(default=7200, ge=120, le=31536000)
    """How long an address is leased to a machine that asks for no time. Each machine renews at half of it, and each
    renewal is a write to the card: for four machines some 8 MB a day with 600 s, and less than 1 MB with 7200 s."""
    max_lease_seconds: int = Field(default=7200, ge=120, le=31536000)
    """The most a machine gets that asks for more (dnsmasq: never more than `lease_seconds`)."""
    domain: Domain = "cluster.home"
    in_order: int = Field(default=8, ge=0, le=64)
    """So many addresses from `first` on are leased one after the other, as machines come; of the rest, a machine's
    follows from its hardware address. 0 is quickest where a hundred new machines are switched on in the same second.
    isc-dhcp-server and kea lease all of them in order."""
    ping_check: bool | Literal["auto"] = "auto"
    """Ping an address before it is offered, so that a machine with a static address is not disturbed. `auto`: where
    one machine's check does not hold up the others, which is isc-dhcp-server."""
    upstream_dns: tuple[IPv4Address, ...] = ()
    """Name servers of the home network; empty: those in the master's /etc/resolv.conf."""
    reservations: tuple[ReservationSettings, ...] = ()
    """Addresses that are kept for a machine."""

    @model_validator(mode="after")
    def _reservations_are_apart(self) -> Dhcp:
        for what in ("address", "mac", "serial", "name"):
            values = [str(getattr(one, what)).lower() for one in self.reservations if getattr(one, what)]
            if twice := next((value for value in values if values.count(value) > 1), ""):
                raise ValueError(f"two reservations have the {what} {twice}")
        return self


class Rack(_Strict):
    """The rack as the master owns it."""

    address: IPv4Interface = IPv4Interface("10.0.0.1/24")
    """The master's address on the rack's switch."""
    interface: Interface = "eth0"
    """The interface on the switch."""
    uplink: Interface | Literal["", "auto"] = "auto"
    """The interface to the home network. `auto`: any but the rack's own, so that one that appears later works."""
    manager: Manager = "auto"
    """Who keeps the address of `interface`; `auto`: whoever manages it now. `none`: edge-rack itself, at each boot."""
    resolve_names: bool = True
    """The master itself asks the rack's name server, so that `ssh node-1` works on it."""
    serve_time: bool = True
    """Chrony on the master tells the workers the time, with or without internet."""
    wifi_power_save: bool = False
    """Leave the power save of a wireless uplink on: it saves 0.2 W and costs reachability."""
    portal_check: Line = "http://network-test.debian.org/nm"
    """A page that `edge-rack check` fetches to tell a captive portal from the internet; empty: it does not ask."""
    pod_network: IPv4Network = IPv4Network("10.244.0.0/16")
    service_network: IPv4Network = IPv4Network("10.96.0.0/12")
    master_name: Label = "master"
    names: tuple[Line, ...] = ()
    """Further names and addresses the API is reached by; they go into its certificate."""
    dhcp: Dhcp = Dhcp()
    bus_port: int = 8883
    broker_user: User = "mosquitto"
    """The user Mosquitto runs as; it must be able to read its key."""
    server_user: User = "edge"
    """The user edge-server runs as; the keys in `pki_dir` but the broker's are its own."""
    pki_dir: Path = Path("/var/lib/edge/pki")
    state_dir: Path = Path("/var/lib/edge/rack")
    """Leases, which outlive a restart, and what the server has to know of the ground."""
    run_dir: Path = Path("/run/edge-rack")
    """What the last look at the wire has found."""
    wishes_dir: Path = Path("/var/lib/edge/server/rack")
    """What the server wishes of the ground: reservations and revoked certificates."""
    config_dir: Path = Path("/etc/edge/rack")
    """Rendered files for the DHCP server, the broker and nftables."""
    etc_dir: Path = Path("/etc")
    """Where the machine's own programs (NetworkManager, sysctl, chrony) look for what is added to their settings."""

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

    @model_validator(mode="after")
    def _networks_are_apart(self) -> Rack:
        networks = (("address", self.address.network), ("pod_network", self.pod_network),
                    ("service_network", self.service_network))
        for name, network in networks:
            for other_name, other in networks:
                if name < other_name and network.overlaps(other):
                    raise ValueError(f"{name} {network} and {other_name} {other} overlap")
        if self.address.network.num_addresses < 4 or self.address.ip in (
                self.address.network.network_address, self.address.network.broadcast_address):
            raise ValueError(f"address {self.address} is no machine's address in its network: write it as 10.0.0.1/24")
        return self

    @property
    def uplink_name(self) -> str:
        """The interface to the home network, empty when it is whichever leads there."""
        return "" if self.uplink == "auto" else self.uplink
