"""ISC's dhcpd, the server of many books (Debian's isc-dhcp-server). Its makers ended it in 2022; Debian keeps it.

It remembers machines that are away, and pings an address before it offers it while it serves others. It reads its
configuration only when it starts, so reservations mean a restart; leases outlive that. An address of a reservation is
not leased in its sense: it stands in no lease file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import AddressValueError, IPv4Address

from edge.dhcp import hook, macs
from edge.dhcp.model import File, Lease, Places, Scope, Zone

_BLOCK = re.compile(r"^lease (\S+) \{\n(.*?)^\}\n", re.MULTILINE | re.DOTALL)
_STATEMENT = re.compile(r"^  (hardware ethernet|binding state|ends|client-hostname) \"?([^\"\n]*?)\"?;", re.MULTILINE)


class Isc:
    """The adapter."""

    name = "isc-dhcp-server"
    package = "isc-dhcp-server"
    lease_files = ("dhcpd.leases",)
    serves_names = False
    remembers = True
    can_ping = True
    ping_is_cheap = True

    def files(self, scope: Scope, zone: Zone, places: Places) -> tuple[File, ...]:
        """Return dhcpd.conf and its hook."""
        return (
            hook.file(zone, places, hook.ISC_ARGUMENTS),
            hook.reserved(scope.reservations, places),
            File(name="dhcpd.conf", text="\n".join(_lines(scope, places)) + "\n",
                 check=(*places.launcher, "dhcpd", "-t", "-q", "-cf", "{}")),
        )

    def command(self, scope: Scope, places: Places) -> tuple[str, ...]:
        """Return how it is started, in the foreground."""
        return (*places.launcher, "dhcpd", "-4", "-d", "--no-pid", "-cf", str(places.config_dir / "dhcpd.conf"), "-lf",
                str(places.state_dir / self.lease_files[-1]), scope.interface)

    def leases(self, text: str, now: datetime) -> tuple[Lease, ...]:
        """Return the last word of the file on each address, where that is a lease that has not ended."""
        found: dict[IPv4Address, Lease | None] = {}
        for match in _BLOCK.finditer(text):
            try:
                address = IPv4Address(match[1])
            except (AddressValueError, ValueError):
                continue
            found[address] = _lease(address, dict(_STATEMENT.findall(match[2])))
        return tuple(lease for lease in found.values()
                     if lease is not None and (lease.expires is None or lease.expires > now))


def free_ranges(scope: Scope) -> Iterator[tuple[IPv4Address, IPv4Address]]:
    """Yield the parts of the range in which nothing is reserved: dhcpd would lease a reserved address to others."""
    first = int(scope.first)
    taken = sorted({int(one.address) for one in scope.reservations})
    for number in (*(number for number in taken if scope.first <= IPv4Address(number) <= scope.last),
                   int(scope.last) + 1):
        if first < number:
            yield IPv4Address(first), IPv4Address(number - 1)
        first = number + 1


def _lines(scope: Scope, places: Places) -> list[str]:
    options = [("routers", (scope.router,)), ("domain-name-servers", scope.dns), ("ntp-servers", scope.ntp)]
    return [
        "authoritative;",
        "ddns-update-style none;",
        "ignore-client-uids true;",  # the machine is known by its hardware address, whichever system runs on it
        f"default-lease-time {scope.lease_seconds};",
        f"max-lease-time {max(scope.lease_seconds, scope.max_lease_seconds)};",
        f"ping-check {'true' if scope.ping_check else 'false'};",
        "dhcp-cache-threshold 0;",
        f'option domain-name "{scope.domain}";',
        *(f"option {name} {', '.join(map(str, values))};" for name, values in options if values),
        f"subnet {scope.network.network_address} netmask {scope.network.netmask} {{",
        *(f"  range {first} {last};" for first, last in free_ranges(scope)),
        "}",
        *(line for one in scope.reservations for line in (
            f"host r{str(one.address).replace('.', '-')} {{",
            f"  hardware ethernet {one.mac};",
            f"  fixed-address {one.address};",
            *((f'  option host-name "{one.name}";',) if one.name else ()),
            "}")),
        *_hook(places),
    ]


def _hook(places: Places) -> list[str]:
    address = 'binary-to-ascii(10, 8, ".", leased-address)'
    mac = 'binary-to-ascii(16, 8, ":", substring(hardware, 1, 6))'
    return [
        "on commit {",
        f'  execute("{places.hook}", "add", {address}, {mac}, pick-first-value(option host-name, ""));',
        "}",
        *(line for event in ("release", "expiry") for line in (
            f"on {event} {{",
            f'  execute("{places.hook}", "del", {address}, "");',
            "}")),
    ]


def _lease(address: IPv4Address, statements: dict[str, str]) -> Lease | None:
    mac = macs.normal(statements.get("hardware ethernet", ""))
    if statements.get("binding state") != "active" or not mac:
        return None
    try:
        expires = _time(statements.get("ends", "never"))
    except (ValueError, OverflowError, OSError):
        return None
    return Lease(address=address, mac=mac, name=statements.get("client-hostname", ""), expires=expires)


def _time(text: str) -> datetime | None:
    """Read `4 2025/11/20 10:00:00`, `epoch 1763632800` or `never`."""
    if text == "never":
        return None
    if text.startswith("epoch "):
        return datetime.fromtimestamp(int(text.split()[1]), UTC)
    return datetime.strptime(text.partition(" ")[2], "%Y/%m/%d %H:%M:%S").replace(tzinfo=UTC)
