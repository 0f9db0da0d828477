"""Effects: gives a directory and everything in it to a group, never along a link. Blocks.

See https://kubernetes.io/docs/tasks/configure-pod-container/security-context/.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

_READ_AND_WRITE, _ENTER = 0o660, 0o110
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def give(path: str, group: int, *, on_root_mismatch: bool = False) -> None:
    """Have the group own a directory with all that is in it, and be able to read and write there.

    With `on_root_mismatch` nothing is done where that is true of the directory itself.

    Raises:
        OSError: the disk refuses.
    """
    wanted = _READ_AND_WRITE | _ENTER | stat.S_ISGID
    found = Path(path).stat()
    if on_root_mismatch and found.st_gid == group and found.st_mode & wanted == wanted:
        return
    for _, names, files, here in os.fwalk(path, topdown=False):
        for name in (*names, *files):
            _give(name, here, group)
    _give(path, None, group)


def _give(name: str, here: int | None, group: int) -> None:
    try:
        descriptor = os.open(name, _LOOK, dir_fd=here)
    except FileNotFoundError:
        return  # Whoever uses the directory has just removed it.
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISLNK(mode):
            os.chown(name, -1, group, dir_fd=here, follow_symlinks=False)
            return
        more = _ENTER | stat.S_ISGID if stat.S_ISDIR(mode) else 0
        same = Path(f"/proc/self/fd/{descriptor}")
        os.chown(same, -1, group)
        same.chmod(stat.S_IMODE(mode) | _READ_AND_WRITE | more)
    finally:
        os.close(descriptor)
