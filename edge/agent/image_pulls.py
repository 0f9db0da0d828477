"""Effects: fetches images for all pods of the node: a few at once, and each image once however many pods want it.

A pull that nobody waits for any more is given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from edge.agent import pulling
from edge.agent.actions import PullImage
from edge.clock import Clock
from edge.runtime.containers import (
    Credentials,
    DiskFull,
    Image,
    ImageNotFound,
    InvalidImageName,
    RegistryUnavailable,
    RuntimeFailure,
    WrongArchitecture,
)
from edge.runtime.interface import Runtime


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a pull ended: with an image and what is said of that, or with Kubernetes' reason and a message."""

    image: Image | None = None
    said: str = ""
    fetched: bool = False
    reason: str = ""
    message: str = ""


@dataclass(slots=True)
class _Flight:
    """One pull under way; its result is the image and the seconds it took, the wait for its turn not counted."""

    task: asyncio.Task[tuple[Image, float]]
    waiting: int = 0


_Key = tuple[str, tuple[Credentials, ...]]


class Pulls:
    """All pulls of the node, at most `most` at a time.

    `architecture` is that of the node, empty while it is not known; `full` hears that the disk has no room.
    """

    def __init__(self, runtime: Runtime, clock: Clock, most: int, *, architecture: Callable[[], str] = lambda: "",
                 full: Callable[[], None] = lambda: None) -> None:
        self._runtime, self._clock, self._architecture, self._full = runtime, clock, architecture, full
        self._turns = asyncio.Semaphore(most)
        self._flights: dict[_Key, _Flight] = {}

    async def run(self, wanted: PullImage) -> Outcome:
        """Fetch an image and say how it went."""
        began = self._clock.monotonic()
        if wanted.look_first and (image := await self._find(wanted.reference)) is not None:
            # Somebody else has fetched or loaded it since this was decided.
            return Outcome(image, pulling.present(wanted.reference))
        try:
            image, seconds = await self._join((wanted.reference, wanted.credentials))
        except RuntimeFailure as error:
            return await self._failed(wanted, error)
        whole = pulling.duration(self._clock.monotonic() - began)
        return Outcome(image, f'Successfully pulled image "{wanted.reference}" in {pulling.duration(seconds)} ({whole} '
                              f"including waiting). Image size: {image.size_bytes} bytes.", fetched=True)

    async def _join(self, key: _Key) -> tuple[Image, float]:
        """Wait for a pull, which is begun unless one is under way. Pods with other credentials wait for their own."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.create_task(self._fetch(key), name=f"pull {key[0]}"))
            # Its last waiter may leave in the moment it fails.
            flight.task.add_done_callback(lambda task: task.cancelled() or task.exception())
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if flight.waiting == 0:
                flight.task.cancel()
                if self._flights.get(key) is flight:
                    del self._flights[key]

    async def _fetch(self, key: _Key) -> tuple[Image, float]:
        try:
            async with self._turns:
                began = self._clock.monotonic()
                image = await self._try(*key)
                return image, self._clock.monotonic() - began
        finally:
            # Whoever comes now wants to know what the registry says now.
            flight = self._flights.get(key)
            if flight is not None and flight.task is asyncio.current_task():
                del self._flights[key]

    async def _try(self, reference: str, credentials: tuple[Credentials, ...]) -> Image:
        """Try all credentials; only an image that is denied or not shown may be shown to others."""
        errors: list[ImageNotFound] = []
        for each in credentials or (None,):
            try:
                return await self._runtime.pull(reference, each)
            except ImageNotFound as error:
                errors.append(error)
        texts = tuple(dict.fromkeys(str(error) for error in errors))
        raise errors[-1] if len(texts) == 1 else ImageNotFound(f"[{', '.join(texts)}]")

    async def _failed(self, wanted: PullImage, error: RuntimeFailure) -> Outcome:
        reason, message = "ErrImagePull", str(error)
        match error:
            case InvalidImageName():
                reason = "InvalidImageName"
            case RegistryUnavailable():
                reason = "RegistryUnavailable"
            case WrongArchitecture():
                message = pulling.no_variant(message, self._architecture())
            case DiskFull():
                message += ". The disk of this node is full"
                self._full()
        if not wanted.look_first and await self._find(wanted.reference) is not None:
            message += "; the image is on this node, and imagePullPolicy IfNotPresent would use it"
        return Outcome(reason=reason, message=message)

    async def _find(self, reference: str) -> Image | None:
        try:
            return await self._runtime.find_image(reference)
        except RuntimeFailure:
            return None
