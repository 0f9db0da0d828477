"""Effects: makes a pod's files and directories on the node, and removes them.

Everything here blocks; callers run it in a thread.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from edge.agent import log_files, mounting, ownership, removal, trees, volumes
from edge.agent.volumes import Directory, HostPath, Layout, Ownership

_CHECKS = {"Directory": stat.S_ISDIR, "File": stat.S_ISREG, "Socket": stat.S_ISSOCK, "CharDevice": stat.S_ISCHR,
           "BlockDevice": stat.S_ISBLK}
_WORDS = {"Directory": "a directory", "File": "a file", "Socket": "a socket file",
          "CharDevice": "a character device", "BlockDevice": "a block device"}
_POINTS = {"_subpaths": 3, "_mounts": 1}
"""Where only mount points are, and how many levels below: they are removed one by one, never with what is in them."""
FilesError = volumes.FilesError


def write(layout: Layout) -> None:
    """Make everything of the layout so, but for network mounts; what is right already is left alone.

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
            trees.write(tree, layout.group)
        for file in layout.plain:
            trees.write_plain(file)
        for owned in layout.owned:
            _own(owned, layout.group)
    except (OSError, RecursionError) as error:  # The latter: a volume for fsGroup that is a thousand directories deep.
        raise FilesError(f"cannot write the pod's volumes: {error}") from error


def _make_directory(directory: Directory, group: int | None) -> None:
    path = Path(directory.path)
    if not path.is_dir():
        # In its place only once it has its mode: we may be ended at any moment, and what is there is left as it is.
        fresh = path.with_name(f".{path.name}.new")
        fresh.parent.mkdir(parents=True, exist_ok=True)
        fresh.mkdir(mode=0o700, exist_ok=True)
        fresh.chmod(directory.mode)
        fresh.rename(path)
    if directory.memory and not path.is_mount():
        mounting.mount_memory(path, directory.size_bytes, directory.mode)
    if group is not None and path.stat().st_gid != group:
        os.chown(path, -1, group)
        path.chmod(directory.mode | stat.S_ISGID)


def _own(owned: Ownership, group: int | None) -> None:
    done = Path(owned.done)
    if group is None or done.exists():
        return
    ownership.give(owned.path, group, on_root_mismatch=owned.on_root_mismatch)
    done.touch(0o600)


def _check(wanted: HostPath) -> None:
    path, here = Path(wanted.path), f'MountVolume.SetUp failed for volume "{wanted.volume}" : '
    if wanted.type == volumes.LOCAL and not path.exists():
        raise FilesError(f'MountVolume.NewMounter initialization failed for volume "{wanted.volume}" : path '
                         f'"{wanted.path}" does not exist')
    try:
        _make(path, wanted)
    except OSError as error:
        raise FilesError(f"{here}{error}") from error
    kind = "Directory" if wanted.type == volumes.LOCAL else wanted.type.removesuffix("OrCreate")
    if not kind:
        return
    if kind not in _CHECKS:
        raise FilesError(f"{here}{wanted.type} is an invalid volume type")
    if not path.exists() or not _CHECKS[kind](path.stat().st_mode):
        raise FilesError(f"{here}hostPath type check failed: {wanted.path} is not {_WORDS[kind]}")


def _make(path: Path, wanted: HostPath) -> None:
    if path.exists():
        return
    if wanted.type in ("", "DirectoryOrCreate"):
        if wanted.mode & 0o002:  # A volume of the node's own, which all users of its container may write.
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(wanted.mode)
    elif wanted.type == "FileOrCreate":
        path.touch(0o644)


def make_container_files(termination_path: str, logs: str, log_path: str) -> None:
    """Make the termination log of one attempt of a container, and what its log needs: `logs` is on the card.

    Raises:
        FilesError: the disk refuses.
    """
    try:
        Path(termination_path).parent.mkdir(parents=True, exist_ok=True)
        Path(termination_path).write_bytes(b"")
        Path(termination_path).chmod(0o666)
        log_files.make(logs, str(Path(log_path).parent))
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


def check_sources(directories: tuple[str, ...], sources: tuple[str, ...]) -> None:
    """Check what is about to be mounted as `check_inside` does, after a look at each: that hangs where its file server
    is dead.

    Raises:
        FilesError: a link leads out of the pod's directories.
    """
    for source in sources:
        os.path.exists(source)  # noqa: PTH110 - whether it is there the engine's adapter says
    check_inside(directories, sources)


def termination_message(path: str) -> str:
    """Return the last 4 KiB of what a container wrote into its termination log."""
    try:
        with Path(path).open("rb") as stream:
            stream.seek(-min(4096, stream.seek(0, os.SEEK_END)), os.SEEK_END)
            return stream.read(4096).decode(errors="replace")
    except OSError:
        return ""


def exists(directories: tuple[str, ...]) -> bool:
    """Return whether anything of a pod is on the disk."""
    return any(Path(directory).exists() for directory in directories)


def remove(directories: tuple[str, ...]) -> None:
    """Remove a pod's directories; what is mounted in them is unmounted first.

    Raises:
        FilesError: something cannot be unmounted or removed; the rest is tried again later.
    """
    for directory in directories:
        points = tuple(f"{directory}/{name}" for name in _POINTS)
        mounting.unmount_below(directory, points)
        try:
            for point, levels in zip(points, _POINTS.values(), strict=True):
                _remove_points(Path(point), levels)
            removal.tree(Path(directory))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise FilesError(f"cannot remove {directory}: {error}") from error


def _remove_points(path: Path, levels: int) -> None:
    """Remove mount points, which are empty directories and files. Raises OSError where something is mounted still."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for entry in tuple(path.iterdir()) if levels > 0 else ():
        _remove_points(entry, levels - 1)
    path.rmdir()


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


def read(path: str) -> str:
    """Return the text of a file, empty when it cannot be read."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
