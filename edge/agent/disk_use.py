"""Effects: measures what pods take of the node's disks: layers of containers, logs, and the volumes the node made.

Directories are walked in a thread, with a bound on how many files are looked at: a pod may have made a million.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from edge.agent import removal, volumes
from edge.agent.streams_directory import PodView
from edge.agent.surroundings import Surroundings
from edge.agent.usage import Disk, PodDisk, Tree
from edge.api import core
from edge.runtime.interface import Runtime

MOST_FILES = 1_000_000
MOST_LINKED = 100_000
"""Files with several names that are told apart; of further ones each name counts."""
BLOCK_BYTES = 512
LEVELS = 64
DU_SECONDS = 60.0


class DiskUse:
    """What pods take, when it is asked for."""

    def __init__(self, runtime: Runtime, around: Callable[[], Surroundings]) -> None:
        self._runtime, self._around = runtime, around

    async def read(self, pods: Iterable[tuple[core.Pod, PodView]], *, layers: bool = True) -> dict[str, PodDisk]:
        """Return what pods take, by uid; without `layers` the engine is left in peace. Raises RuntimeFailure."""
        wanted, around = tuple(pods), self._around()
        ids = {each.id for _, view in wanted for each in view.containers.values() if each.id}
        sizes = await self._runtime.layer_sizes(ids) if layers and ids else {}
        found = {}
        for pod, view in wanted:
            named = {name: sizes[each.id] for name, each in view.containers.items() if each.id in sizes}
            found[view.uid] = await asyncio.to_thread(_pod, pod, view, named, around)
        return found


def _pod(pod: core.Pod, view: PodView, layers: dict[str, int], around: Surroundings) -> PodDisk:
    kept, in_memory = {}, set()
    for volume in pod.spec.volumes:
        made = volume.empty_dir is not None or volume.config_map is not None or volume.downward_api is not None
        if not made and volume.secret is None and volume.projected is None:
            continue
        directory = volumes.disk_dir(view.uid, volume.name, around) if made else \
            volumes.hidden_dir(view.uid, volume.name, around)
        kept[volume.name] = tree(directory)
        if not made or (volume.empty_dir is not None and volume.empty_dir.medium == volumes.MEMORY):
            in_memory.add(volume.name)
    logs = {name: tree(f"{view.log_dir}/{name}") for name in view.containers}
    return PodDisk(layers=layers, logs=logs, volumes=kept, in_memory=frozenset(in_memory))


def tree(directory: str, most: int = MOST_FILES) -> Tree:
    """Return what a directory takes, as `du` counts: blocks, each file once, nothing behind links or on other disks.

    Whoever fills the directory must not fill the memory with it: of the way down only open directories are kept.
    """
    try:
        top = os.open(directory, removal.ENTER)
    except OSError:
        return Tree()
    try:
        found = os.fstat(top)
        count = _Count(found.st_dev, most, found.st_blocks * BLOCK_BYTES, 1)
        _add(top, count, 0)
    finally:
        os.close(top)
    return _asked(directory, count) if count.too_deep else Tree(count.size_bytes, count.inodes)


@dataclass(slots=True)
class _Count:
    """What was found so far."""

    device: int
    most: int
    size_bytes: int
    inodes: int
    seen: set[int] = field(default_factory=set)
    too_deep: bool = False

    @property
    def over(self) -> bool:
        return self.too_deep or self.inodes >= self.most


def _add(here: int, count: _Count, level: int) -> None:
    with contextlib.suppress(OSError), os.scandir(here) as entries:
        for entry in entries:
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # What goes away meanwhile is not there.
            if found.st_dev == count.device and not (found.st_nlink > 1 and found.st_ino in count.seen):
                if found.st_nlink > 1 and len(count.seen) < MOST_LINKED:
                    count.seen.add(found.st_ino)
                count.size_bytes, count.inodes = count.size_bytes + found.st_blocks * BLOCK_BYTES, count.inodes + 1
                if stat.S_ISDIR(found.st_mode):
                    _enter(entry.name, here, count, level)
            if count.over:
                return


def _enter(name: str, here: int, count: _Count, level: int) -> None:
    if level >= LEVELS:
        count.too_deep = True
        return
    with contextlib.suppress(OSError):
        there = os.open(name, removal.ENTER, dir_fd=here)
        try:
            _add(there, count, level + 1)
        finally:
            os.close(there)


def _asked(directory: str, count: _Count) -> Tree:
    """Return what du(1) says of a directory that is deeper than we go; what was counted where it says nothing."""
    return Tree(max(count.size_bytes, _du(directory, "--block-size=1")), max(count.inodes, _du(directory, "--inodes")))


def _du(directory: str, unit: str) -> int:
    try:
        done = subprocess.run(("du", "--summarize", "--one-file-system", unit, "--", directory), text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              errors="replace", timeout=DU_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    number = done.stdout.partition("\t")[0]
    return int(number) if number.isdecimal() else 0


def file_system(path: str) -> Disk:
    """Return the file system a path is on; all 0 where there is none."""
    try:
        found = os.statvfs(path)
    except OSError:
        return Disk()
    return Disk(available_bytes=found.f_bavail * found.f_frsize, capacity_bytes=found.f_blocks * found.f_frsize,
                used_bytes=(found.f_blocks - found.f_bfree) * found.f_frsize, inodes_free=found.f_favail,
                inodes=found.f_files, inodes_used=found.f_files - found.f_ffree)
