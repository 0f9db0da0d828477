"""`edgectl lab ...`: handed to the lab, which is a program of its own."""

from __future__ import annotations

import os
import sys

import click


@click.command("lab", add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """A whole rack on this machine."""
    os.execv(sys.executable, [sys.executable, "-m", "edge.lab.main", *arguments])  # noqa: S606 - no shell is wanted
