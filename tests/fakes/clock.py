"""A clock that moves only when a test says so."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

START = datetime(2030, 1, 1, tzinfo=UTC)


class FakeClock:
    """Starts at 2030-01-01T00:00:00Z and monotonic 0; `advance` moves both and wakes whoever slept long enough."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self._monotonic = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        sleeper = (self._monotonic + seconds, asyncio.get_running_loop().create_future())
        self._sleepers.append(sleeper)
        try:
            await sleeper[1]
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)

    @property
    def sleepers(self) -> int:
        """How many coroutines sleep now."""
        return len(self._sleepers)

    def advance(self, seconds: float) -> None:
        """Move on and wake the sleepers that are due, in the order of their times; they run at the next await."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds
        for due, future in sorted(self._sleepers, key=lambda sleeper: sleeper[0]):
            if due <= self._monotonic and not future.done():
                future.set_result(None)

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as NTP does at boot; nobody wakes, monotonic time stands."""
        self._now += timedelta(seconds=seconds)

    async def run(self, seconds: float, step: float = 0.5) -> None:
        """Move on in steps, letting the loop work off what each step woke."""
        end = self._monotonic + seconds
        while self._monotonic < end:
            self.advance(min(step, end - self._monotonic))
            await settle()


async def settle(rounds: int = 20) -> None:
    """Let everything run that is ready to run (no real time passes)."""
    for _ in range(rounds):
        await asyncio.sleep(0)
