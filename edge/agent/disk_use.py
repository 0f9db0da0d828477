"""Effects: measures what pods take of the node's disks: layers of containers, logs, and the volumes the node made.

Directories are walked in a thread, with a bound on how many files are looked at: a pod may have made a million.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable

from edge.agent import volumes
from edge.agent.streams_directory import PodView
from edge.agent.surroundings import Surroundings
from edge.agent.usage import Disk, PodDisk, Tree
from edge.api import core
from edge.runtime.interface import Runtime

MOST_FILES = 1_000_000
BLOCK_BYTES = 512


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
    """Return what a directory takes, as `du` counts: blocks, each file once, nothing behind links or on other disks."""
    size = count = 0
    seen: set[int] = set()
    try:
        top = os.lstat(directory)
    except OSError:
        return Tree()
    size, count, waiting = top.st_blocks * BLOCK_BYTES, 1, [directory]
    while waiting and count < most:
        for entry, found in _entries(waiting.pop()):
            if found.st_dev != top.st_dev or (found.st_nlink > 1 and found.st_ino in seen):
                continue
            seen.add(found.st_ino) if found.st_nlink > 1 else None
            size, count = size + found.st_blocks * BLOCK_BYTES, count + 1
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            if count >= most:
                break
    return Tree(size, count)


def _entries(directory: str) -> Iterable[tuple[os.DirEntry[str], os.stat_result]]:
    """Yield what is in a directory; what goes away meanwhile is not there."""
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                try:
                    yield entry, entry.stat(follow_symlinks=False)
                except OSError:
                    continue
    except OSError:
        return


def file_system(path: str) -> Disk:
    """Return the file system a path is on; all 0 where there is none."""
    try:
        found = os.statvfs(path)
    except OSError:
        return Disk()
    return Disk(available_bytes=found.f_bavail * found.f_frsize, capacity_bytes=found.f_blocks * found.f_frsize,
                used_bytes=(found.f_blocks - found.f_bfree) * found.f_frsize, inodes_free=found.f_favail,
                inodes=found.f_files, inodes_used=found.f_files - found.f_ffree)
