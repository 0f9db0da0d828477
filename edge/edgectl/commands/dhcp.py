"""`edgectl dhcp`: who has which address on the rack's wire, and which are kept for whom.

Reservations are the ConfigMap kube-system/edge-dhcp-reservations, so that roles apply to them and kubectl works too.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Collection, Sequence
from typing import Any

import click
import msgspec

from edge.api.errors import AlreadyExists, NotFound
from edge.dhcp import macs, reservations, wishes
from edge.edgectl import session
from edge.edgectl.failures import CtlError
from edge.edgectl.session import Session

LEASES = "/edge/v1/rack/leases"
MAPS = f"/api/v1/namespaces/{wishes.NAMESPACE}/configmaps"
MAP = f"{MAPS}/{wishes.NAME}"
OUTPUT = click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)

Row = dict[str, Any]


@click.group("dhcp")
def command() -> None:
    """Leases of the rack's wire, and addresses that are kept for a machine.

    \b
    edgectl dhcp leases
    edgectl dhcp reserve 10.0.0.20 --node node-1
    edgectl dhcp reservations
    edgectl dhcp release 10.0.0.20
    """


@command.command("leases")
@OUTPUT
@click.pass_obj
def leases(obj: dict[str, Any], output: str) -> None:
    """List who has which address, for how long, and which node it is.

    \b
    edgectl dhcp leases
    edgectl dhcp leases -o json     with the pool: {"leases": [...], "pool": {"size": 253, "free": 250, ...}}
    """
    access = session.open_session(obj["kubeconfig"], obj["context"])
    report = _report(access)
    report["leases"] = with_nodes(report.get("leases", []), access.request("GET", "/api/v1/nodes")["items"])
    if output == "json":
        click.echo(json.dumps(report))
        return
    click.echo(table(("ADDRESS", "MAC", "NAME", "EXPIRES IN", "NODE", "RESERVED"), [
        (each["address"], each["mac"], each["name"], duration(each["expiresInSeconds"]), each["node"],
         "yes" if each["reserved"] else "no") for each in report["leases"]]))
    pool = report.get("pool") or {}
    click.echo(f"\n{pool.get('free', 0)} of {pool.get('size', 0)} addresses are free "
               f"({pool.get('first')} to {pool.get('last')}), leased by {report.get('server')}")
    _tell(report)


@command.command("reservations")
@OUTPUT
@click.pass_obj
def list_reservations(obj: dict[str, Any], output: str) -> None:
    """List the addresses that are kept for a machine, where each comes from, and what is wrong with it.

    A node of the rack keeps its address by itself (source `node`) where the DHCP server would forget it.

    \b
    edgectl dhcp reservations
    edgectl dhcp reservations -o json
    """
    access = session.open_session(obj["kubeconfig"], obj["context"])
    report = _report(access)
    rows = pending(report.get("reservations", []), _wished(access))
    if output == "json":
        click.echo(json.dumps({"reservations": rows}))
        return
    click.echo(table(("ADDRESS", "MAC", "NAME", "FOR", "SOURCE", "STATE"), [
        (row["address"], row.get("mac", ""), row.get("name", ""), row.get("node") or row.get("serial", ""),
         row.get("source", reservations.SETTINGS), row.get("problem") or "kept") for row in rows]))
    _tell(report)


@command.command("reserve")
@click.argument("address")
@click.option("--mac", default="", help="Hardware address of the machine's wired interface.")
@click.option("--serial", default="", help="Serial number of the board.")
@click.option("--node", default="", help="Name of a node of the rack.")
@click.option("--name", default="", help="Host name the machine gets with the address.")
@click.pass_obj
def reserve(obj: dict[str, Any], address: str, mac: str, serial: str, node: str, name: str) -> None:
    """Keep ADDRESS for one machine. It gets it when it asks the next time: at half of its lease, or at a reboot.

    \b
    edgectl dhcp reserve 10.0.0.20 --node node-1
    edgectl dhcp reserve 10.0.0.30 --mac b8:27:eb:12:34:56 --name camera
    edgectl dhcp reserve 10.0.0.31 --serial 10000000a3b1c2d4
    """
    if sum(map(bool, (mac, serial, node))) != 1:
        raise CtlError("say for which machine, in one way: --mac, --serial or --node")
    access = session.open_session(obj["kubeconfig"], obj["context"])
    report = _report(access)
    found = machine(access.request("GET", "/api/v1/nodes")["items"], report.get("leases", []), mac, serial, node)
    wanted = reservations.Wanted(address=normal_address(address), mac=found, serial=serial, node=node, name=name)
    if problem := reservations.problem_of(wanted) or objection(wanted, report, _wished(access)):
        raise CtlError(problem)
    value = wishes.Entry(mac=found, serial=serial, node=node, name=name)
    _patch(access, {wanted.address: msgspec.json.encode(value).decode()})
    click.echo(f"{wanted.address} is kept for {node or serial or found}: it gets it when it asks the next time, at "
               "half of its lease or at a reboot")


@command.command("release")
@click.argument("address")
@click.pass_obj
def release(obj: dict[str, Any], address: str) -> None:
    """Keep ADDRESS for nobody any more. Who has it keeps it until the lease ends; a node keeps it as a node.

    \b
    edgectl dhcp release 10.0.0.20
    """
    access = session.open_session(obj["kubeconfig"], obj["context"])
    address = normal_address(address)
    if address not in _wished(access):
        row = next((row for row in _report(access).get("reservations", []) if row["address"] == address), None)
        if row is None:
            raise CtlError(f"{address} is not reserved: `edgectl dhcp reservations` lists those that are")
        if row.get("source") == reservations.NODE:
            raise CtlError(f"{address} is kept for node {row.get('node')} as long as that is part of the rack: reserve "
                           f"another one for it, or `edgectl delete node {row.get('node')}`")
        raise CtlError(f"{address} is reserved in /etc/edge/rack.toml on the master: remove it there")
    _patch(access, {address: None})
    click.echo(f"{address} is not reserved any more")


def with_nodes(rows: Sequence[Row], nodes: Sequence[Row]) -> list[Row]:
    """Return the leases, each with the name of the node that has the address."""
    names = {address["address"]: node["metadata"]["name"] for node in nodes
             for address in (node.get("status") or {}).get("addresses") or () if address["type"] == "InternalIP"}
    return [row | {"node": names.get(row["address"], "")} for row in rows]


def pending(rows: Sequence[Row], wished: Collection[str]) -> list[Row]:
    """Return what became of each reservation, and those of which nobody has heard yet."""
    known = {row["address"] for row in rows if row.get("source", reservations.SETTINGS) == reservations.WISHED}
    new: list[Row] = [{"address": address, "source": reservations.WISHED, "problem": "not in force yet"}
                      for address in wished if address not in known]
    return sorted([*rows, *new], key=lambda row: _order(row["address"]))


def machine(nodes: Sequence[Row], rows: Sequence[Row], mac: str, serial: str, node: str) -> str:
    """Return the hardware address of the machine that is meant, empty when it is not known yet. Raises CtlError."""
    if mac:
        if not (found := macs.normal(mac)):
            raise CtlError(f"--mac {mac!r} is no hardware address: write it as b8:27:eb:12:34:56")
        return found
    if serial and (found := macs.of_board(serial)):
        return found
    owner = next((each for each in nodes if node and each["metadata"]["name"] == node), None) or next(
        (each for each in nodes if serial and serial.lower() == str(
            (each.get("status") or {}).get("nodeInfo", {}).get("systemUUID", "")).lower()), None)
    if owner is None and node:
        raise CtlError(f"there is no node {node}: `edgectl get nodes` lists them; use --mac for a machine that has not "
                       "joined")
    if owner is None:
        return ""
    leased = [row["mac"] for row in with_nodes(rows, [owner]) if row["node"]]
    if node and not leased:
        raise CtlError(f"node {node} has no lease now: switch it on, or give its hardware address with --mac")
    return str(leased[0]) if leased else ""


def objection(wanted: reservations.Wanted, report: Row, wished: dict[str, str]) -> str:
    """Return why the address cannot be kept for that machine, as far as one can see from here."""
    # One that was released a moment ago is in the report still.
    others = [row for row in report.get("reservations", []) if not row.get("problem")
              and (row.get("source", reservations.SETTINGS) == reservations.SETTINGS or row["address"] in wished)]
    for row in others:
        if row["address"] == wanted.address and row.get("mac") != wanted.mac:
            return (f"{wanted.address} is kept for {row.get('mac')} already: `edgectl dhcp release {wanted.address}` "
                    "first")
        if wanted.mac and row.get("mac") == wanted.mac and row["address"] != wanted.address:
            return f"{wanted.mac} has {row['address']} reserved already: `edgectl dhcp release {row['address']}` first"
    if wanted.address in wished and (said := wishes.entry(wished[wanted.address])) and said.mac != wanted.mac:
        return f"{wanted.address} is wished for another machine already: `edgectl dhcp release {wanted.address}` first"
    for row in report.get("leases", []):
        if row["address"] == wanted.address and wanted.mac and row["mac"] != wanted.mac:
            return (f"{wanted.address} is leased to {row['mac']} ({row.get('name') or 'no name'}) now: choose another "
                    "address, or switch that machine off and wait until its lease has ended")
    return ""


def normal_address(text: str) -> str:
    """Return an address as everybody writes it. Raises CtlError."""
    try:
        return str(ipaddress.IPv4Address(text.strip()))
    except ValueError as error:
        raise CtlError(f"{text!r} is no IPv4 address: write it as 10.0.0.20") from error


def duration(seconds: int | None) -> str:
    """Return seconds as people say them; None is for ever."""
    if seconds is None:
        return "never"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows in columns; an empty cell is a dash."""
    cells = [head, *([cell or "-" for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return "\n".join("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                     for row in cells)


def _order(address: str) -> tuple[int, str]:
    try:
        return int(ipaddress.IPv4Address(address)), ""
    except ValueError:
        return 0, address


def _report(access: Session) -> Row:
    try:
        return access.request("GET", LEASES)
    except NotFound as error:
        raise CtlError("this rack's server does not tell of leases: its master is of an older version") from error


def _tell(report: Row) -> None:
    if report.get("problem"):
        raise CtlError(report["problem"])


def _wished(access: Session) -> dict[str, str]:
    try:
        return dict(access.request("GET", MAP).get("data") or {})
    except NotFound:
        return {}


def _patch(access: Session, data: dict[str, str | None]) -> None:
    """Change entries of the ConfigMap, which is made with the first one."""
    try:
        access.request("PATCH", MAP, {"data": data})
    except NotFound:
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": wishes.NAME}, "data": data}
        try:
            access.request("POST", MAPS, made)
        except AlreadyExists:
            access.request("PATCH", MAP, {"data": data})
