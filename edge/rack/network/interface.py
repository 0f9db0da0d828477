"""What a network manager has to be able to do for the rack, as values."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from edge.rack.document import Command, Document
from edge.rack.facts import Facts
from edge.rack.settings import Rack


class Objection(NamedTuple):
    """Why the interface cannot be had."""

    reason: str
    """A constant, as in an Event."""
    message: str
    remedy: str


class Keeper(Protocol):
    """Keeps the master's address on the rack's interface, also over reboots. A module of this package is one."""

    NAME: str

    def documents(self, rack: Rack, facts: Facts) -> tuple[Document, ...]:
        """Return the files of ours it reads."""
        ...

    def objections(self, rack: Rack, facts: Facts) -> tuple[Objection, ...]:
        """Return why it could not do as they say: what the person has configured otherwise, and where."""
        ...

    def up(self, rack: Rack, facts: Facts) -> tuple[Command, ...]:
        """Return the commands that make it do as they say now."""
        ...

    def down(self, rack: Rack, facts: Facts) -> tuple[Command, ...]:
        """Return the commands that make it forget, once the files are gone, and give the interface back."""
        ...

    def asks_names(self, rack: Rack, facts: Facts) -> bool:
        """Return whether the master resolves the rack's names by it."""
        ...


def reverse_zone(rack: Rack) -> str:
    """Return the zone of the rack's addresses (RFC 1035), cut at the octet: 10.0.0.0/24 -> 0.0.10.in-addr.arpa."""
    network = rack.address.network
    octets = str(network.network_address).split(".")[:max(1, network.prefixlen // 8)]
    return ".".join((*reversed(octets), "in-addr.arpa"))
