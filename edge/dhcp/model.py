"""What is leased on the rack's wire, whichever server does it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePath
from typing import Protocol


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
    lease_seconds: int = 600
    """Option 51, for a client that asks for no time of its own."""
    max_lease_seconds: int = 7200
    """The most a client gets that asks for more."""
    reservations: tuple[Reservation, ...] = ()
    ping_check: bool = True
    """Look whether an address is taken before it is offered."""


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
    hook: PurePath | None = None
    """Program the server calls for each lease that comes, changes or goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A configuration file and the command that checks it; `{}` in the command stands for the file."""

    name: str
    """Within `Places.config_dir`."""
    text: str
    check: tuple[str, ...] = ()


class Server(Protocol):
    """A real DHCP server, as text: nothing here starts or reads anything."""

    name: str
    package: str
    """Debian's package of it."""
    leases_file: str
    """Within `Places.state_dir`."""

    def files(self, scope: Scope, places: Places) -> tuple[File, ...]:
        """Return the configuration of the scope."""
        ...

    def command(self, scope: Scope, places: Places) -> tuple[str, ...]:
        """Return how the server is started, in the foreground."""
        ...

    def leases(self, text: str, now: datetime) -> tuple[Lease, ...]:
        """Return the leases that hold at `now`; half a line at the end, after a power cut, is not one."""
        ...
