"""`edge-rack`: makes the master's own ground so, checks it and exits. Nothing of it stays in memory.

`edge-rack apply` is safe to repeat: it changes what differs. Every configuration is checked by the program that will
read it before it takes the place of the last good one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from edge import config
from edge.clock import SystemClock
from edge.pki import clock_floor
from edge.rack import apply, check, dhcp_serve, gathering, probe_run, renderers, reset
from edge.rack.check import Problem
from edge.rack.commands import RackError, require_root
from edge.rack.document import PARTS, Part
from edge.rack.settings import Rack

SETTINGS = Path("/etc/edge/rack.toml")

_settings = click.option("--config", "path", type=click.Path(path_type=Path), default=SETTINGS, show_default=True,
                         help="The rack's settings.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def edge_rack() -> None:
    """The master's own ground: address, NAT, DHCP, names, time, broker, identities.

    \b
    edge-rack apply --check     what would be changed
    edge-rack apply             make it so; safe to repeat
    edge-rack check             what is wrong, and what to do
    edge-rack reset             take all of it away again
    """


@edge_rack.command("apply")
@_settings
@click.option("--check", "dry", is_flag=True, help="Only say what would be changed.")
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Make these parts alone, such as `packets`.")
def apply_command(path: Path, dry: bool, only: tuple[Part, ...]) -> None:
    """Make the ground as the settings say. Safe to repeat; needs root.

    \b
    edge-rack apply
    edge-rack apply --only packets     put the packet rules back that another program has flushed
    """
    rack = config.load(path, Rack)
    if dry:
        click.echo("\n".join(apply.preview(rack)) or "nothing to change")
        return
    clock_floor.raise_clock(SystemClock())  # Before anything is said about certificates.
    outcome = apply.apply(rack, only or PARTS)
    click.echo("changed: " + ", ".join(outcome.changed) if outcome.changed else "nothing to change")
    for note in outcome.notes:
        click.echo(f"note: {note}", err=True)
    for problem in outcome.problems:
        click.echo(f"problem: {_words(problem)}", err=True)


@edge_rack.command("show")
@_settings
@click.argument("names", nargs=-1)
def show_command(path: Path, names: tuple[str, ...]) -> None:
    """Print the files that `apply` would write: all of them, or those of these names.

    \b
    edge-rack show
    edge-rack show rack.nft mosquitto.conf
    """
    rack = config.load(path, Rack)
    documents = renderers.documents(rack, gathering.gather(rack, firewalls=False))
    known = sorted(document.path.name for document in documents)
    if unknown := [name for name in names if name not in known]:
        raise RackError(f"there is no file {unknown[0]}; there are {', '.join(known)}")
    for document in documents:
        if not names or document.path.name in names:
            click.echo(f"# ==> {document.path} ({document.part}, {document.mode:04o} {document.owner})")
            click.echo(document.text)


@edge_rack.command("check")
@_settings
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def check_command(path: Path, output: str) -> None:
    """Look for what is wrong with the ground and say what to do. Changes nothing; exit code 1 when something is.

    \b
    edge-rack check
    edge-rack check -o json     {"problems": [{"reason": ..., "message": ..., "remedy": ...}]}
    """
    require_root()
    rack = config.load(path, Rack)
    problems = check.check(rack, gathering.gather(rack, ask=True))
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode({"problems": problems}), indent=2).decode())
    else:
        click.echo("\n".join(map(_words, problems)) or "nothing is wrong")
    sys.exit(1 if problems else 0)


@edge_rack.command("reset")
@_settings
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset_command(path: Path, yes: bool) -> None:
    """Take the ground away: files, packet rules, address. Identities and leases stay; workers lose their network.

    \b
    edge-rack reset --yes
    """
    rack = config.load(path, Rack)
    if not yes:
        click.confirm(f"The workers on {rack.interface} lose their network. Go on?", abort=True)
    gone = reset.reset(rack)
    click.echo("removed: " + ", ".join(gone) if gone else "nothing to remove")


def _words(problem: Problem) -> str:
    return f"{problem.reason}: {problem.message}. To do: {problem.remedy}"


for _command in (probe_run.command, dhcp_serve.serve_dhcp, dhcp_serve.serve_names):
    edge_rack.add_command(_command)


def main() -> None:
    """Run the command; a problem a person can mend is one sentence and exit code 1."""
    try:
        edge_rack(prog_name="edge-rack")
    except (RackError, config.ConfigError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
