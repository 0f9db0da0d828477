"""The only source of time. Everything that decides takes `now` as an argument; everything that acts gets a Clock."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What a loop may ask of time. Tests drive their own (`tests/fakes/clock.py`)."""

    def now(self) -> datetime:
        """Return the wall clock, in UTC, for timestamps people read. It may jump: a Pi has no clock at boot."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never jump, for every timeout, back-off and interval."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def wait(event: asyncio.Event, clock: Clock, seconds: float | None) -> bool:
    """Return True once the event is set (and clear it), or False after that many seconds; None waits for ever."""
    if seconds is None or event.is_set():
        await event.wait()
        event.clear()
        return True
    waiters = (asyncio.ensure_future(event.wait()), asyncio.ensure_future(clock.sleep(seconds)))
    try:
        await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()
        await asyncio.gather(*waiters, return_exceptions=True)
    was_set = event.is_set()
    event.clear()
    return was_set
