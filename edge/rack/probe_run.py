"""Effects: `edge-rack probe`, one look at the rack's wire: gathers how it ought to be, looks, writes what is wrong.

It is a process of its own and ends within seconds: edge-probe.timer starts it, and `edgectl doctor` on the master.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from edge import config
from edge.api import times
from edge.clock import Clock, SystemClock
from edge.dhcp.findings import FILE, Finding, Findings
from edge.ids import Ids, SystemIds
from edge.rack import dhcp, gathering, probe, uplink
from edge.rack.commands import RackError, run
from edge.rack.facts import Facts
from edge.rack.settings import Rack

INSTALL = (f"looking at the wire needs scapy, which is not installed: `{sys.prefix}/bin/pip install 'scapy>=2.8,<3'` "
           "(the extra `probe` of edgerack)")


@click.command("probe")
@click.option("--config", "path", type=click.Path(path_type=Path), default=Path("/etc/edge/rack.toml"),
              show_default=True, help="The rack's settings.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(path: Path, output: str) -> None:
    """Look for what is wrong on the rack's wire.

    Looks for another DHCP server, addresses that two machines use, and whether our own server still has addresses to
    give. It only asks, takes five seconds, and needs root. What it finds is in run_dir (/run/edge-rack/findings.json),
    from where it becomes Events of the master's Node.

    \b
    sudo edge-rack probe
    sudo edge-rack probe -o json
    """
    rack = config.load(path, Rack)
    if os.geteuid() != 0:
        raise RackError("raw frames need root: sudo edge-rack probe")
    clock = SystemClock()
    found = probed(rack, clock, SystemIds())
    write(rack.run_dir, found)
    if output == "json":
        click.echo(msgspec.json.encode(found).decode())
    elif not found.problem:
        click.echo("\n".join(words(found.findings)))
    if found.problem:
        raise RackError(found.problem)


def probed(rack: Rack, clock: Clock, ids: Ids) -> Findings:
    """Look at the wire once, and return what is wrong there, or why nobody could look."""
    now = clock.now()
    try:
        return Findings(looked_at=times.render(now), findings=look(rack, now, clock, ids))
    except RackError as error:
        return Findings(looked_at=times.render(now), problem=str(error))


def look(rack: Rack, now: datetime, clock: Clock, ids: Ids) -> tuple[Finding, ...]:
    """Return what is wrong on the wire.

    Raises:
        RackError: the interface is not as it has to be, or scapy is missing.
    """
    facts = gathering.gather(rack, firewalls=False)
    wire = expected(rack, facts, now, link=_link(rack.interface), udp=_text(Path("/proc/net/udp")))
    try:
        from edge.rack import probe_wire  # Here alone, so that nothing else of edge-rack pays for scapy.
    except ImportError as error:
        raise RackError(INSTALL) from error
    uid = ids.uid().replace("-", "")
    client_mac = "02:" + ":".join(uid[at:at + 2] for at in range(0, 10, 2))
    try:
        seen = probe_wire.look(rack.interface, wire.mac, str(wire.address.ip), client_mac, int(uid[-8:], 16),
                               probe.asked(wire), clock)
    except OSError as error:
        raise RackError(f"{rack.interface} cannot be used: {(error.strerror or str(error)).lower()}") from error
    return probe.findings(seen, wire)


def expected(rack: Rack, facts: Facts, now: datetime, *, link: Mapping[str, Any], udp: str) -> probe.Wire:
    """Return how the wire ought to be.

    Args:
        rack: the settings.
        facts: the machine.
        now: the wall clock, against which leases end.
        link: the interface, as iproute2 tells of it; empty when there is none.
        udp: what /proc/net/udp says.

    Raises:
        RackError: the master is not on the wire.
    """
    known = facts.links.get(rack.interface)
    if known is None or not link:
        raise RackError(f"there is no interface {rack.interface}: `ip link` lists those there are; `interface` in "
                        "rack.toml has to name the one on the rack's switch")
    if "LOWER_UP" not in link.get("flags", ()):
        raise RackError(f"{rack.interface} has no link: the cable is out, or the switch is off, or the interface is "
                        f"down (`ip link set {rack.interface} up`)")
    if rack.address not in known.addresses:
        raise RackError(f"{rack.interface} does not have the address {rack.address}: `edge-rack apply` gives it")
    name = uplink.choose(rack, facts)
    outside = facts.links.get(name)
    plan = dhcp.plan(rack, facts)
    current = [lease for lease in facts.leases if lease.expires is None or lease.expires > now]
    kept = {str(each.address): each.mac for each in plan.scope.reservations}
    names = {each.mac: each.name for each in plan.scope.reservations} | {each.mac: each.name for each in current}
    return probe.Wire(
        interface=rack.interface, address=rack.address, mac=str(link.get("address", "")).lower(),
        first=plan.scope.first, last=plan.scope.last,
        leases=kept | {str(lease.address): lease.mac for lease in current},
        names={each: text for each, text in names.items() if text},
        uplink=name or "uplink", uplink_networks=tuple(each.network for each in outside.addresses) if outside else (),
        uplink_router=next((each.gateway for each in facts.default_routes if each.interface == name), ""),
        serving=serving(udp))


def _link(interface: str) -> Mapping[str, Any]:
    # Not from /sys, which may be that of another network namespace.
    try:
        found = json.loads(run("ip", "-j", "link", "show", "dev", interface).out or "[]")
    except ValueError:
        return {}
    return next((each for each in found if isinstance(each, dict) and each.get("ifname") == interface), {})


def serving(udp: str) -> bool | None:
    """Return whether a socket is bound to port 67, from the text of /proc/net/udp; None when there is none."""
    ports = [fields[1].rpartition(":")[2] for line in udp.splitlines()[1:] if len(fields := line.split()) > 1]
    return "0043" in ports if udp else None


def write(run_dir: Path, found: Findings) -> None:
    """Replace the findings as a whole. Raises RackError."""
    path = run_dir / FILE
    new = path.with_name(f".{FILE}.new")
    try:
        run_dir.mkdir(parents=True, exist_ok=True, mode=0o755)
        new.write_bytes(msgspec.json.encode(found))
        new.chmod(0o644)
        new.replace(path)
    except OSError as error:
        raise RackError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error


def words(found: tuple[Finding, ...]) -> list[str]:
    """Return the findings as lines for a person."""
    return [f"{each.reason}: {each.message}" for each in found] or ["nothing is wrong on the wire"]


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
