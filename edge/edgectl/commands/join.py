"""`edgectl join`: lets a machine join the rack, from the laptop, over SSH."""

from __future__ import annotations

import shutil
import socket
import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

import click

from edge.api import errors
from edge.clock import SystemClock
from edge.edgectl import joining, rack_view, session, waiting_nodes
from edge.edgectl.commands import token
from edge.edgectl.failures import CtlError
from edge.edgectl.joining import Found, Route
from edge.edgectl.session import Session
from edge.edgectl.waiting_nodes import Awaited
from edge.pki import authority

LIFETIME = "1h"
SSH_SECONDS = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person has chosen."""

    dry_run: bool
    force: bool
    adopt: bool
    timeout_seconds: float
    identity_file: str
    ssh_config: str
    port: int
    config: str


@click.command("join", short_help="Let a machine join the rack, over SSH.")
@click.argument("host", metavar="[USER@]HOST")
@click.option("--via", metavar="[USER@]HOST", help="The machine to go through, or `none`. Default: the master, when "
                                                   "HOST is on the rack's switch and this computer is not.")
@click.option("-i", "--identity-file", default="", help="The SSH key to use, as for ssh.")
@click.option("-F", "--ssh-config", default="", metavar="FILE", help="SSH's settings, as for ssh.")
@click.option("-p", "--port", default=0, help="The port of SSH on HOST.")
@click.option("--timeout", default=180, show_default=True, metavar="SECONDS",
              help="How long to wait until it is Ready.")
@click.option("--dry-run", is_flag=True, help="Look at the machine and say what would be done.")
@click.option("--force", is_flag=True, help="Take it also from another rack: its identity there is put aside.")
@click.option("--adopt", is_flag=True, help="It may take the place of a node that was another machine or card before.")
@click.option("--agent-config", default=joining.AGENT_CONFIG, show_default=True, metavar="FILE",
              help="The settings of the machine's agent.")
@click.pass_obj
def command(obj: dict[str, Any], host: str, via: str | None, identity_file: str, ssh_config: str, port: int,
            timeout: int, dry_run: bool, force: bool, adopt: bool, agent_config: str) -> None:
    """Let a machine that has edge installed join the rack.

    HOST is an address, a name, or the name or serial number that `edgectl discover` shows. A token that is good for an
    hour is made, brought to the machine over SSH together with the hash of the rack's authority, and removed again
    when the machine is Ready. It is safe to repeat; a machine that has joined is left alone.

    \b
    edgectl discover
    edgectl join pi@node-4
    edgectl join pi@10.0.0.5 --via pi@192.168.1.17
    edgectl join root@100000003d1d2c4f --dry-run
    """
    if shutil.which("ssh") is None:
        raise CtlError("ssh is not installed here: Debian's openssh-client")
    options = Options(dry_run=dry_run, force=force, adopt=adopt, timeout_seconds=float(timeout),
                      identity_file=identity_file, ssh_config=ssh_config, port=port, config=agent_config)
    access = session.open_session(obj["kubeconfig"], obj["context"])
    way = joining.route(host, _surroundings(access, joining.split(host)[1]), via)
    click.echo(f"{way.target}{f' through {way.via}' if way.via else ''}", err=True)
    found = joining.read_look(_run(way, joining.look_script(options.config), options))
    _join(access, way, found, options)


def _join(access: Session, way: Route, found: Found, options: Options) -> None:
    ours = authority.spki_hash(access.ca)
    theirs = _hash(found.ca) if found.ca else ""
    node = waiting_nodes.get(access, found.node)
    if theirs == ours and node is not None:
        click.echo(f"it has joined already, as {found.node}")
        _wait(access, Awaited(node=found.node), options)
        return
    if theirs and theirs != ours and not options.force:
        raise CtlError(f"{way.target} belongs to another rack, whose authority is {theirs}; --force takes it from "
                       "there")
    if not theirs and node is not None and waiting_nodes.is_ready(node):
        raise CtlError(f"another machine is the node {found.node}, and Ready: give this one another name (node_name in "
                       f"{options.config}, or its host name) and restart its edge-agent")
    if options.dry_run:
        click.echo(f"would let it join as {found.node}: a token for an hour, the hash {ours}, edge-agent started")
        return
    made = token.make(access, token.parse_ttl(LIFETIME), f"edgectl join {found.node}")
    try:
        if found.request:
            waiting_nodes.forget_request(access, found.request)
        # On standard input: an argument list is for everybody on the machine to see.
        _run(way, joining.give_script(options.config, put_aside=bool(theirs) and options.force), options,
             text=f"{made['token']}\n{ours}\n")
        click.echo(f"token brought, edge-agent started: it joins as {found.node}", err=True)
        _wait(access, Awaited(node=found.node, token_id=made["token"].partition(".")[0], adopt=options.adopt), options)
    finally:
        _remove(access, made["token"])


def _wait(access: Session, awaited: Awaited, options: Options) -> None:
    if options.dry_run:
        return
    waiting_nodes.until_ready(access, awaited, SystemClock(), options.timeout_seconds,
                              lambda text: click.echo(f"  {text}", err=True))
    click.echo(f"node {awaited.node} is Ready")


def _remove(access: Session, text: str) -> None:
    try:
        access.request("DELETE", f"{token.SECRETS}/{token.PREFIX}{text.partition('.')[0]}")
    except errors.NotFound:
        pass
    except (errors.ApiError, CtlError) as error:
        click.echo(f"the token {text.partition('.')[0]} is still there, and ends within the hour: {error}", err=True)


def _hash(pem: bytes) -> str:
    try:
        return authority.spki_hash(pem)
    except (authority.PkiError, ValueError):
        return "damaged"


def _run(way: Route, script: str, options: Options, text: str = "") -> str:
    """Run a script on the machine with the real SSH client. Raises CtlError."""
    argv = joining.ssh_command(way, script, identity_file=options.identity_file, port=options.port,
                               config=options.ssh_config)
    try:
        done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False, timeout=SSH_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise CtlError(f"{way.target}: nothing came back within {SSH_SECONDS:.0f} s") from error
    except OSError as error:
        raise CtlError(f"ssh cannot be started: {error}") from error
    if done.returncode != 0:
        raise CtlError(joining.failure(done.returncode, done.stderr, way))
    return done.stdout


def _surroundings(access: Session, host: str) -> joining.Surroundings:
    seen = rack_view.discovered(access)
    sides = seen.get("sides", [])
    networks = [IPv4Network(side["network"]) for side in sides if side["role"] == "rack"]
    own = rack_view.own_addresses()
    master = access.host
    if master in ("localhost", "127.0.0.1", "::1"):
        # A forwarded port; the master itself is in the home network, or on the rack.
        master = next((side["address"] for role in ("uplink", "rack") for side in sides if side["role"] == role), "")
    return joining.Surroundings(machines=seen.get("machines", []), networks=networks, own_addresses=own, master=master,
                                nodes=access.request("GET", "/api/v1/nodes")["items"], resolves=_resolves(host))


def _resolves(host: str) -> bool:
    try:
        socket.getaddrinfo(host, 22)
    except OSError:
        return False
    return True


