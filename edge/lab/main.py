"""`edgectl lab`: a four-node rack on this machine."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import click

from edge.lab import down as downs
from edge.lab import host, power, status, topology
from edge.lab import up as ups
from edge.lab.host import LabError
from edge.lab.topology import Lab

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--name", default="edge", show_default=True, help="Tells several racks on one machine apart.")
@click.option("--state", type=click.Path(path_type=Path), help="Where the machines' cards are kept.  [default: "
              "/var/lib/NAME-lab]")
@click.pass_context
def lab(context: click.Context, name: str, state: Path | None) -> None:
    """A whole rack on this machine: master, three workers, a laptop and the home network, in network namespaces.

    \b
    edgectl lab up                    bring it up, deploy the sample, prove that it answers
    edgectl lab power off node-2      pull a plug
    edgectl lab shell node-1          look around on a machine
    edgectl lab down                  leave nothing behind
    """
    if not re.fullmatch(r"[a-z][a-z0-9]{0,15}", name):
        raise LabError(f"--name {name}: use up to 16 lower case letters and digits, a letter first")
    context.obj = Lab((state or Path(f"/var/lib/{name}-lab")).absolute(), name)


@lab.command()
@click.option("--port", type=click.IntRange(1, 65535), default=topology.API_PORT, show_default=True,
              help="Loopback port of this host that leads to the rack's API.")
@click.option("--sample/--no-sample", default=True, help="Deploy examples/hello and show that it answers.")
@click.pass_obj
def up(lab: Lab, port: int, sample: bool) -> None:
    """Bring the rack up. Safe to repeat: what is up already stays as it is."""
    ups.up(lab, ups.Options(port=port, sample=sample, examples=EXAMPLES))


@lab.command()
@click.option("--keep", is_flag=True, help="Keep the machines' cards for the next `up`.")
@click.pass_obj
def down(lab: Lab, keep: bool) -> None:
    """Stop the rack and leave no process, mount, namespace or interface behind."""
    _require_root()
    downs.down(lab, keep=keep)


@lab.command("status")
@click.pass_obj
def show(lab: Lab) -> None:
    """Show machines, their addresses and programs. Exit code 1 when a machine is off."""
    _require_root()
    text, all_on = status.render(lab)
    click.echo(text)
    sys.exit(0 if all_on else 1)


@lab.command(context_settings={"ignore_unknown_options": True})
@click.argument("machine", type=click.Choice(topology.ALL))
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def shell(lab: Lab, machine: str, command: tuple[str, ...]) -> None:
    """Open a shell on MACHINE, or run COMMAND there: `edgectl lab shell node-1 -- podman ps`."""
    _require_root()
    argv = power.enter(lab, machine, command or (os.environ.get("SHELL", "/bin/sh"),))
    os.environ.update(power.environment(lab, machine))
    os.environ["KUBECONFIG"] = str(lab.kubeconfig)
    os.environ["PATH"] = f"{host.program_directory()}:{os.environ.get('PATH', '')}:{host.SEARCH_PATH}"
    os.execvp(argv[0], argv)  # noqa: S606 - the person asked for a shell


@lab.command()
@click.argument("url")
@click.option("--from", "machine", type=click.Choice(topology.ALL), default="laptop", show_default=True)
@click.pass_obj
def fetch(lab: Lab, url: str, machine: str) -> None:
    """Fetch URL as a browser on the laptop (or another machine) would."""
    _require_root()
    argv = power.enter(lab, machine, (sys.executable, "-m", "edge.lab.fetch", url))
    os.execvp(argv[0], argv)  # noqa: S606 - no shell is wanted


@lab.group("power")
def switch() -> None:
    """Switch a machine on or off, as one pulls a plug: nothing on it is told."""


@switch.command("on")
@click.argument("machine", type=click.Choice(topology.ALL))
@click.pass_obj
def power_on(lab: Lab, machine: str) -> None:
    """Put the plug of MACHINE back in."""
    _require_root()
    ups.switch_on(lab, machine, host.cgroups(Path("/proc/mounts").read_text()))


@switch.command("off")
@click.argument("machine", type=click.Choice(topology.ALL))
@click.pass_obj
def power_off(lab: Lab, machine: str) -> None:
    """Pull the plug of MACHINE."""
    _require_root()
    power.switch_off(lab, machine)


def _require_root() -> None:
    if os.geteuid() != 0:
        raise LabError("the lab's machines are network namespaces, so this needs root: run it again with sudo")


def main() -> None:
    """Run the command; a problem a person can mend is one sentence and exit code 1."""
    try:
        lab(prog_name="edgectl lab")
    except LabError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
