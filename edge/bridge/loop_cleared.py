"""Clears what nodes leave on the broker: a report is said once and not kept.

Effects: the bus. A node may write its own reports only, but the access list cannot say that they must not be retained,
and the broker keeps each topic for ever. What is found retained is cleared as soon as it is seen.
"""

from __future__ import annotations

import asyncio

from edge.bus import interface

MOST_WAITING = 10_000


class Cleared:
    """Topics that have to be cleared."""

    def __init__(self, bus: interface.Bus) -> None:
        self._bus = bus
        self._waiting: asyncio.Queue[str] = asyncio.Queue(MOST_WAITING)
        self._known: set[str] = set()

    def put(self, topic: str) -> None:
        """Note a topic. What finds no room comes again with the next connection."""
        if topic not in self._known and not self._waiting.full():
            self._known.add(topic)
            self._waiting.put_nowait(topic)

    async def work(self) -> None:
        """Clear them until cancelled."""
        while True:
            topic = await self._waiting.get()
            # Before the clearing: what is retained there after it has to be cleared again.
            self._known.discard(topic)
            try:
                await self._bus.publish(topic, b"", retain=True)
            except interface.BusUnavailable:
                continue  # It comes again, as everything retained, with the next connection.
