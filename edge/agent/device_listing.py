"""Effects: reads which device nodes a machine has, and what /sys says of them. All of it is in memory, not on the card.

Everything is below `root`, which is / but in tests.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from glob import glob
from pathlib import Path

from edge.agent.board_facts import Identity
from edge.agent.devices import Found, Listing, Picture

IsDevice = Callable[[os.stat_result], bool]


def is_device(status: os.stat_result) -> bool:
    """Return whether a file is a device node."""
    return stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)


def read(root: Path, patterns: Iterable[str], accept: IsDevice = is_device) -> Listing:
    """Return what there is of the patterns, each an absolute path with wildcards."""
    nodes = tuple(_nodes(root, patterns, accept))
    pictures = {node.path: found for node in nodes if node.path.startswith(("/dev/video", "/dev/media"))
                if (found := _picture(root, node.path)) is not None}
    return Listing(is_board=bool(identity(root).model), nodes=nodes, pictures=pictures, taken=frozenset(_taken(root)))


def changes_of(root: Path, patterns: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Return what differs as soon as a node comes or goes: the times of the directories that hold them."""
    found = {}
    for folder in {_folder(pattern) for pattern in patterns}:
        try:
            found[folder] = (root / folder.lstrip("/")).stat().st_mtime_ns
        except OSError:
            found[folder] = 0
    return tuple(sorted(found.items()))


def identity(root: Path) -> Identity:
    """Return what the board says it is; nothing for a machine without a device tree."""
    tree = root / "proc/device-tree"
    try:
        revision = (tree / "system/linux,revision").read_bytes().hex().lstrip("0")
    except OSError:
        revision = ""
    return Identity(text(tree / "model"), revision)


def text(path: Path) -> str:
    """Return the first words of a small file, empty when there is none."""
    try:
        with path.open("rb") as file:
            return file.read(256).decode(errors="replace").strip("\0\n ")
    except OSError:
        return ""


def _folder(pattern: str) -> str:
    parts = pattern.split("/")
    plain = next((index for index, part in enumerate(parts) if any(c in part for c in "*?[")), len(parts) - 1)
    return "/".join(parts[:plain])


def _nodes(root: Path, patterns: Iterable[str], accept: IsDevice) -> Iterator[Found]:
    top = os.path.realpath(root).rstrip("/")
    seen: set[str] = set()
    for pattern in patterns:
        for name in glob(top + pattern):  # noqa: PTH207 - of a pattern that begins at the root
            if name in seen:
                continue
            seen.add(name)
            try:
                status, real = os.stat(name), os.path.realpath(name)  # noqa: PTH116
            except OSError:
                continue  # A link to what is gone.
            if accept(status) and real.startswith(f"{top}/dev/"):
                yield Found(name[len(top):], real[len(top):], status.st_gid)


def _picture(root: Path, path: str) -> Picture | None:
    name = path.rpartition("/")[2]
    if name.startswith("video"):
        entry = root / "sys/class/video4linux" / name
        return Picture(text(entry / "name"), os.path.realpath(entry / "device")) if entry.exists() else None
    entry = root / "sys/bus/media/devices" / name
    return Picture(text(entry / "model"), str(Path(os.path.realpath(entry)).parent)) if entry.exists() else None


def _taken(root: Path) -> Iterator[str]:
    """Yield serial ports that nobody else can use: the kernel's console, and nodes without hardware."""
    for name in text(root / "sys/class/tty/console/active").split():
        yield f"/dev/{name}"
    for entry in (root / "sys/class/tty").glob("ttyS*"):
        if text(entry / "type") == "0":
            yield f"/dev/{entry.name}"
