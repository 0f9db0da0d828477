"""Which addresses are kept for which machine: what the settings say, what is wished through the API, and what the nodes
of the rack have already. The settings win, then wishes, then nodes; what cannot be is refused, each with its reason.

A refusal breaks nothing: everything else is kept, and the next look may find the obstacle gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network

import msgspec

from edge.dhcp import macs
from edge.dhcp.model import Lease, Reservation

WISHES_FILE = "reservations.json"
"""Within `wishes_dir`."""
RESULT_FILE = "reservations.json"
"""Within `state_dir`: what came of it."""
SETTINGS, WISHED, NODE = "rack.toml", "wished", "node"
MOST = 2048
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SERIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]{0,63}")
_NODE = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


class Wanted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A reservation as somebody wishes it: an address, and a machine by one of its marks."""

    address: str
    mac: str = ""
    serial: str = ""
    """Serial number of the board."""
    node: str = ""
    """Name of the node."""
    name: str = ""
    """Host name to give it."""


class Wishes(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that the server wishes."""

    reservations: tuple[Wanted, ...] = ()
    nodes: tuple[Wanted, ...] = ()
    """What the nodes of the rack have now, and shall keep."""
    boards: dict[str, str] = {}
    """Serial number -> hardware address, of boards that are nodes."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one wish."""

    address: str
    mac: str = ""
    name: str = ""
    serial: str = ""
    node: str = ""
    source: str = SETTINGS
    problem: str = ""
    """Why it is not kept; empty when it is."""


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of all."""

    outcomes: tuple[Outcome, ...] = ()
    problem: str = ""
    """Why the wishes could not be read."""

    @property
    def kept(self) -> tuple[Reservation, ...]:
        """The reservations that hold, by address."""
        found = (Reservation(mac=one.mac, address=IPv4Address(one.address), name=one.name)
                 for one in self.outcomes if not one.problem)
        return tuple(sorted(found, key=lambda one: one.address))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What every reservation has to fit."""

    network: IPv4Network
    own: IPv4Address
    """The master's address."""
    names: tuple[str, ...] = ()
    """Names no machine can have."""
    leases: Sequence[Lease] = ()
    pins: bool = True
    """Nodes keep what they have; unnecessary where the server itself remembers who is away."""


def read(content: bytes | None) -> tuple[Wishes, str]:
    """Return the wishes in a file, and what is wrong with it; it may be missing."""
    if content is None:
        return Wishes(), ""
    try:
        wishes = msgspec.json.decode(content, type=Wishes)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Wishes(), f"{WISHES_FILE} cannot be read: {error}"
    if len(wishes.reservations) + len(wishes.nodes) > MOST:
        return Wishes(), f"{WISHES_FILE} has more than {MOST} reservations"
    return wishes, ""


def merge(settings: Iterable[Wanted], wishes: Wishes, ground: Ground, problem: str = "") -> Result:
    """Return what is kept and what is refused."""
    judge = _Judge(ground, wishes.boards)
    for source, wanted in ((SETTINGS, settings), (WISHED, wishes.reservations),
                           (NODE, wishes.nodes if ground.pins else ())):
        for one in wanted:
            judge.hear(one, source)
    return Result(outcomes=tuple(judge.outcomes), problem=problem)


def problem_of(wanted: Wanted) -> str:
    """Return what is wrong with a wish for itself, whatever else there is; empty when nothing is."""
    try:
        IPv4Address(wanted.address)
    except (AddressValueError, ValueError):
        return f"{wanted.address!r} is no IPv4 address"
    if wanted.mac and not macs.normal(wanted.mac):
        return f"{wanted.mac!r} is no hardware address of a machine: write it as 02:ed:9e:00:00:01"
    if not (wanted.mac or wanted.serial or wanted.node):
        return f"{wanted.address}: for which machine? Give its mac, serial or node"
    if wanted.serial and not _SERIAL.fullmatch(wanted.serial):
        return f"{wanted.serial[:64]!r} is no serial number of a board"
    if wanted.node and not _NODE.fullmatch(wanted.node):
        return f"{wanted.node[:64]!r} is no name of a node"
    if wanted.name and not _LABEL.fullmatch(wanted.name):
        return f"{wanted.name!r} is no host name: use lower-case letters, digits and dashes, without a domain"
    return ""


class _Judge:
    """Hears one wish after the other; the first that claims something has it."""

    def __init__(self, ground: Ground, boards: Mapping[str, str]) -> None:
        self.outcomes: list[Outcome] = []
        self._ground = ground
        self._boards = {serial.lower(): mac for serial, mac in boards.items()}
        self._taken: dict[str, Outcome] = {}
        self._leases = {lease.address: lease.mac for lease in ground.leases}

    def hear(self, wanted: Wanted, source: str) -> None:
        # What is wished goes into the files of a program that runs as root: all of it has to be what it claims to be.
        said = self._boards.get(wanted.serial.lower(), "")
        mac = macs.normal(wanted.mac) or macs.normal(said) or macs.of_board(wanted.serial)
        outcome = Outcome(address=wanted.address[:64], mac=mac, name=wanted.name[:64], serial=wanted.serial[:64],
                          node=wanted.node[:253], source=source)
        problem = problem_of(wanted) or (f"{said[:64]!r} is no hardware address of the board {wanted.serial}"
                                         if said and not mac else self._objection(outcome))
        if problem and source == NODE:
            return  # Nobody has asked for it.
        if not problem:
            for mark in (outcome.address, outcome.mac, outcome.name):
                self._taken[mark] = outcome
        self.outcomes.append(msgspec.structs.replace(outcome, problem=problem))

    def _objection(self, one: Outcome) -> str:
        address, ground = IPv4Address(one.address), self._ground
        if not one.mac:
            return (f"the hardware address of {one.serial or one.node} is not known yet: it follows once the machine "
                    "has joined, or give it with --mac")
        if address not in ground.network:
            return f"{address} is not in the rack's network {ground.network}"
        if address in (ground.network.network_address, ground.network.broadcast_address):
            return f"{address} is no machine's address in {ground.network}"
        if address == ground.own:
            return f"{address} is the master's own address"
        if one.name in ground.names:
            return f"{one.name} is a name of the master's"
        for mark, what in ((one.address, "is kept"), (one.mac, "has a reservation"), (one.name, "is the name")):
            if mark and (other := self._taken.get(mark)):
                return f"{mark} {what} already: {other.address} for {other.mac} ({_where(other.source)})"
        holder = self._leases.get(address)
        if holder and holder != one.mac:
            return (f"{address} is leased to {holder} now: choose another address, or switch that machine off and wait "
                    "until its lease has ended")
        return ""


def _where(source: str) -> str:
    return {SETTINGS: "rack.toml", WISHED: "edgectl dhcp reservations", NODE: "a node of the rack has it"}[source]
