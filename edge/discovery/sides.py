"""Which of a machine's interfaces are announced on, and with which address: each is a side of its own.

A master stands in two networks. Each hears only the address it can reach, so that a laptop is never sent to the
rack's network and a worker never to the home network; and an interface that nobody named is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from typing import Literal

_OF_CONTAINERS = ("edge", "veth", "podman", "cni", "docker", "br-", "virbr", "lxc", "tun", "tap", "wg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A network interface as the kernel shows it."""

    name: str
    index: int = 0
    addresses: tuple[IPv4Interface, ...] = ()
    running: bool = True
    """Up, and with a wire (or a radio link) that works."""
    loopback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One network a machine announces itself in. A different value means that everything is announced anew."""

    role: Literal["rack", "uplink", "any"]
    interface: str
    index: int
    address: str
    network: IPv4Network


def of_master(interfaces: Iterable[Interface], default_route: str, *, rack: Sequence[str], uplink: bool = True,
              uplink_interface: str = "") -> tuple[Side, ...]:
    """Return the sides of a master: where it has one of the `rack` addresses, and where its way out is.

    The uplink is the interface of the default route, whichever that is at the time: Wi-Fi, or an Ethernet adapter.
    """
    found: list[Side] = []
    running = [each for each in interfaces if each.running]
    for interface in running:
        found += [_side("rack", interface, address) for address in interface.addresses if str(address.ip) in rack]
    on_rack = {side.interface for side in found}
    wanted = uplink_interface or default_route
    for interface in running:
        if uplink and interface.name == wanted and interface.name not in on_rack and interface.addresses:
            found.append(_side("uplink", interface, interface.addresses[0]))
    return tuple(found)


def of_machine(interfaces: Iterable[Interface], chosen: str = "") -> tuple[Side, ...]:
    """Return the sides of a machine that looks for a rack: the interface it was told, or every one with a wire."""
    return tuple(_side("any", each, each.addresses[0]) for each in interfaces
                 if each.running and each.addresses and not each.loopback
                 and (each.name == chosen if chosen else not each.name.startswith(_OF_CONTAINERS)))


def at(interfaces: Iterable[Interface], addresses: Sequence[str]) -> tuple[Side, ...]:
    """Return the sides that have these addresses."""
    return tuple(_side("any", each, address) for each in interfaces for address in each.addresses
                 if str(address.ip) in addresses)


def _side(role: Literal["rack", "uplink", "any"], interface: Interface, address: IPv4Interface) -> Side:
    return Side(role=role, interface=interface.name, index=interface.index, address=str(address.ip),
                network=address.network)


def default_route(table: str) -> str:
    """Return the interface of the best default route in /proc/net/route; empty when there is none."""
    best, found = 0, ""
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8 or fields[1] != "00000000" or fields[7] != "00000000":
            continue
        metric = int(fields[6]) if fields[6].isdecimal() else 0
        if not found or metric < best:
            best, found = metric, fields[0]
    return found
