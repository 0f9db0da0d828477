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
