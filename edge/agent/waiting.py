"""Effects: waits for whatever comes first, an event or a time."""

from __future__ import annotations

import asyncio

from edge.clock import Clock


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
