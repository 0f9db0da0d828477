"""Effects: keeps on the disk what the node needs to go on without its master, with as few writes as will do.

A burst of changes is written once. What only changes the endpoints of services waits longer: a pod that crashes
somewhere in the rack must not wear out the card of every node. A full disk is said once and tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from edge import logs
from edge.agent.checkpoint import Checkpoint, Statuses
from edge.agent.desired import Known
from edge.api import core
from edge.clock import Clock, wait

SAVE_DELAY_SECONDS = 1.0
SERVICES_SECONDS = 600.0
RETRY_SECONDS = 10.0

log = logs.get("agent.saving")


class Saver:
    """Saves a moment after `changed` is set. `failed` is called with the reason when saving begins to fail."""

    def __init__(self, checkpoint: Checkpoint, statuses: Statuses, clock: Clock, *, known: Callable[[], Known],
                 told: Callable[[], Mapping[str, core.PodStatus]], failed: Callable[[str], None]) -> None:
        self._checkpoint, self._statuses, self._clock = checkpoint, statuses, clock
        self._known, self._told, self._failed = known, told, failed
        self._saved = Known()
        self._written_at: float | None = None
        self._told_before: Mapping[str, core.PodStatus] = {}
        self._problem = ""
        self.changed = asyncio.Event()

    async def run(self) -> None:
        """Save until cancelled."""
        seconds: float | None = None
        if self._checkpoint.tainted:
            self.changed.set()
        while True:
            if await wait(self.changed, self._clock, seconds):
                await self._clock.sleep(SAVE_DELAY_SECONDS)
                self.changed.clear()
            try:
                seconds = await self._save()
                self._problem = ""
            except OSError as error:
                seconds = RETRY_SECONDS
                self._complain(str(error))

    async def last(self) -> None:
        """Save everything at once, at the end of the program."""
        self._written_at = None
        try:
            await self._save()
        except OSError as error:
            self._complain(str(error))

    async def _save(self) -> float | None:
        """Save what is due and return after how many seconds the rest is. Raises OSError."""
        known, told, left = self._known(), dict(self._told()), self._left()
        if known.index is not None and known is not self._saved and left <= 0:
            await asyncio.to_thread(self._checkpoint.save, known)
            self._saved, self._written_at = known, self._clock.monotonic()
        if told != self._told_before:
            await asyncio.to_thread(self._statuses.save, told)
            self._told_before = told
        return left if left > 0 else None

    def _left(self) -> float:
        """Return for how many seconds a change that is only one of services is still held back."""
        known, saved = self._known(), self._saved
        if known is saved or self._written_at is None or \
                (known.index, known.pods, known.cluster) != (saved.index, saved.pods, saved.cluster):
            return 0.0
        return max(0.0, self._written_at + SERVICES_SECONDS - self._clock.monotonic())

    def _complain(self, reason: str) -> None:
        if reason != self._problem:
            self._problem = reason
            log.warning("cannot save the desired state", reason=reason, retry_seconds=RETRY_SECONDS)
            self._failed(reason)
