"""Decides what to do about a container engine that does not answer: wait, end it so that it is started anew, or look
why it does not start. Times are seconds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

# Its supervisor gets this long to start it again.
PATIENCE_SECONDS = 20.0
# One that answers but cannot list its containers may only be busy with a slow card.
BUSY_PATIENCE_SECONDS = 240.0
FIRST_PAUSE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 600.0


class Step(Enum):
    """What to do next."""

    WAIT = "wait"
    END = "end"
    """It hangs: end its process; whoever supervises it starts it again."""
    FORGET_IMAGES = "forget images"
    """Its list of images is broken: set that aside, and have it start anew."""
    EXAMINE = "examine"
    """Nobody listens: see why it does not start, mend that, and start it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """How the engine is."""

    away_seconds: float
    """Since it was first found not to answer."""
    listens: bool
    """Its socket takes connections."""
    pings: bool
    """It answers the smallest of questions."""
    images_readable: bool = True
    tries: int = 0
    """How often something was done about it since it last answered."""
    since_try_seconds: float | None = None


def step(engine: Engine) -> Step:
    """Return what to do; the longer nothing has helped, the rarer something is tried."""
    patience = BUSY_PATIENCE_SECONDS if engine.pings else PATIENCE_SECONDS
    if engine.images_readable and engine.away_seconds < patience:
        return Step.WAIT
    if engine.since_try_seconds is not None and engine.since_try_seconds < pause(engine.tries):
        return Step.WAIT
    if not engine.images_readable:
        return Step.FORGET_IMAGES
    return Step.END if engine.listens else Step.EXAMINE


def pause(tries: int) -> float:
    """Return the seconds to wait after that many tries."""
    return float(min(FIRST_PAUSE_SECONDS * 2 ** max(0, tries - 1), LONGEST_PAUSE_SECONDS))
