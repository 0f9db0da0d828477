"""`edgectl discover`: the masters this computer hears, and the machines the rack's master hears."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from edge.api.errors import ApiError
from edge.edgectl import rack_view, session
from edge.edgectl.failures import CtlError

if TYPE_CHECKING:
    from edge.discovery.names import Master

_ASKED = re.compile(r"the request (node-\S+) is not approved")


@click.command("discover", short_help="Show the masters in this network, and the machines that wait for a rack.")
@click.option("--timeout", default=3.0, show_default=True, metavar="SECONDS", help="How long to listen for masters.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def command(obj: dict[str, Any], timeout: float, output: str) -> None:
    """Show the masters in this network, and the machines that wait for a rack, each with what to do next.

    Masters are found by multicast DNS (Bonjour, Avahi), so only in the network this computer is in. Machines are shown
    as the master of the current context hears them on its switch. What is shown is what was said, not what was proven:
    joining checks the authority's whole hash.

    \b
    edgectl discover
    edgectl discover -o json | jq '.machines[].addresses'
    """
    masters, deaf = _masters(timeout)
    access, problem = None, ""
    try:
        access = session.open_session(obj["kubeconfig"], obj["context"])
        seen = rack_view.discovered(access)
    except (ApiError, CtlError) as error:
        seen, problem = {}, str(error)
    ours = _own_prefix(access.ca) if access is not None else ""
    if output == "json":
        click.echo(json.dumps({"masters": [asdict(master) | {"current": bool(ours) and master.ca_hash_prefix == ours}
                                           for master in masters], "machines": seen.get("machines", []),
                               "names": seen.get("names", []), "problem": deaf or problem or seen.get("problem", "")},
                              indent=2))
        return
    for line in (*master_lines(masters, ours, deaf), "", *machine_lines(seen, problem), *name_lines(seen)):
        click.echo(line)


def _masters(timeout: float) -> tuple[Sequence[Master], str]:
    """Return the masters that answer, and why nobody can, if so."""
    import asyncio

    try:
        from edge.discovery import mdns
    except ImportError:
        return (), "zeroconf is not installed here: `pip install 'edgerack[ctl]'`"
    try:
        return asyncio.run(mdns.find_masters(timeout=timeout)), ""
    except mdns.DiscoveryError as error:
        return (), str(error)


def _own_prefix(ca: bytes) -> str:
    from edge.discovery import names
    from edge.pki import authority

    return names.hash_prefix(authority.spki_hash(ca)) if ca else ""


def master_lines(masters: Sequence[Master], ours: str, deaf: str = "") -> list[str]:
    """Return the table of masters."""
    if deaf:
        return [f"MASTERS: not looked for: {deaf}"]
    if not masters:
        return ["MASTERS: none answers in this network. Is the master on, and on the same Wi-Fi? A guest network often "
                "keeps its machines apart"]
    rows = [("MASTER", "ADDRESS", "PORT", "AUTHORITY", "NEXT")]
    for master in masters:
        address = ", ".join(master.addresses)
        known = bool(ours) and master.ca_hash_prefix == ours
        rows.append((master.name, address, str(master.api_port), f"{master.ca_hash_prefix}...",
                     "kubectl get nodes (the current context)" if known else
                     f"ssh {master.addresses[0]} sudo cat /etc/edge/admin.conf   (its kubeconfig)"))
    return _table(rows)


def machine_lines(seen: Mapping[str, Any], problem: str) -> list[str]:
    """Return the table of machines that wait, or why there is none."""
    if problem:
        return [f"MACHINES: not asked for: {problem}"]
    machines = seen.get("machines", [])
    if not machines:
        return ["MACHINES: none waits for this rack"]
    rows = [("MACHINE", "ADDRESS", "SERIAL", "MODEL", "WHY", "NEXT")]
    rows += [(each["name"], ", ".join(each["addresses"]), each.get("serial", ""), each.get("model", ""),
              each.get("reason", ""), next_step(each)) for each in machines]
    left_out = seen.get("machinesLeftOut", 0)
    return _table(rows) + ([f"(and more: {left_out} announcements found no room)"] if left_out else [])


def next_step(machine: Mapping[str, Any]) -> str:
    """Return the command that lets a machine in."""
    if asked := _ASKED.search(str(machine.get("reason", ""))):
        return f"edgectl node requests, then edgectl node adopt {asked[1]}"
    return f"edgectl join USER@{machine['addresses'][0]}"


def name_lines(seen: Mapping[str, Any]) -> list[str]:
    """Return the names the master announces for services in the home network."""
    found = [each for each in seen.get("names", []) if "/" in each["of"]]
    rows = [("NAME", "SERVICE", "ADDRESS", "INSTEAD, SINCE")]
    rows += [(each["name"], each["of"], ", ".join(each["addresses"]),
              f"the first choice is {each['disputedBy']}" if each.get("disputedBy") else "") for each in found]
    return ["", *_table(rows)] if found else []


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
