"""Effects: keeps the disk from filling up with images: looks every five minutes, and when it is told that there is no
room, and removes what `edge.agent.image_gc` says may go."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Protocol

from edge import logs
from edge.agent import image_gc
from edge.agent.image_gc import Disk, Policy, Seen
from edge.clock import Clock, wait
from edge.runtime.containers import Image, ImageInUse, RuntimeFailure
from edge.runtime.interface import Runtime

LOOK_SECONDS = 300.0

log = logs.get("agent.images")


class Tell(Protocol):
    """Sends an event of the node."""

    def __call__(self, reason: str, message: str) -> None: ...


def read_disk(path: str) -> Disk:
    """Return the file system a directory is on. Raises OSError."""
    found = os.statvfs(path)
    return Disk(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)


class ImageKeeper:
    """The images of the node. `changed` is called when some went; `full` is set when a pull found no room."""

    def __init__(self, runtime: Runtime, clock: Clock, policy: Policy, tell: Tell, changed: Callable[[], None],
                 full: asyncio.Event, disk: Callable[[str], Disk] = read_disk) -> None:
        self._runtime, self._clock, self.policy, self._tell, self._changed = runtime, clock, policy, tell, changed
        self._full, self._disk = full, disk
        self._seen: dict[str, Seen] = {}
        self._looked = False
        self._alone = asyncio.Lock()
        self._failed = False

    async def run(self) -> None:
        """Look every five minutes, and when there is no room, until cancelled."""
        while True:
            await self.look()
            await wait(self._full, self._clock, LOOK_SECONDS)

    async def look(self) -> None:
        """Remove images if the disk is too full."""
        try:
            async with self._alone:
                await self._collect()
            self._failed = False
        except (RuntimeFailure, OSError) as error:
            log.warning("cannot see which images may go", reason=error)
            # Once may be an engine that is just starting.
            if self._failed:
                self._tell("ImageGCFailed", str(error))
            self._failed = True

    async def reclaim(self) -> int:
        """Remove every image that nobody uses; return how many bytes they had.

        Raises:
            RuntimeFailure: the engine does not tell its images.
        """
        async with self._alone:
            images, in_use = await self._observe()
            return await self._remove(images, in_use, None)

    async def _collect(self) -> None:
        images, in_use = await self._observe()
        disk = await asyncio.to_thread(self._disk, await self._runtime.image_dir() or "/")
        if disk.bytes <= 0:
            self._tell("InvalidDiskCapacity", "invalid capacity 0 on image filesystem")
            return
        wanted = image_gc.to_free(disk, self.policy)
        if wanted <= 0:
            return
        log.info("disk is too full, images are removed", used_percent=disk.used_percent, bytes=wanted)
        freed = await self._remove(images, in_use, wanted)
        if freed < wanted:
            self._tell("FreeDiskSpaceFailed", image_gc.too_little(wanted, freed))

    async def _observe(self) -> tuple[tuple[Image, ...], frozenset[str]]:
        """Raises RuntimeFailure."""
        images, containers = await self._runtime.images(), await self._runtime.list()
        in_use = frozenset(each.image_id for each in containers) | {each.id for each in images if each.containers}
        self._seen = image_gc.observe(self._seen, images, in_use, self._clock.monotonic(), first=not self._looked)
        self._looked = True
        return images, in_use

    async def _remove(self, images: tuple[Image, ...], in_use: frozenset[str], wanted: int | None) -> int:
        freed = 0
        for image in image_gc.removable(images, self._seen, in_use, self.policy, self._clock.monotonic()):
            if wanted is not None and freed >= wanted:
                break
            try:
                await self._runtime.remove_image(image.id)
            except ImageInUse:
                continue
            except RuntimeFailure as error:
                log.warning("image cannot be removed", image=image.id, reason=error)
                continue
            freed += image.size_bytes
            log.info("image removed to make room", image=", ".join(image.names) or image.id, bytes=image.size_bytes)
        if freed:
            self._changed()
        return freed
