"""Leases, reservations and the range -> what the API shows of them (`/edge/v1/rack/leases`)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from ipaddress import AddressValueError, IPv4Address

import msgspec

from edge.dhcp.ground import Ground
from edge.dhcp.model import Lease
from edge.dhcp.reservations import Outcome, Result

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


class Pool(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The range addresses are leased from."""

    first: str = ""
    last: str = ""
    size: int = 0
    used: int = 0
    """Addresses nobody new can get: leased, or kept for one machine."""
    free: int = 0


class Leased(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One address and who has it."""

    address: str
    mac: str
    name: str = ""
    """The name it is found by, empty when it has none."""
    expires: str | None = None
    """When, in RFC 3339; null: never."""
    expires_in_seconds: int | None = None
    reserved: bool = False


class Report(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Everything there is to say of leases."""

    server: str = ""
    domain: str = ""
    pool: Pool = Pool()
    leases: tuple[Leased, ...] = ()
    reservations: tuple[Outcome, ...] = ()
    problem: str = ""
    """Why the leases or wishes are not known."""


def make(ground: Ground, leases: Sequence[Lease], names: Mapping[str, str], result: Result, now: datetime,
         problem: str = "") -> Report:
    """Return the report. `names` are those the name server answers, by address."""
    kept = {str(one.address): one for one in result.kept}
    shown = [_leased(lease, names.get(str(lease.address), ""), str(lease.address) in kept, now)
             for lease in sorted(leases, key=lambda lease: lease.address)]
    return Report(server=ground.server, domain=ground.domain, leases=tuple(shown), reservations=result.outcomes,
                  pool=_pool(ground, {lease.address for lease in leases} | {one.address for one in kept.values()}),
                  problem=problem or result.problem)


def names(texts: Sequence[str]) -> dict[str, str]:
    """Return names by address from the hosts files of leased machines and of reservations."""
    found = {}
    for line in (line for text in texts for line in text.splitlines()):
        words = line.split()
        if len(words) > 1:
            found[words[0]] = words[1]
    return found


def _leased(lease: Lease, name: str, reserved: bool, now: datetime) -> Leased:
    # What a machine calls itself is a stranger's text, which ends in a terminal.
    name = name or (lease.name if _NAME.fullmatch(lease.name) else "")
    if lease.expires is None:
        return Leased(address=str(lease.address), mac=lease.mac, name=name, reserved=reserved)
    left = max(0, int((lease.expires - now).total_seconds()))
    return Leased(address=str(lease.address), mac=lease.mac, name=name, reserved=reserved,
                  expires=lease.expires.strftime("%Y-%m-%dT%H:%M:%SZ"), expires_in_seconds=left)


def _pool(ground: Ground, taken: set[IPv4Address]) -> Pool:
    try:
        first, last = IPv4Address(ground.first), IPv4Address(ground.last)
    except (AddressValueError, ValueError):
        return Pool()
    size = int(last) - int(first) + 1
    used = sum(first <= address <= last for address in taken)
    return Pool(first=ground.first, last=ground.last, size=size, used=used, free=size - used)
