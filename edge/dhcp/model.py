"""What is leased on the rack's wire, whichever server does it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePath
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """An address that is kept for one machine."""

    mac: str
    """Hardware address, lower case, colons."""
    address: IPv4Address
    name: str = ""
    """Host name the machine gets with it (RFC 2132, option 12)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One network and all that is handed out on it (option numbers of RFC 2132)."""

    interface: str
    network: IPv4Network
    first: IPv4Address
    last: IPv4Address
    router: IPv4Address
    """Option 3. Never the router's own gateway: that is its uplink's business."""
    dns: tuple[IPv4Address, ...]
    """Option 6."""
    ntp: tuple[IPv4Address, ...] = ()
    """Option 42."""
    domain: str = "cluster.home"
    """Option 15."""
    lease_seconds: int = 7200
    """Option 51, for a client that asks for no time of its own."""
    max_lease_seconds: int = 7200
    """The most a client gets that asks for more."""
    reservations: tuple[Reservation, ...] = ()
    ping_check: bool = False
    """Look whether an address is taken before it is offered."""
    in_order: int = 8
    """So many addresses from the first on are leased one after the other; of the rest, a machine's follows from its
    hardware address. A server that reserves what it offers leases all of them in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """The rack's own names, which dnsmasq answers whichever server leases the addresses."""

    interface: str
    domain: str
    records: tuple[tuple[str, IPv4Address], ...]
    """Names that no machine can take, without the domain."""
    upstream: tuple[IPv4Address, ...] = ()
    """Whom to ask for everything else; empty: those in the master's /etc/resolv.conf."""

    @property
    def kept(self) -> tuple[str, ...]:
        """Names that no machine gets by asking for them."""
        return tuple(dict.fromkeys((*(name for name, _ in self.records), "localhost", "wpad")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """An address a machine has now, as the server remembers it."""

    address: IPv4Address
    mac: str
    name: str = ""
    client_id: str = ""
    expires: datetime | None = None
    """None: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a server's files are, as the server sees them."""

    config_dir: PurePath
    state_dir: PurePath
    run_dir: PurePath
    user: str = ""
    """User the server runs as; empty: its own default."""
    multiarch: str = "aarch64-linux-gnu"
    """Debian's name of the machine's architecture, under which a server's libraries are."""
    launcher: tuple[str, ...] = ()
    """Command before a server's own, where Debian's AppArmor profile lets that read its usual directories only."""

    @property
    def hook(self) -> PurePath:
        """The program the server calls for each lease that comes, changes or goes."""
        return self.config_dir / "lease-hook"

    @property
    def names(self) -> PurePath:
        """Directory of one hosts file for each leased address, which dnsmasq reads as it changes.

        On the card, though nothing in it is needed to lease: a server that starts again does not know any more how a
        machine called itself.
        """
        return self.state_dir / "names"

    @property
    def reserved_names(self) -> PurePath:
        """Hosts file of the names that come with reservations, alone in its directory."""
        return self.config_dir / "names" / "reserved"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A configuration file and the command that checks it; `{}` in the command stands for the file."""

    name: str
    """Within `Places.config_dir`."""
    text: str
    check: tuple[str, ...] = ()
    mode: int = 0o644
    noticed: Literal["restart", "signal", "itself"] = "restart"
    """How the server takes up a change: when it is started again, at SIGHUP, or by itself."""


class Server(Protocol):
    """A real DHCP server, as text: nothing here starts or reads anything."""

    @property
    def name(self) -> str: ...

    @property
    def package(self) -> str:
        """Debian's package of it."""
        ...

    @property
    def lease_files(self) -> tuple[str, ...]:
        """Files of `Places.state_dir` that hold the leases, the current one last; those before it may be missing."""
        ...

    @property
    def serves_names(self) -> bool:
        """Whether it answers the zone's names as well; else dnsmasq does so beside it."""
        ...

    @property
    def remembers(self) -> bool:
        """Whether a machine that was away for longer than its lease gets its old address if nobody else has it."""
        ...

    @property
    def can_ping(self) -> bool:
        """Whether it knows how to look whether an address is taken."""
        ...

    @property
    def ping_is_cheap(self) -> bool:
        """Whether one machine's ping check holds up nobody else."""
        ...

    def files(self, scope: Scope, zone: Zone, places: Places) -> tuple[File, ...]:
        """Return the configuration of the scope."""
        ...

    def command(self, scope: Scope, places: Places) -> tuple[str, ...]:
        """Return how the server is started, in the foreground."""
        ...

    def leases(self, text: str, now: datetime) -> tuple[Lease, ...]:
        """Return the leases that hold at `now`; half a line at the end, after a power cut, is not one."""
        ...
