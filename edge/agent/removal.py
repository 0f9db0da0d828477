"""Effects: removes a directory with all that containers have left in it, however deep and however much.

What lies deeper than some levels is moved up before it is removed, so that neither the open files nor the stack of this
program bound what can be removed; and a directory of millions of files is never held in memory as a list.
Nothing behind links is touched. Blocks.
"""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
LEVELS = 32
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


def tree(path: Path) -> None:
    """Remove a directory.

    Raises:
        FileNotFoundError: there is none.
        OSError: something cannot be removed, or is being changed; the rest is gone or is there for the next attempt.
    """
    top = os.open(path, ENTER)
    try:
        _empty(top, top, 0, itertools.count())
    except FileNotFoundError as error:
        raise OSError(errno.EBUSY, f"{path} is changed while it is removed") from error
    finally:
        os.close(top)
    path.rmdir()


def _empty(here: int, top: int, level: int, numbers: Iterator[int]) -> None:
    """Raises OSError."""
    found = True
    while found:
        found = False
        with os.scandir(here) as entries:
            for entry in entries:
                found = True
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.name, dir_fd=here)
                elif level >= LEVELS:
                    _raise(entry.name, here, top, numbers)
                else:
                    _remove(entry.name, here, top, level, numbers)


def _remove(name: str, here: int, top: int, level: int, numbers: Iterator[int]) -> None:
    """Raises OSError."""
    there = os.open(name, ENTER, dir_fd=here)
    try:
        _empty(there, top, level + 1, numbers)
    finally:
        os.close(there)
    os.rmdir(name, dir_fd=here)


def _raise(name: str, here: int, top: int, numbers: Iterator[int]) -> None:
    """Move a directory to the top, under a name that is free there. Raises OSError."""
    for number in numbers:
        try:
            os.rename(name, f"..{number}", src_dir_fd=here, dst_dir_fd=top)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
        else:
            return
