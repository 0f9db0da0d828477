"""What the ground consists of, as values: files with the commands that check them, and commands that activate them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Part = Literal["network", "forwarding", "packets", "dhcp", "names", "broker", "time"]
"""What a file is for. `edge-rack apply --only PART` makes one of them."""
PARTS: tuple[Part, ...] = ("network", "forwarding", "packets", "dhcp", "names", "broker", "time")

WRITTEN_BY = "Written by `edge-rack apply` from /etc/edge/rack.toml; changes made here are lost."
TOOL_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file of the ground, as it has to be."""

    path: Path
    text: str
    part: Part
    check: tuple[str, ...] = ()
    """The command that refuses a wrong one; `{}` in it stands for the file."""
    mode: int = 0o644
    owner: str = "root"
    """User, by name, whose own it is."""
    unit: str = ""
    """The systemd unit that reads it."""
    reload: bool = False
    """Whether that unit notices a change on `systemctl reload`; else it is restarted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program to run, and what its failure means."""

    argv: tuple[str, ...]
    optional: bool = False
    """A failure is told and nothing else."""
    seconds: float = TOOL_SECONDS
