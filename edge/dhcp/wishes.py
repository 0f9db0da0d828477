"""The ConfigMap of reservations, the nodes and the leases -> what the server wishes of the DHCP server.

The ConfigMap is kube-system/edge-dhcp-reservations: a key is an address, its value a JSON object that names a machine.
A node of the rack keeps its address for as long as its Node object exists, however long it is switched off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from edge.dhcp import macs
from edge.dhcp.model import Lease
from edge.dhcp.reservations import Wanted, Wishes

NAMESPACE = "kube-system"
NAME = "edge-dhcp-reservations"


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The value of one address in the ConfigMap."""

    mac: str = ""
    serial: str = ""
    node: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """What a Node object says of its machine."""

    name: str
    addresses: frozenset[str] = field(default_factory=frozenset)
    serial: str = ""


def entry(text: str) -> Entry | None:
    """Return what an address's value says, None when it cannot be read."""
    try:
        return msgspec.json.decode(text, type=Entry)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def wanted(data: Mapping[str, str], pinned: Mapping[str, Wanted]) -> tuple[Wanted, ...]:
    """Return the wishes of the ConfigMap, by address; one that says nothing of a machine is for whoever judges it."""
    found = []
    for address, text in sorted(data.items()):
        said = entry(text) or Entry()
        mac = said.mac or (pinned[said.node].mac if said.node in pinned else "")
        found.append(Wanted(address=address, mac=mac, serial=said.serial, node=said.node, name=said.name))
    return tuple(found)


def wishes(data: Mapping[str, str], members: Iterable[Member], leases: Sequence[Lease], before: Wishes) -> Wishes:
    """Return everything to wish now, from what was wished before: a machine that is off has no lease to be known by."""
    macs_by_address = {str(lease.address): lease.mac for lease in leases}
    earlier = {one.node: one for one in before.nodes}
    pinned, boards = {}, {}
    for member in sorted(members, key=lambda each: each.name):
        leased = sorted(member.addresses & macs_by_address.keys())
        if leased:
            pinned[member.name] = Wanted(address=leased[0], mac=macs_by_address[leased[0]], node=member.name)
        elif member.name in earlier:
            pinned[member.name] = earlier[member.name]
        if member.serial and member.name in pinned and not macs.of_board(member.serial):
            boards[member.serial] = pinned[member.name].mac
    return Wishes(reservations=wanted(data, pinned), nodes=tuple(pinned.values()), boards=boards)
