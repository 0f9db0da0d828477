"""Effects: writes trees of files that are replaced as a whole, and files that stay the same file.

A new directory is written beside the old one and the link `..data` is swapped, so that a reader sees either all of the
old or all of the new. Modes, owners and the group count as content. Everything here blocks.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path

from edge.agent.volumes import File, Tree

_DATA, _NEXT = "..data", "..data_tmp"
_GROUP_READS, _GROUP_ENTERS = 0o440, 0o550


def write(tree: Tree, group: int | None) -> None:
    """Make a tree so, unless it is.

    Raises:
        OSError: the disk refuses.
    """
    root = Path(tree.path)
    root.mkdir(parents=True, exist_ok=True)
    _settle(root, 0o755, group)
    if _is_current(root, tree, group):
        return
    old = (root / _DATA).readlink().name if (root / _DATA).is_symlink() else ""
    name = next(f"..{number}" for number in range(1, 1_000_000) if f"..{number}" != old)
    shutil.rmtree(root / name, ignore_errors=True)
    (root / name).mkdir(mode=0o755)
    _settle(root / name, 0o755, group)
    for file in tree.files:
        _write_file(root / name, file, group)
    (root / _NEXT).unlink(missing_ok=True)
    (root / _NEXT).symlink_to(name)
    (root / _NEXT).rename(root / _DATA)
    _link_names(root, {file.path.partition("/")[0] for file in tree.files})
    for entry in root.iterdir():
        if entry.name.startswith("..") and entry.name not in (_DATA, name):
            shutil.rmtree(entry, ignore_errors=True)


def write_plain(file: File) -> None:
    """Rewrite a file in place: containers have the file itself mounted, so it must stay the same file.

    Raises:
        OSError: the disk refuses.
    """
    path = Path(file.path)
    if path.is_file() and path.read_bytes() == file.content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.content)
    path.chmod(file.mode)


def _is_current(root: Path, tree: Tree, group: int | None) -> bool:
    data = root / _DATA
    if not data.is_dir():
        return False
    there = {str(path.relative_to(data)): path for path in data.rglob("*") if path.is_file()}
    return there.keys() == {file.path for file in tree.files} and all(
        _is_so(there[file.path], file, group) for file in tree.files)


def _is_so(path: Path, file: File, group: int | None) -> bool:
    found = path.stat()
    return (stat.S_IMODE(found.st_mode) == _mode(file, group) and found.st_uid == (file.owner or 0)
            and (group is None or found.st_gid == group) and path.read_bytes() == file.content)


def _mode(file: File, group: int | None) -> int:
    return file.mode if group is None else file.mode | _GROUP_READS


def _link_names(root: Path, names: set[str]) -> None:
    for entry in root.iterdir():
        # A directory was made for a subPath that named nothing; a container may have it mounted.
        if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
    for name in names:
        path = root / name
        if path.is_symlink():
            continue
        with contextlib.suppress(FileNotFoundError):
            path.rmdir()
        path.symlink_to(f"{_DATA}/{name}")


def _write_file(root: Path, file: File, group: int | None) -> None:
    path = root / file.path
    for parent in reversed(path.relative_to(root).parents):
        if not (root / parent).is_dir():
            (root / parent).mkdir(mode=0o755)
            _settle(root / parent, 0o755, group)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(file.content)
    if group is not None or file.owner is not None:
        os.chown(path, -1 if file.owner is None else file.owner, -1 if group is None else group)
    path.chmod(_mode(file, group))


def _settle(path: Path, mode: int, group: int | None) -> None:
    """Set mode and group of a directory."""
    if group is not None:
        os.chown(path, -1, group)
        mode |= _GROUP_ENTERS | stat.S_ISGID
    path.chmod(mode)
