"""Gives up nodes that left the bus and did not come back: an agent that is only started again takes no pod out of use.

Effects: the clock, and what it is given to do. A node that loses its power is found out by its silence, not here.
A broker that ends says everybody's last will before it goes; what it says is about itself then, and no node is blamed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from edge import logs
from edge.api import errors
from edge.clock import Clock, wait

PATIENCE_SECONDS = 6.0
"""Enough for an agent to be started again on a small board."""
RETRY_SECONDS = 1.0

log = logs.get("bridge")


class Absent:
    """The nodes that have left, and since when. `give_up` gets a node's name and why."""

    def __init__(self, clock: Clock, give_up: Callable[[str, str], Awaitable[None]]) -> None:
        self._clock, self._give_up = clock, give_up
        self._due: dict[str, tuple[float, str]] = {}
        self._wake = asyncio.Event()
        self._hearing = True

    def left(self, node: str, reason: str) -> None:
        """Note that a node has left, as long as one that is back could be heard."""
        if not self._hearing:
            return
        self._due.setdefault(node, (self._clock.monotonic() + PATIENCE_SECONDS, reason))
        self._wake.set()

    def back(self, node: str) -> None:
        """Note that a node is there."""
        self._due.pop(node, None)

    def bus_away(self) -> None:
        """Note that nobody can be heard: whoever has left may be back long since, and is not given up."""
        self._hearing = False
        self._due.clear()

    def bus_back(self) -> None:
        """Note that nodes are heard again."""
        self._hearing = True

    async def work(self) -> None:
        """Give nodes up when it is time, until cancelled."""
        while True:
            now = self._clock.monotonic()
            for node in [node for node, (at, _) in self._due.items() if at <= now]:
                _, reason = self._due.pop(node)
                try:
                    await self._give_up(node, reason)
                except (errors.ApiError, OSError) as error:
                    log.warning("node not given up yet", node=node, reason=str(error))
                    self._due.setdefault(node, (now + RETRY_SECONDS, reason))
            left = (max(0.0, at - self._clock.monotonic()) for at, _ in self._due.values())
            await wait(self._wake, self._clock, min(left, default=None))
