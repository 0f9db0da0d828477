"""Effects: runs programs, each within a bound, and says in one sentence what went wrong."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

from edge.rack.document import TOOL_SECONDS, Command

PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
"""Debian keeps most of what is needed here where a person's shell does not look."""


class RackError(Exception):
    """Something the person who runs the rack can mend; the text says what."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended; 127 when it is not installed, 124 when it took too long."""

    code: int
    out: str = ""
    err: str = ""

    @property
    def words(self) -> str:
        """The last of what it said, for a sentence."""
        return " ".join((self.err or self.out).strip().splitlines()[-3:]) or f"exit code {self.code}"


def run(*argv: str, seconds: float = TOOL_SECONDS) -> Ran:
    """Run a program in the C locale and return how it ended; nothing is raised."""
    try:
        done = subprocess.run(argv, capture_output=True, check=False, timeout=seconds, stdin=subprocess.DEVNULL,
                              env=os.environ | {"LC_ALL": "C", "PATH": PATH})
    except FileNotFoundError:
        return Ran(127, err=f"{argv[0]} is not installed")
    except subprocess.TimeoutExpired:
        return Ran(124, err=f"no end after {seconds:g} s")
    except OSError as error:
        return Ran(126, err=f"{argv[0]}: {error.strerror}")
    return Ran(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def require_root() -> None:
    """Raise RackError unless this is root: what others see of the network is not all of it."""
    if os.geteuid() != 0:
        raise RackError("only root sees and changes the machine's network: put sudo before it")


def must(command: Command) -> str:
    """Run a command that has to succeed; one that is optional returns what went wrong, empty when nothing did.

    Raises:
        RackError: it failed.
    """
    ran = run(*command.argv, seconds=command.seconds)
    if ran.code == 0:
        return ""
    text = ran.words if ran.code == 127 else f"`{' '.join(command.argv)}` failed: {ran.words}"
    if command.optional:
        return text
    raise RackError(text)
