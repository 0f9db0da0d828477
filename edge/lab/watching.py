"""Which files of a lab machine have changed since a program read them, as systemd's path units notice it on a Pi."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

Stamp = tuple[tuple[str, int, int, int], ...]
"""Path, inode, size and time of change of everything that is watched; what is missing is not in it."""


def stamp(paths: Sequence[str]) -> Stamp:
    """Return what the paths look like now; of a directory, the files in it that are not hidden.

    A file that is written under a hidden name and renamed is seen once, when it is whole.
    """
    return tuple(entry for path in paths for entry in _entries(Path(path)))


def _entries(path: Path) -> list[tuple[str, int, int, int]]:
    try:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
    except OSError:
        return []
    found = []
    for entry in inside:
        if entry != path and entry.name.startswith("."):
            continue
        try:
            status = entry.stat()
        except OSError:
            continue
        found.append((str(entry), status.st_ino, status.st_size, status.st_mtime_ns))
    return found
