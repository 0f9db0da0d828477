"""Effects: steps the machine's clock forward when it is obviously behind, before certificates are looked at.

A Pi has no clock. Until it has asked for the time it believes in 1970, or in the moment it was switched off, and finds
every certificate "not yet valid". All of ours are valid from 2020 on, so the day this program was written will do:
nothing has to be kept on the card for it, and a wrong time that was kept could be wrong for ever. Only a clock that
shows an earlier day is touched, so nothing here is ever at odds with whoever knows the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from edge import logs
from edge.clock import Clock

EARLIEST_NOW = datetime(2026, 11, 1, tzinfo=UTC)
"""A clock that shows an earlier day is wrong: this is when the program was written."""

log = logs.get("clock")


def _set(seconds: float) -> None:
    time.clock_settime(time.CLOCK_REALTIME, seconds)


def raise_clock(clock: Clock, step: Callable[[float], None] = _set) -> bool:
    """Step the clock to the earliest day it can be, if it shows an earlier one; return whether it was stepped."""
    shown = clock.now()
    if shown >= EARLIEST_NOW:
        return False
    try:
        step(EARLIEST_NOW.timestamp())
    except OSError as error:
        log.warning("the clock is behind and cannot be set; certificates may seem not valid yet", reason=error,
                    shown=shown.isoformat())
        return False
    log.warning("the clock was behind and was set to the day this program was written, until somebody knows the time",
                shown=shown.isoformat())
    return True
