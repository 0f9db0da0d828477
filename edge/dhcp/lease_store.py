"""Effects: reads the lease files of a DHCP server, and again only when they have changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from edge.dhcp.model import Lease, Server

MAX_BYTES = 64 << 20
FRESH_SECONDS = 10
"""How long leases that have ended meanwhile may still be shown; a file that changes is read at once."""

Stamp = tuple[tuple[int, int, int] | None, ...]


class LeaseStore:
    """The lease files of one server."""

    def __init__(self, server: Server, directory: Path) -> None:
        self._server = server
        self._paths = tuple(directory / name for name in server.lease_files)
        self._key: tuple[Stamp, int] | None = None
        self._leases: tuple[Lease, ...] = ()
        self.problem = ""
        """Why the leases are not known; empty when they are."""

    def read(self, now: datetime) -> tuple[Lease, ...]:
        """Return the leases that hold at `now`; of a file that is missing, none."""
        key = (stamp(self._paths), int(now.timestamp()) // FRESH_SECONDS)
        if key != self._key:
            text, self.problem = _text(self._paths)
            self._leases = self._server.leases(text, now)
            self._key = key
        return self._leases


def stamp(paths: Sequence[Path]) -> Stamp:
    """Return what tells that files have changed."""
    found: list[tuple[int, int, int] | None] = []
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            found.append(None)
        else:
            found.append((status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)


def _text(paths: Sequence[Path]) -> tuple[str, str]:
    """Return the files one after the other, and what is wrong with them."""
    texts, problem = [], ""
    for path in paths:
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            continue
        except OSError as error:
            problem = f"cannot read {path}: {error.strerror}"
            continue
        if len(content) > MAX_BYTES:
            problem = f"{path} is larger than {MAX_BYTES >> 20} MiB: restart the DHCP server, which cleans it up"
            continue
        texts.append(content.decode(errors="replace"))
    return "".join(texts), problem
