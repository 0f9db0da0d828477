"""Effects: `edge-rack serve-dhcp` and `serve-names` become the server that the settings name.

What the server needs is made first, and what a power cut has done to its lease file is put right.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from edge import config
from edge.dhcp.servers import SERVERS
from edge.rack import dhcp, gathering
from edge.rack.commands import RackError
from edge.rack.facts import Facts
from edge.rack.settings import Rack

# Debian keeps servers where not every search path looks.
SEARCH_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
KEEP_TORN = ".torn"


def prepare(rack: Rack) -> tuple[str, ...]:
    """Make what the server does not make itself, and return what had to be mended.

    Raises:
        RackError: the card is full or cannot be written.
    """
    mended = []
    try:
        for path in (rack.state_dir, dhcp.places(rack, Facts()).names, rack.run_dir):
            Path(path).mkdir(parents=True, exist_ok=True)
        current = dhcp.leases_path(rack)
        if not current.exists() or not current.stat().st_size:
            # ISC's dhcpd renames its file away before it writes a new one, and does not start without any.
            before = current.with_name(current.name + "~")
            current.write_bytes(before.read_bytes() if before.exists() else b"")
        elif (content := current.read_bytes()) != (whole := _whole(content)):
            current.with_name(current.name + KEEP_TORN).write_bytes(content)
            new = current.with_name(f".{current.name}.new")
            new.write_bytes(whole)
            new.replace(current)
            mended.append(f"{current} was torn, {len(content) - len(whole)} bytes of it are in {KEEP_TORN}")
    except OSError as error:
        raise RackError(f"{error.filename}: {error.strerror}") from error
    return tuple(mended)


def _whole(content: bytes) -> bytes:
    """Return the whole lines; what a power cut has left is zeros or half a line."""
    lines = content.split(b"\n")
    return b"".join(line + b"\n" for line in lines[:-1] if b"\0" not in line)


@click.command("serve-dhcp")
@click.option("--config", "path", type=click.Path(path_type=Path), default=Path("/etc/edge/rack.toml"),
              show_default=True, help="The rack's settings.")
def serve_dhcp(path: Path) -> None:
    """Become the DHCP server that is configured. For a supervisor; it stays in the foreground.

    \b
    edge-rack serve-dhcp     as edge-dhcp.service runs it
    """
    rack = config.load(path, Rack)
    for line in prepare(rack):
        click.echo(line, err=True)
    _become(dhcp.command(rack, Facts(programs=gathering.confining())), SERVERS[rack.dhcp.server].package)


@click.command("serve-names")
@click.option("--config", "path", type=click.Path(path_type=Path), default=Path("/etc/edge/rack.toml"),
              show_default=True, help="The rack's settings.")
def serve_names(path: Path) -> None:
    """Become the name server, where the DHCP server is not it too; else end at once. For a supervisor.

    \b
    edge-rack serve-names    as edge-names.service runs it
    """
    rack = config.load(path, Rack)
    prepare(rack)
    if command := dhcp.names_command(rack):
        _become(command, "dnsmasq-base")
    click.echo(f"{rack.dhcp.server} answers the rack's names itself: nothing to do here")


def _become(command: tuple[str, ...], package: str) -> None:
    environment = os.environ | {"PATH": f"{SEARCH_PATH}:{os.environ.get('PATH', '')}"}
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606 - no shell is wanted
    except FileNotFoundError as error:
        raise RackError(f"{command[0]} is not installed: apt-get install {package}, or choose another server "
                        "(dhcp.server in rack.toml)") from error
