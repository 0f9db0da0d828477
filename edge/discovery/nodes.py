"""Machines that belong to no rack yet: what they announce, and which of them a master remembers, for how long."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network

import msgspec

from edge.discovery import records

SERVICE_TYPE = "_edge-node._tcp.local."
PORT = 22
"""A machine that waits offers nothing of its own; this is the port it can be claimed by, SSH."""
REPEAT_SECONDS = 20.0
"""How often a machine announces itself."""
SILENT_SECONDS = 75.0
"""After this long without a word it is forgotten: three announcements may get lost."""
MOST = 64
_LIMITS = {"serial": 64, "model": 80, "version": 40, "reason": 240}
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class Unclaimed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A machine that waits for a rack. Nothing in it is secret, and nothing in it is proven."""

    name: str
    """Its host name."""
    serial: str = ""
    model: str = ""
    version: str = ""
    """Of its edge-agent."""
    reason: str = ""
    """Why it has not joined, in words for a person."""
    addresses: tuple[str, ...] = ()


class Seen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A machine with the times it was heard at, in RFC 3339."""

    machine: Unclaimed
    first_seen: str
    last_seen: str


def identifier(machine: Unclaimed) -> str:
    """Return what tells two machines of one name apart: the end of the serial number, in letters of a label."""
    return re.sub(r"[^a-z0-9]", "", machine.serial.lower())[-8:]


def service(machine: Unclaimed, addresses: tuple[str, ...]) -> records.Service:
    """Return the machine as it is announced. Its name is in instance and host with its serial number, so that fresh
    cards, which are all called the same, do not collide."""
    label = "-".join(part for part in (host_label(machine.name), identifier(machine)) if part)[:63].strip("-")
    pairs = {"txtvers": "1", "name": host_label(machine.name), "serial": machine.serial, "model": machine.model,
             "version": machine.version, "reason": machine.reason}
    return records.Service(type=SERVICE_TYPE, instance=f"{label}.{SERVICE_TYPE}", host=f"{label}.local.", port=PORT,
                           addresses=addresses,
                           text=records.packed_text({key: value for key, value in pairs.items() if value}))


def host_label(name: str) -> str:
    """Return a host name as one label."""
    return re.sub(r"[^a-z0-9-]", "-", name.lower().partition(".")[0])[:50].strip("-") or "machine"


def read(answer: records.Answer, network: IPv4Network) -> Unclaimed | None:
    """Return the machine an answer describes; None when it is none, or has no address on the rack's network."""
    values = answer.text
    addresses = records.inside(answer.addresses, network)[:2]
    name = values.get("name", "")
    if values.get("txtvers") != "1" or not addresses or not _NAME.fullmatch(name):
        return None
    found = {key: records.printable(values.get(key, ""), longest) for key, longest in _LIMITS.items()}
    return Unclaimed(name=name, addresses=addresses, **found)


class Table:
    """The machines heard of lately, by instance name; at most `MOST`, and those that were there first stay."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Seen, float]] = {}
        self.refused = 0
        """Announcements that found no room since the table was last not full."""

    def put(self, instance: str, machine: Unclaimed, now: str, monotonic: float) -> bool:
        """Note an announcement; return whether it tells something new."""
        key = instance.lower()
        known = self._seen.get(key)
        if known is None and len(self._seen) >= MOST:
            self.expire(monotonic)
            if len(self._seen) >= MOST:
                self.refused += 1
                return False
        first = known[0].first_seen if known else now
        self._seen[key] = (Seen(machine=machine, first_seen=first, last_seen=now), monotonic)
        return known is None or known[0].machine != machine

    def __contains__(self, instance: str) -> bool:
        return instance.lower() in self._seen

    def remove(self, instance: str) -> None:
        """Forget a machine that has said goodbye."""
        self._seen.pop(instance.lower(), None)
        self.refused = 0

    def expire(self, monotonic: float) -> None:
        """Forget the machines that have been silent for too long."""
        for key in [key for key, (_, heard) in self._seen.items() if monotonic - heard > SILENT_SECONDS]:
            self.remove(key)

    def items(self, monotonic: float) -> tuple[Seen, ...]:
        """Return who is there, by name and address."""
        self.expire(monotonic)
        return tuple(sorted((seen for seen, _ in self._seen.values()),
                            key=lambda seen: (seen.machine.name, seen.machine.addresses)))


def without(seen: Iterable[Seen], serials: Iterable[str], addresses: Iterable[str]) -> tuple[Seen, ...]:
    """Leave out the machines that are nodes by now: their goodbye may have got lost."""
    known_serials, known_addresses = set(serials) - {""}, set(addresses)
    return tuple(each for each in seen if each.machine.serial not in known_serials
                 and not known_addresses.intersection(each.machine.addresses))
