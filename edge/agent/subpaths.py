"""Effects: binds a path inside a volume to a path of its own, so that a container can mount it alone.

A container may write links into its volume at any moment, also between a check and the mount. So the path is walked
from the volume's root, one directory descriptor after the other and never along a link, and what the last descriptor
stands for is bound. A link that stays inside the volume is resolved before that. Everything here blocks, and may block
for ever where the volume is a dead file server's.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from edge.agent import mounting
from edge.agent.volumes import FilesError, SubPath

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def bind(wanted: SubPath) -> None:
    """Bind the path, made where it is missing; one that is bound already and is the same stays.

    Raises:
        FilesError: it leads out of the volume, or cannot be made or bound.
    """
    try:
        found = _open(wanted)
        try:
            _bind(found, wanted)
        finally:
            os.close(found)
    except OSError as error:
        raise _failed(wanted, str(error)) from error


def _failed(wanted: SubPath, why: str) -> FilesError:
    return FilesError(f'failed to prepare subPath for volumeMount "{wanted.volume}" of container '
                      f'"{wanted.container}": {why}')


def _open(wanted: SubPath) -> int:
    """Return a descriptor of the path. Raises OSError, FilesError."""
    root = os.path.realpath(wanted.root)
    real = os.path.realpath(f"{wanted.root}/{wanted.path}")
    if real != root and not real.startswith(root.rstrip("/") + "/"):
        raise _failed(wanted, f"subpath {wanted.path} leads out of the volume")
    here = os.open(root, _LOOK)
    try:
        mode = stat.S_IMODE(os.fstat(here).st_mode)
        for name in Path(real).relative_to(root).parts:
            there = _enter(here, name, mode)
            os.close(here)
            here = there
            if stat.S_ISLNK(os.fstat(here).st_mode):
                raise _failed(wanted, f"subpath {wanted.path} was changed into a link on the way")
    except (OSError, FilesError):
        os.close(here)
        raise
    return here


def _enter(here: int, name: str, mode: int) -> int:
    """Return a descriptor of an entry, a directory like the volume's root where there is none. Raises OSError."""
    try:
        return os.open(name, _LOOK, dir_fd=here)
    except FileNotFoundError:
        os.mkdir(name, mode, dir_fd=here)
        made = os.open(name, _LOOK | os.O_DIRECTORY, dir_fd=here)
        Path(f"/proc/self/fd/{made}").chmod(mode)
        return made


def _bind(found: int, wanted: SubPath) -> None:
    target, status = Path(wanted.target), os.fstat(found)
    if wanted.target in mounting.mount_points():
        there = target.stat()
        if (there.st_dev, there.st_ino) == (status.st_dev, status.st_ino):
            return
        mounting.unmount(wanted.target)
    target.parent.mkdir(parents=True, exist_ok=True)
    is_directory = stat.S_ISDIR(status.st_mode)
    if target.exists() and target.is_dir() != is_directory:
        target.rmdir() if target.is_dir() else target.unlink()
    if is_directory:
        target.mkdir(exist_ok=True)
    else:
        target.touch()
    mounting.bind(found, wanted.target, shared=wanted.shared)
