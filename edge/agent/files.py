"""Effects: makes a pod's files and directories on the node, and removes them.

Trees are replaced as a whole: a new directory is written beside the old one and the link `..data` is swapped, so that
a reader sees either all of the old or all of the new. Everything here blocks; callers run it in a thread.
"""

from __future__ import annotations

import glob
import os
import shutil
import stat
import subprocess
from pathlib import Path

from edge.agent.volumes import Directory, File, HostPath, Layout, Tree

_DATA, _NEXT = "..data", "..data_tmp"
_CHECKS = {"Directory": stat.S_ISDIR, "File": stat.S_ISREG, "Socket": stat.S_ISSOCK, "CharDevice": stat.S_ISCHR,
           "BlockDevice": stat.S_ISBLK}
_WORDS = {"Directory": "a directory", "File": "a file", "Socket": "a socket file",
          "CharDevice": "a character device", "BlockDevice": "a block device"}


class FilesError(Exception):
    """A file or directory cannot be made; the text is the message of a FailedMount event."""


def write(layout: Layout) -> None:
    """Make everything of the layout so; what is right already is left alone.

    Raises:
        FilesError: a host path is not what the pod asks for, or the disk refuses.
    """
    try:
        for directory in layout.private:
            _make_directory(directory, None)
        for path in layout.host_paths:
            _check(path)
        own = tuple(directory.path for directory in layout.private)
        check_inside(own, tuple(directory.path for directory in layout.directories))
        for directory in layout.directories:
            _make_directory(directory, layout.group)
        for tree in layout.trees:
            _write_tree(tree, layout.group)
        for file in layout.plain:
            _write_plain(file)
    except OSError as error:
        raise FilesError(f"cannot write the pod's volumes: {error}") from error


def _make_directory(directory: Directory, group: int | None) -> None:
    path = Path(directory.path)
    if not path.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        if directory.memory:
            _mount_memory(path, directory.size_bytes)
        path.chmod(directory.mode)
    elif directory.memory and not path.is_mount():
        _mount_memory(path, directory.size_bytes)
    if group is not None and path.stat().st_gid != group:
        os.chown(path, -1, group)
        path.chmod(directory.mode | stat.S_ISGID)


def _mount_memory(path: Path, size_bytes: int) -> None:
    options = f"size={size_bytes},mode=1777" if size_bytes else "mode=1777"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], capture_output=True, text=True,
                          timeout=30, check=False)
    if done.returncode != 0:
        raise FilesError(f"cannot mount {path}: {done.stderr.strip()}")


def _check(wanted: HostPath) -> None:
    path = Path(wanted.path)
    if wanted.type in ("", "DirectoryOrCreate") and not path.exists():
        path.mkdir(parents=True, exist_ok=True)
    elif wanted.type == "FileOrCreate" and not path.exists():
        path.touch(0o644)
    kind = wanted.type.removesuffix("OrCreate")
    if not kind:
        return
    if not path.exists():
        raise FilesError(f'MountVolume.SetUp failed for volume "{wanted.volume}" : hostPath type check failed: '
                         f"{wanted.path} does not exist")
    if kind in _CHECKS and not _CHECKS[kind](path.stat().st_mode):
        raise FilesError(f'MountVolume.SetUp failed for volume "{wanted.volume}" : hostPath type check failed: '
                         f"{wanted.path} is not {_WORDS[kind]}")


def _write_tree(tree: Tree, group: int | None) -> None:
    root = Path(tree.path)
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o755)
    if _is_current(root, tree):
        return
    old = (root / _DATA).readlink().name if (root / _DATA).is_symlink() else ""
    name = next(f"..{number}" for number in range(1, 1_000_000) if f"..{number}" != old)
    shutil.rmtree(root / name, ignore_errors=True)
    (root / name).mkdir(mode=0o755)
    for file in tree.files:
        _write_file(root / name / file.path, file, group)
    (root / _NEXT).unlink(missing_ok=True)
    (root / _NEXT).symlink_to(name)
    (root / _NEXT).rename(root / _DATA)
    _link_names(root, {file.path.partition("/")[0] for file in tree.files})
    for entry in root.iterdir():
        if entry.name.startswith("..") and entry.name not in (_DATA, name):
            shutil.rmtree(entry, ignore_errors=True)


def _is_current(root: Path, tree: Tree) -> bool:
    data = root / _DATA
    if not data.is_dir():
        return False
    there = {str(path.relative_to(data)): path for path in data.rglob("*") if path.is_file()}
    return there.keys() == {file.path for file in tree.files} and all(
        there[file.path].read_bytes() == file.content for file in tree.files)


def _link_names(root: Path, names: set[str]) -> None:
    for entry in root.iterdir():
        if not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
    for name in names:
        if not (root / name).is_symlink():
            (root / name).symlink_to(f"{_DATA}/{name}")


def _write_file(path: Path, file: File, group: int | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(file.content)
    if group is not None:
        os.chown(path, -1, group)
    path.chmod(file.mode if group is None else file.mode | (file.mode >> 3 & 0o040) | 0o040)


def _write_plain(file: File) -> None:
    """Rewrite in place: containers have the file itself mounted, so it must stay the same file."""
    path = Path(file.path)
    if path.is_file() and path.read_bytes() == file.content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.content)
    path.chmod(file.mode)


def make_container_files(termination_path: str, log_path: str) -> None:
    """Make the termination log and the log directory of one attempt of a container.

    Raises:
        FilesError: the disk refuses.
    """
    try:
        Path(termination_path).parent.mkdir(parents=True, exist_ok=True)
        Path(termination_path).write_bytes(b"")
        Path(termination_path).chmod(0o666)
        Path(log_path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FilesError(f"cannot prepare the container's files: {error}") from error


def check_inside(directories: tuple[str, ...], sources: tuple[str, ...]) -> None:
    """Check that what is mounted from a pod's directories lies in them, wherever its containers put links.

    Raises:
        FilesError: a link leads out of them.
    """
    for directory in directories:
        real = os.path.realpath(directory)
        for source in sources:
            if source.startswith(f"{directory}/") and not os.path.realpath(source).startswith(f"{real}/"):
                raise FilesError(f"{source.removeprefix(directory + '/')} leads out of the pod's volumes")


def termination_message(path: str) -> str:
    """Return the first 4 KiB of what a container wrote into its termination log."""
    try:
        with Path(path).open("rb") as stream:
            return stream.read(4096).decode(errors="replace")
    except OSError:
        return ""


def log_tail(path: str) -> str:
    """Return the text of the last lines of a container's log, at most 80 lines or 2 KiB."""
    try:
        with Path(path).open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - 16384))
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(line.split(" ", 3)[-1] for line in lines[-80:])[-2048:]


def exists(directories: tuple[str, ...]) -> bool:
    """Return whether anything of a pod is on the disk."""
    return any(Path(directory).exists() for directory in directories)


def remove(directories: tuple[str, ...]) -> None:
    """Remove a pod's directories; what is mounted in them is unmounted first.

    Raises:
        FilesError: something cannot be unmounted or removed.
    """
    for directory in directories:
        for mount in reversed(_mounts_below(directory)):
            done = subprocess.run(["umount", mount], capture_output=True, text=True, timeout=30, check=False)
            if done.returncode != 0:
                raise FilesError(f"cannot unmount {mount}: {done.stderr.strip()}")
        try:
            shutil.rmtree(directory)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise FilesError(f"cannot remove {directory}: {error}") from error


def _mounts_below(directory: str) -> list[str]:
    text = Path("/proc/self/mountinfo").read_text()
    points = [line.split()[4].encode().decode("unicode_escape") for line in text.splitlines()]
    return [point for point in points if point.startswith(directory.rstrip("/") + "/")]


def pods_on_disk(directories: tuple[str, ...]) -> tuple[str, ...]:
    """Return the uids of the pods that have something below these directories."""
    found: set[str] = set()
    for directory in directories:
        if Path(directory).is_dir():
            found.update(entry.name for entry in Path(directory).iterdir() if entry.is_dir())
    return tuple(sorted(found))


def pods_with_logs(log_dir: str) -> tuple[str, ...]:
    """Return the uids of the pods that have a log directory, named `<namespace>_<name>_<uid>`."""
    try:
        names = [path.name.split("_") for path in Path(log_dir).iterdir()]
    except OSError:
        return ()
    return tuple(sorted(parts[2] for parts in names if len(parts) == 3 and all(parts)))


def remove_logs(log_dir: str, uid: str) -> None:
    """Remove the logs of a pod that is gone; what cannot be removed stays."""
    for path in Path(log_dir).glob(f"*_*_{glob.escape(uid)}"):
        shutil.rmtree(path, ignore_errors=True)


def read(path: str) -> str:
    """Return the text of a file, empty when it cannot be read."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
