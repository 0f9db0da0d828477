"""What is true of the machine before anything is done to it: one value, gathered at once, that every decision takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Interface

from edge.dhcp.ground import Ground
from edge.dhcp.model import Lease

PODS = "edge0"
"""The bridge of this node's pods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A network interface."""

    name: str
    carrier: bool = True
    """A cable is plugged in and somebody is at its other end; or the radio is associated."""
    wireless: bool = False
    addresses: tuple[IPv4Interface, ...] = ()
    strict_reverse_path: bool = False
    """rp_filter is 1: packets are dropped that came in another way than their answer would go."""
    power_save: bool | None = None
    """Of a wireless one; None where nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultRoute:
    """A way to everywhere."""

    interface: str
    gateway: str = ""
    metric: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Every packet rule of this machine, in three words."""

    nft: str = ""
    """In nft's JSON."""
    iptables: str = ""
    """The filter table of iptables in nftables, as iptables-nft-save writes it."""
    iptables_legacy: str = ""
    """That of iptables-legacy, likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The machine, as it was found."""

    systemd: bool = False
    active: frozenset[str] = frozenset()
    """systemd units that are active, of those asked about."""
    enabled: frozenset[str] = frozenset()
    """Likewise, that are started at each boot."""
    programs: frozenset[str] = frozenset()
    """Programs that are installed, of those asked about."""
    links: Mapping[str, Link] = field(default_factory=dict)
    default_routes: tuple[DefaultRoute, ...] = ()
    forwards: bool = False
    """net.ipv4.ip_forward."""
    table: str | None = None
    """Our packet rules as the kernel has them, in nft's JSON; None: there are none."""
    loaded: str = ""
    """Likewise, as they were right after they were loaded."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Settings of the machine's own programs, by path below /etc."""
    network_manager: Mapping[str, str] = field(default_factory=dict)
    """Device -> state, as NetworkManager sees it."""
    networkd: Mapping[str, str] = field(default_factory=dict)
    """Link -> path of the .network file that systemd-networkd applies to it."""
    rules: Rules = field(default_factory=Rules)
    """Packet rules of everybody."""
    names_resolve: bool | None = None
    """Whether this machine resolves the rack's names; None: nobody has tried."""
    portal: str = ""
    """What came back from a well known page: `open`, `portal`, `none`; empty: nobody has asked."""
    wishes: Mapping[str, bytes] = field(default_factory=dict)
    """What the server wishes of the ground: content by file name."""
    leases: tuple[Lease, ...] = ()
    """Which machine has which address now."""
    authority: bytes = b""
    """The certificate of the rack's authority, in PEM."""
    revoked: bytes = b""
    """The list of revoked certificates that the broker has, `revoked.crl` among its files; empty: it has none."""
    previous: Ground | None = None
    """The ground as it was made the last time."""
    written: tuple[str, ...] = ()
    """Paths of the files of the ground then."""

    def is_in_charge(self, unit: str) -> bool:
        """Return whether the unit is active, or will be at the end of this boot."""
        return unit in self.active or unit in self.enabled

    def has_address(self, interface: str, address: IPv4Interface) -> bool:
        """Return whether the interface has the address, with the same length."""
        return interface in self.links and address in self.links[interface].addresses
