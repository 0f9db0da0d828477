"""dnsmasq: leases addresses and answers the rack's names, in one process of some 5 MB.

It gives every client the one lease time it is configured with, or less where the client asks for less, down to 120 s.
Its ping check takes three seconds for each new machine, one after the other, in which it serves nobody else; it stops
checking after six in half a minute. What it offers it does not keep: with `dhcp-sequential-ip` all machines that ask in
the same moment are offered the same address, all but one are refused (DHCPNAK) and ask again, and a large rack would
take minutes to boot for the first time. So only the first addresses are leased in order, as ranges of one address
each, which it fills one after the other; `bench/dhcp.py` has the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import AddressValueError, IPv4Address

from edge.dhcp import hook, macs, zone
from edge.dhcp.model import File, Lease, Places, Scope, Zone

RESERVATIONS = "dhcp-hosts/reservations"


class Dnsmasq:
    """The adapter."""

    name = "dnsmasq"
    package = "dnsmasq-base"
    lease_files = ("dnsmasq.leases",)
    serves_names = True
    remembers = False
    can_ping = True
    ping_is_cheap = False

    def files(self, scope: Scope, zone_: Zone, places: Places) -> tuple[File, ...]:
        """Return dnsmasq.conf, the reservations, which it takes up at SIGHUP, and its hook."""
        kept = "".join(f"{one.mac},{one.address}{one.name and ',' + one.name}\n" for one in scope.reservations)
        return (
            hook.file(zone_, places, hook.DNSMASQ_ARGUMENTS),
            hook.reserved(scope.reservations, places),
            File(name=RESERVATIONS, text=kept, noticed="signal"),
            File(name="dnsmasq.conf", check=zone.check(),
                 text="\n".join((*zone.lines(zone_, places), *_lines(scope, places, self.lease_files[-1]))) + "\n"),
        )

    def command(self, scope: Scope, places: Places) -> tuple[str, ...]:
        """Return how it is started, in the foreground."""
        del scope
        return zone.command(places, "dnsmasq.conf")

    def leases(self, text: str, now: datetime) -> tuple[Lease, ...]:
        """Return what the file holds. dnsmasq removes what has expired itself: it alone knows whether its clock was
        right at the time."""
        del now
        whole = text[:text.rfind("\n") + 1].splitlines()
        found = (_lease(line) for line in whole)
        return tuple({lease.address: lease for lease in found if lease is not None}.values())


def _lines(scope: Scope, places: Places, leases: str) -> list[str]:
    options = [("router", (scope.router,)), ("dns-server", scope.dns), ("ntp-server", scope.ntp)]
    return [
        *(f"dhcp-range={first},{last},{scope.network.netmask},{scope.lease_seconds}" for first, last in _ranges(scope)),
        f"dhcp-lease-max={scope.network.num_addresses}",
        *([] if scope.ping_check else ["no-ping"]),
        "dhcp-authoritative",
        "dhcp-ignore-clid",  # the machine is known by its hardware address, whichever system runs on it
        "dhcp-ignore-names",  # the hook decides which name a machine gets
        f"dhcp-script={places.hook}",
        *(f"dhcp-option=option:{name},{','.join(map(str, values))}" for name, values in options if values),
        f"dhcp-leasefile={places.state_dir / leases}",
        f"dhcp-hostsfile={places.config_dir / RESERVATIONS}",  # as dhcp-hostsdir it would not forget what has changed
    ]


def _ranges(scope: Scope) -> Iterator[tuple[IPv4Address, IPv4Address]]:
    """Yield the ranges in the order in which they are filled."""
    rest = min(scope.first + scope.in_order, scope.last + 1)
    for number in range(int(scope.first), int(rest)):
        yield IPv4Address(number), IPv4Address(number)
    if rest <= scope.last:
        yield rest, scope.last


def _lease(line: str) -> Lease | None:
    fields = line.split()
    if len(fields) != 5:
        return None
    try:
        address, expires = IPv4Address(fields[2]), int(fields[0])
        until = datetime.fromtimestamp(expires, UTC) if expires else None
    except (AddressValueError, ValueError, OverflowError, OSError):
        return None
    if not (mac := macs.normal(fields[1])):
        return None
    return Lease(address=address, mac=mac, name="" if fields[3] == "*" else fields[3],
                 client_id="" if fields[4] == "*" else fields[4], expires=until)
