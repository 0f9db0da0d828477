"""`edgectl node`: who the nodes are: their keys and boards, who waits to be let in, and who takes whose place."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from edge.api import times
from edge.clock import SystemClock
from edge.edgectl import node_requests, session
from edge.edgectl.commands import node_revoke
from edge.edgectl.failures import CtlError
from edge.edgectl.session import Session
from edge.pki import approval

NODES = "/api/v1/nodes"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
SIGNED_SECONDS, LOOK_SECONDS = 30.0, 0.3
OUTPUT = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.group("node")
def command() -> None:
    """Nodes as members of the rack: their identities, and what to do when a card or a board was replaced.

    A node is known by its key, which is on its card, and by its board's serial number.

    \b
    edgectl node certificates         every node's board, key and certificate
    edgectl node requests             machines that wait to be let in, and for what
    edgectl node adopt node-2         a card flashed anew, or a new board, becomes node-2
    edgectl node revoke node-2        a card was stolen: its key opens nothing any more
    """


command.add_command(node_revoke.command)


@command.command("certificates")
@OUTPUT
@click.pass_obj
def show_certificates(obj: dict[str, Any], output: str) -> None:
    """Show every node's board, key and certificate.

    Nodes renew their certificates themselves, also when they have expired while the rack was off. A node whose state is
    not `valid` has been off, or cannot reach the master.
    """
    access = session.open_session(obj["kubeconfig"], obj["context"])
    found = node_requests.certificates(access.request("GET", NODES)["items"], SystemClock().now())
    if output == "json":
        click.echo(json.dumps([asdict(each) for each in found], indent=2))
        return
    _print(("NAME", "SERIAL", "KEY", "EXPIRES", "STATE"),
           [(each.name, each.serial, node_requests.short(each.key), each.expires, each.state) for each in found])


@command.command("requests")
@OUTPUT
@click.pass_obj
def show_requests(obj: dict[str, Any], output: str) -> None:
    """Show the machines that ask to be let in and have to wait, and for what."""
    access = session.open_session(obj["kubeconfig"], obj["context"])
    found = node_requests.waiting(access.request("GET", REQUESTS)["items"])
    if output == "json":
        click.echo(json.dumps([asdict(each) for each in found], indent=2))
    elif not found:
        click.echo("no machine waits")
    for each in found if output == "text" else ():
        click.echo(f"{each.request}\n  name:   {each.name}\n  serial: {each.serial or '-'}\n  key:    {each.key}\n"
                   f"  since:  {each.since}\n  waits:  {each.waits_for or 'to be looked at'}")


@command.command("adopt")
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@OUTPUT
@click.pass_obj
def adopt(obj: dict[str, Any], name: str, yes: bool, output: str) -> None:
    """Let the machine that waits for it be the node NAME; NAME may also be the request, see `edgectl node requests`.

    For a card that was flashed anew, or a board that takes another one's place. The node keeps its name, its address
    range for pods, its labels and its pods. The key it had before is revoked: the old card opens nothing any more.

    \b
    edgectl node adopt node-2
    edgectl node adopt node-raspberrypi-1a2b3c-0123456789 --yes
    """
    access = session.open_session(obj["kubeconfig"], obj["context"])
    requests = access.request("GET", REQUESTS)["items"]
    found = node_requests.adoption(name, access.request("GET", NODES)["items"], node_requests.waiting(requests))
    if not yes:
        click.echo(_described(found), err=True)
        click.confirm(f"Let this machine be {found.name}?", abort=True, err=True)
    request = next(each for each in requests if each["metadata"]["name"] == found.request)
    _approve(access, request, found)
    if output == "json":
        click.echo(json.dumps(asdict(found), indent=2))
    else:
        click.echo(f"{found.name} adopted: key {node_requests.short(found.new_key)}"
                   + (f", board {found.new_serial}" if found.new_serial else ""))


def _approve(access: Session, request: dict[str, Any], found: node_requests.Adoption) -> None:
    now = times.render(SystemClock().now())
    condition = {"type": "Approved", "status": "True", "reason": approval.ADOPTED, "lastUpdateTime": now,
                 "message": approval.adopted_message(found.name, "`edgectl node adopt` gave the name to this key")}
    status = request.get("status") or {}
    approved = {**request, "status": {**status, "conditions": [*(status.get("conditions") or ()), condition]}}
    access.request("PUT", f"{REQUESTS}/{found.request}/approval", approved)
    deadline = time.monotonic() + SIGNED_SECONDS
    while time.monotonic() < deadline:
        status = access.request("GET", f"{REQUESTS}/{found.request}").get("status", {})
        if status.get("certificate"):
            return
        if failed := next((each for each in status.get("conditions", ()) if each["type"] == "Failed"), None):
            raise CtlError(f"the certificate was not signed: {failed.get('message', '')}")
        time.sleep(LOOK_SECONDS)
    raise CtlError(f"{found.request} is approved but not signed after {SIGNED_SECONDS:.0f} s; look at the log of "
                   "edge-server on the master (`journalctl -u edge-server`)")


def _described(found: node_requests.Adoption) -> str:
    rows = (("serial", found.old_serial, found.new_serial), ("key", found.old_key, found.new_key))
    lines = [f"node {found.name}, silent since {found.silent_since or 'ever'}"]
    lines += [f"  {what + ':':<8} {old or '-'}\n       now {new or '-'}" if old != new else f"  {what + ':':<8} {old}"
              for what, old, new in rows]
    return "\n".join((*lines, "  The key it had is revoked; name, labels, address range and pods stay."))


def _print(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    shown = [head, *([cell or "-" for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in shown) for column in range(len(head))]
    for row in shown:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
