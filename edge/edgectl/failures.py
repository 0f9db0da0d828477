"""Turns what can go wrong into one sentence on standard error and exit code 1."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from edge.api.errors import ApiError


class CtlError(Exception):
    """Something the person at the keyboard can mend; the text says what and how."""


@contextmanager
def told() -> Iterator[None]:
    """Run a command; a refusal of the server is worded as kubectl words it."""
    try:
        yield
    except ApiError as error:
        click.echo(f"Error from server ({error.reason}): {error.message}", err=True)
        sys.exit(1)
    except CtlError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
