"""Rack settings and wishes -> the configuration of the DHCP server, and of the name server where that is another.

The server leases what the book has, but never the master's own address, and hands out no name server but the master's:
those of the home network, or public ones, are whom the master asks.
"""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge.dhcp import node_names, reservations, zone
from edge.dhcp.model import File, Places, Scope, Server, Zone
from edge.dhcp.servers import SERVERS
from edge.rack.document import WRITTEN_BY, Document, Part
from edge.rack.facts import Facts
from edge.rack.settings import Rack

UNIT = "edge-dhcp.service"
NAMES_UNIT = "edge-names.service"
UNCONFINED = ("aa-exec", "-p", "unconfined", "--")
"""Debian's AppArmor profiles of dhcpd and Kea know their own directories only, and no hook. The unit is sandboxed."""

SOCKETS = f"""# {WRITTEN_BY}
# What a socket holds until it is read: with the kernel's 208 KiB a hundred machines that are switched on in the same
# second lose requests, and wait four seconds before they ask again.
net.core.rmem_default = 1048576
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything about leases, worked out once."""

    server: Server
    scope: Scope
    zone: Zone
    places: Places
    result: reservations.Result


def plan(rack: Rack, facts: Facts) -> Plan:
    """Return what is leased, by whom, and what became of each reservation."""
    server, own, dhcp = SERVERS[rack.dhcp.server], rack.address.ip, rack.dhcp
    names = Zone(interface=rack.interface, domain=dhcp.domain, upstream=dhcp.upstream_dns,
                 records=tuple((name, own) for name in dict.fromkeys((rack.master_name, "kubernetes"))))
    wishes, problem = reservations.read(facts.wishes.get(reservations.WISHES_FILE))
    result = reservations.merge(
        (reservations.Wanted(address=str(one.address), mac=one.mac, serial=one.serial, name=one.name)
         for one in dhcp.reservations), wishes,
        reservations.Ground(network=rack.address.network, own=own, names=names.kept, leases=facts.leases,
                            pins=not server.remembers), problem)
    ping = server.ping_is_cheap if dhcp.ping_check == "auto" else dhcp.ping_check
    scope = Scope(interface=rack.interface, network=rack.address.network, first=dhcp.first, last=dhcp.last, router=own,
                  dns=(own,), ntp=(own,) if rack.serve_time else (), domain=dhcp.domain,
                  lease_seconds=dhcp.lease_seconds, max_lease_seconds=max(dhcp.lease_seconds, dhcp.max_lease_seconds),
                  reservations=result.kept, ping_check=ping, in_order=dhcp.in_order)
    return Plan(server=server, scope=scope, zone=names, places=places(rack, facts), result=result)


def places(rack: Rack, facts: Facts) -> Places:
    """Return where the server's files are. Where everything runs as root, so does dnsmasq."""
    return Places(config_dir=rack.config_dir, state_dir=rack.state_dir, run_dir=rack.run_dir,
                  user="root" if rack.server_user == "root" else "",
                  multiarch=sysconfig.get_config_var("MULTIARCH") or "aarch64-linux-gnu",
                  launcher=UNCONFINED if UNCONFINED[0] in facts.programs else ())


def documents(rack: Rack, facts: Facts) -> tuple[Document, ...]:
    """Return the files of the DHCP server and of the name server, and the one that says what became of reservations."""
    made = plan(rack, facts)
    found = [_document(rack, file, "dhcp", UNIT) for file in made.server.files(made.scope, made.zone, made.places)]
    if not made.server.serves_names:
        found.append(_document(rack, zone.file(made.zone, made.places), "names", NAMES_UNIT))
    names = node_names.render(node_names.read(facts.wishes.get(node_names.FILE), rack.address.network, rack.dhcp.domain,
                                              made.zone.kept))
    unit = UNIT if made.server.serves_names else NAMES_UNIT
    found.append(Document(path=Path(made.places.reserved_names).with_name(node_names.FILE), text=names, part="dhcp",
                          unit=unit, reload=True))
    found.append(Document(path=rack.etc_dir / "sysctl.d/91-edge-dhcp.conf", text=SOCKETS, part="dhcp"))
    told = msgspec.json.format(msgspec.json.encode(made.result), indent=1).decode() + "\n"
    return (*found, Document(path=rack.state_dir / reservations.RESULT_FILE, text=told, part="dhcp"))


def _document(rack: Rack, file: File, part: Part, unit: str) -> Document:
    return Document(path=rack.config_dir / file.name, text=file.text, part=part, check=file.check, mode=file.mode,
                    unit="" if file.noticed == "itself" else unit, reload=file.noticed == "signal")


def command(rack: Rack, facts: Facts) -> tuple[str, ...]:
    """Return how the DHCP server is started, in the foreground."""
    made = plan(rack, facts)
    return made.server.command(made.scope, made.places)


def names_command(rack: Rack) -> tuple[str, ...]:
    """Return how the name server is started, empty where the DHCP server is it."""
    return () if SERVERS[rack.dhcp.server].serves_names else zone.command(places(rack, Facts()))


def server_name(rack: Rack) -> str:
    """Return which server leases addresses."""
    return rack.dhcp.server


def leases_path(rack: Rack) -> Path:
    """Return the file the server writes leases to now."""
    return rack.state_dir / SERVERS[rack.dhcp.server].lease_files[-1]
