"""Tasks of a program, started and supervised in one place.

A part of a program is a coroutine function that runs until it is cancelled. When one fails it is logged and
started again after a growing delay, so that one broken object never takes the program down.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

from edge import logs
from edge.clock import Clock

FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 30.0

log = logs.get("component")


class Supervisor:
    """Runs named coroutine functions until `stop`, restarting those that fail."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = False

    def start(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Start `run` as a task of that name; a second task of the same name is an error of the caller."""
        assert name not in self._tasks, name
        self._tasks[name] = asyncio.create_task(self._keep(name, run), name=name)

    async def stop(self) -> None:
        """Cancel every task, newest first, and wait for each."""
        self._stopping = True
        for task in reversed(list(self._tasks.values())):
            task.cancel()
            # Not `await task`: a cancellation of whoever stops us must not be mistaken for the task's own.
            await asyncio.wait({task})
        self._tasks.clear()
        self._stopping = False

    async def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        delay = FIRST_DELAY_SECONDS
        while True:
            began = self._clock.monotonic()
            try:
                await run()
                self._tasks.pop(name, None)
                return
            except Exception as error:  # noqa: BLE001 - the one place that survives everything
                if self._stopping:
                    log.error("part failed while it was stopped", cause=error, part=name)
                    return
                log.error("part failed, starting it again", cause=error, part=name, delay_seconds=delay)
            if self._clock.monotonic() - began > LONGEST_DELAY_SECONDS:
                delay = FIRST_DELAY_SECONDS
            await self._clock.sleep(delay)
            delay = min(delay * 2, LONGEST_DELAY_SECONDS)


async def until_told_to_stop() -> None:
    """Return at SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
