"""Effects: hears from the kernel's log when the machine as a whole ran out of memory and a process was killed for it.

https://docs.kernel.org/admin-guide/abi-testing.html (dev-kmsg)
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass

LOG = "/dev/kmsg"
DEVICE = os.makedev(1, 11)
STANDARD_INPUT = 0
RECORD_BYTES = 8192
MOST_RECORDS = 5_000
_KILLED = re.compile(rb"oom-kill:constraint=CONSTRAINT_(?:NONE|CPUSET|MEMORY_POLICY),.*\btask=(.*),pid=([0-9]+),uid=")


@dataclass(frozen=True, slots=True)
class Victim:
    """A process that the kernel killed because the machine had no memory left."""

    name: str
    pid: int


def victim(record: bytes) -> Victim | None:
    """Return who was killed, where a record of the log tells of that; a limit of a control group is none of it."""
    match = _KILLED.search(record)
    return Victim(match[1].decode(errors="replace"), int(match[2])) if match else None


class SystemOom:
    """What the log says from now on; nothing where it cannot be read.

    systemd hands the log over as standard input, so that the agent needs no right to read it.
    """

    def __init__(self, path: str = LOG) -> None:
        try:
            self._log: int | None = _handed_over() or os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            os.lseek(self._log, 0, os.SEEK_END)
        except OSError:
            self._log = None

    @property
    def listens(self) -> bool:
        """Whether there is a log to read."""
        return self._log is not None

    def read(self) -> tuple[Victim, ...]:
        """Return the victims since the last call. Blocks for microseconds."""
        found: list[Victim] = []
        for _ in range(MOST_RECORDS if self._log is not None else 0):
            assert self._log is not None
            try:
                record = os.read(self._log, RECORD_BYTES)
            except BrokenPipeError:
                continue  # The kernel has overwritten what we were about to read; the next read goes on behind it.
            except OSError:
                break
            if not record:
                break
            if (dead := victim(record)) is not None:
                found.append(dead)
        return tuple(found)

    def close(self) -> None:
        """Hear no more."""
        if self._log is not None:
            os.close(self._log)
            self._log = None


def _handed_over() -> int | None:
    """Return a descriptor of the log where that is the standard input. Raises OSError."""
    found = os.fstat(STANDARD_INPUT)
    if not stat.S_ISCHR(found.st_mode) or found.st_rdev != DEVICE:
        return None
    os.set_blocking(STANDARD_INPUT, False)
    return os.dup(STANDARD_INPUT)
