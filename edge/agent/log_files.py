"""Effects: the files that hold the logs of containers: where they are, which there are, how they are made and removed.

The engine is given a path below `run_dir`. Its directory is a link to the container's directory on the card, and
while the container floods to one in memory: the engine opens each new file through the link. Everything here blocks;
callers run it in a thread.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from edge.agent.log_rotation import Action, Divert, Keep, Log, Move, Part, Remove, chain, parse
from edge.agent.surroundings import IN_MEMORY

TAIL_BYTES = 16 * 1024
_NEXT, _COPY, _BEGUN = ".next", ".copy", ".tmp"


def make(card: str, link: str) -> None:
    """Make the directory of a container's logs on the card, and the link the engine writes through.

    Raises:
        OSError: the disk refuses.
    """
    Path(card).mkdir(parents=True, exist_ok=True)
    Path(link).parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        Path(link).symlink_to(card)


def memory_of(link: str) -> str:
    """Return the directory in memory beside a link."""
    return f"{link}{IN_MEMORY}"


def parts(directories: Iterable[str]) -> tuple[Part, ...]:
    """Return all files of one container's logs; the directory on the card comes first."""
    return tuple(part for index, directory in enumerate(directories)
                 for part in _in_directory(directory, in_memory=index > 0))


def _in_directory(directory: str, *, in_memory: bool) -> Iterator[Part]:
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            begun = entry.name.endswith(_BEGUN)
            named = parse(entry.name.removesuffix(_BEGUN))
            if named is None:
                continue
            with contextlib.suppress(FileNotFoundError):
                found = entry.stat()
                if found.st_size or not begun:
                    yield Part(path=entry.path, attempt=named[0], number=named[1], size=found.st_size, begun=begun,
                               identity=(found.st_dev, found.st_ino), changed=found.st_mtime, in_memory=in_memory)


def all_logs(log_dir: str, links: str) -> tuple[Log, ...]:
    """Return the logs of every container that is on the node's card; `links` holds `<uid>/<container>`."""
    found = []
    for pod in _directories(log_dir):
        uid = pod.name.rpartition("_")[2]
        for container in _directories(pod.path):
            link = f"{links}/{uid}/{container.name}"
            memory = memory_of(link)
            target = _target(link)
            found.append(Log(card=container.path, memory=memory if target else "", diverted=target == memory,
                             parts=parts((container.path, memory))))
    return tuple(found)


def glance(log_dir: str, logs: Iterable[Log], step_bytes: int) -> tuple[int, ...]:
    """Return numbers that change when files come, go or are renamed, or when a log has become longer by a step.

    Far cheaper than reading the directories: nothing is opened.
    """
    paths = {log_dir: None}
    sizes = []
    for log in logs:
        paths |= {str(Path(log.card).parent): None, log.card: None}
        live = [part for part in log.parts if part.number is None]
        sizes += [_stat(part.path).st_size // step_bytes for part in live]
    return (*(_stat(path).st_mtime_ns for path in paths), *sizes)


def _stat(path: str) -> os.stat_result:
    try:
        return Path(path).stat()
    except OSError:
        return os.stat_result((0,) * 10)


def _directories(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _target(link: str) -> str:
    try:
        return str(Path(link).readlink())
    except OSError:
        return ""


def mend(log_dir: str, links: str) -> None:
    """Make the links that a restart of the machine has taken away, and remove those of pods that are gone.

    Raises:
        OSError: the disk refuses.
    """
    there = set()
    for pod in _directories(log_dir):
        uid = pod.name.rpartition("_")[2]
        there.add(uid)
        for container in _directories(pod.path):
            make(container.path, f"{links}/{uid}/{container.name}")
    for entry in _directories(links):
        if entry.name not in there:
            shutil.rmtree(entry.path, ignore_errors=True)


def perform(action: Action, links: str) -> None:
    """Carry out one action. Raises OSError."""
    match action:
        case Keep(source, path):
            with contextlib.suppress(FileNotFoundError, FileExistsError):
                os.link(source, path)
        case Remove(path):
            Path(path).unlink(missing_ok=True)
        case Divert(card, attempt, to_memory):
            _divert(card, f"{links}/{Path(card).parent.name.rpartition('_')[2]}/{Path(card).name}", attempt, to_memory)
        case Move(source, path):
            copy = f"{path}{_COPY}"
            shutil.copy2(source, copy)
            Path(copy).replace(path)
            Path(source).unlink(missing_ok=True)


def _divert(card: str, link: str, attempt: int, to_memory: bool) -> None:
    """Turn the link in one step: the engine may open a file through it at any moment."""
    target = memory_of(link) if to_memory else card
    Path(target).mkdir(mode=0o755, exist_ok=True)
    # The engine makes a new file under this name and then renames it. Should the link turn between the two, it must
    # find something to rename, or its monitor gives up.
    Path(target, f"{attempt}.log{_BEGUN}").touch(0o600)
    following = f"{link}{_NEXT}"
    Path(following).unlink(missing_ok=True)
    Path(following).symlink_to(target)
    Path(following).replace(link)


def remove_attempt(directories: Iterable[str], attempt: int) -> None:
    """Remove all files of one attempt of a container. Raises OSError."""
    directories = tuple(directories)
    for part in parts(directories):
        if part.attempt == attempt:
            Path(part.path).unlink(missing_ok=True)
    for directory in directories:
        Path(directory, f"{attempt}.log{_BEGUN}").unlink(missing_ok=True)


def tail(directories: Iterable[str], attempt: int) -> str:
    """Return the text of the last lines of a log, at most 80 lines or 2 KiB; "" when it cannot be read."""
    files, raw = chain(parts(directories), attempt), b""
    for part in reversed(files):
        try:
            with Path(part.path).open("rb") as stream:
                stream.seek(max(0, part.size - TAIL_BYTES))
                raw = stream.read(2 * TAIL_BYTES) + raw
        except OSError:
            break
        if len(raw) >= TAIL_BYTES:
            break
    lines = raw[-TAIL_BYTES:].decode(errors="replace").splitlines()
    return "\n".join(line.split(" ", 3)[-1] for line in lines[-80:])[-2048:]


def remove_pod(log_dir: str, links: str, uid: str) -> None:
    """Remove the logs of a pod that is gone; what cannot be removed stays."""
    if not uid:
        return
    for path in Path(log_dir).glob(f"*_*_{glob.escape(uid)}"):
        shutil.rmtree(path, ignore_errors=True)
    shutil.rmtree(f"{links}/{uid}", ignore_errors=True)


def room(directory: str) -> int:
    """Return how many bytes are free where a directory is, 0 when that is unknown."""
    try:
        found = os.statvfs(directory)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize
