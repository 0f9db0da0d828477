"""`edgectl doctor`: looks at everything that is known to go wrong with a rack, and names what has."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from edge.clock import SystemClock
from edge.edgectl.doctor import (
    here_board,
    here_gather,
    here_kernel,
    here_network,
    here_programs,
    here_storage,
    rack_access,
    rack_gather,
    rack_nodes,
    rack_workloads,
    results,
)

HERE = (*here_kernel.CHECKS, *here_storage.CHECKS, *here_board.CHECKS, *here_network.CHECKS, *here_programs.CHECKS)
"""Checks of the board edgectl runs on."""
RACK = (*rack_access.CHECKS, *rack_nodes.CHECKS, *rack_workloads.CHECKS)
"""Checks of the rack, through its API."""


@click.command("doctor")
@click.option("--here", is_flag=True, help="Look at this board instead, before or after anything is installed.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--offline", is_flag=True, help="With --here: do not ask the internet.")
@click.option("--rack-config", type=click.Path(path_type=Path), default=Path("/etc/edge/rack.toml"), show_default=True,
              help="With --here: the rack's settings, which the master alone has.")
@click.option("--agent-config", type=click.Path(path_type=Path), default=Path("/etc/edge/agent.toml"),
              show_default=True, help="With --here: the agent's settings.")
@click.pass_obj
def command(obj: dict[str, Any], here: bool, output: str, offline: bool, rack_config: Path,
            agent_config: Path) -> None:
    """Look for what is wrong, and say what to do.

    Each line is ok, a warning (works, and will hurt), a problem, or unknown; below it stands the next command. The exit
    code is 1 when there is a problem. docs/doctor.md lists every check.

    \b
    edgectl doctor                    the rack, from a laptop
    sudo edgectl doctor --here        the board you are on: kernel, card, power, clock, network, programs
    edgectl doctor -o json | jq '.results[] | select(.level == "problem")'
    """
    if here:
        facts = here_gather.gather(here_gather.Choice(rack_settings=rack_config, agent_settings=agent_config,
                                                      internet=not offline), SystemClock().now())
        found = results.run(HERE, facts)
    else:
        found = results.run(RACK, rack_gather.gather(obj["kubeconfig"], obj["context"], SystemClock()))
    click.echo(json.dumps(results.as_json(found), indent=2) if output == "json"
               else "\n".join(results.as_lines(found)))
    if results.counts(found)[results.Level.PROBLEM]:
        sys.exit(1)
