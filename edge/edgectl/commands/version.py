"""`edgectl version`: ours, and the rack's when it answers."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import click

from edge.edgectl import session
from edge.edgectl.failures import CtlError


@click.command("version")
@click.pass_obj
def command(obj: dict[str, Any]) -> None:
    """Show the versions of edgectl and of the rack."""
    click.echo(f"edgectl: {metadata.version('edgerack')}")
    try:
        answer = session.open_session(obj["kubeconfig"], obj["context"]).request("GET", "/version")
        click.echo(f"rack:    {answer['gitVersion']}")
    except CtlError as error:
        click.echo(f"rack:    unknown ({error})")
