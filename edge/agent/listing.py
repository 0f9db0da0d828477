"""Effects: the containers of this node, listed at most once for all the pods that ask at the same time."""

from __future__ import annotations

import asyncio

from edge.clock import Clock
from edge.runtime.containers import Container
from edge.runtime.interface import Runtime

# A lost change of the engine is noticed after this time.
LONGEST_AGE_SECONDS = 60.0


class Listing:
    """A list that is read again only after something has changed."""

    def __init__(self, runtime: Runtime, clock: Clock) -> None:
        self._runtime, self._clock = runtime, clock
        self._lock = asyncio.Lock()
        self._wanted, self._have = 1, 0
        self._read_at = 0.0
        self._pods: dict[str, tuple[Container, ...]] = {}

    def invalidate(self) -> None:
        """Say that something has changed: the next to ask gets a list that is read after this."""
        self._wanted += 1

    async def pod(self, uid: str) -> tuple[Container, ...]:
        """Return the containers of one pod. Raises RuntimeFailure."""
        await self._refresh()
        return self._pods.get(uid, ())

    async def pods(self) -> dict[str, tuple[Container, ...]]:
        """Return all containers by pod uid. Raises RuntimeFailure."""
        await self._refresh()
        return self._pods

    def last_pods(self) -> dict[str, tuple[Container, ...]]:
        """Return all containers by pod uid as last read."""
        return self._pods

    def last(self, uid: str) -> tuple[Container, ...]:
        """Return the containers of one pod as last read."""
        return self._pods.get(uid, ())

    async def _refresh(self) -> None:
        async with self._lock:
            now = self._clock.monotonic()
            if self._have == self._wanted and now - self._read_at < LONGEST_AGE_SECONDS:
                return
            wanted = self._wanted
            found: dict[str, list[Container]] = {}
            for container in await self._runtime.list():
                found.setdefault(container.pod_uid, []).append(container)
            self._pods = {uid: tuple(sorted(containers, key=lambda each: each.id))
                          for uid, containers in found.items()}
            self._have, self._read_at = wanted, now
