"""Effects: looks after the logs of all containers: keeps what the engine would drop, and bounds what they take.

See `edge/agent/log_rotation.py` for the rules. Most looks are a glance, three system calls for each container, and
nothing is written while no log is half full.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from edge import logs
from edge.agent import log_files, log_rotation
from edge.agent.log_rotation import Limits, Log, Sight
from edge.agent.streams_directory import PodView
from edge.clock import Clock

GLANCES_SECONDS = 30.0
"""So long glances are enough; then the directories are read again in any case."""

log = logs.get("agent.logs")


class LogKeeper:
    """The logs of one node. `links` is a directory on a tmpfs; `views` gives the pods that are here."""

    def __init__(self, log_dir: str, links: str, limits: Limits, clock: Clock,
                 views: Callable[[], tuple[PodView, ...]]) -> None:
        self._log_dir, self._links, self._limits, self._clock, self._views = log_dir, links, limits, clock, views
        self._sights: Mapping[str, Sight] = {}
        self._found: tuple[Log, ...] = ()
        self._glance: tuple[int, ...] = ()
        self._glances_until = float("-inf")

    def prepare(self) -> None:
        """Make what the engine needs to write logs; called before any container is started."""
        try:
            log_files.mend(self._log_dir, self._links)
        except OSError as error:
            # What is missing is made for each container once more, and then it says so.
            log.warning("cannot prepare the directories of logs", reason=error)

    async def run(self) -> None:
        """Look after the logs until cancelled."""
        while True:
            await self._clock.sleep(await self.look())

    async def look(self) -> float:
        """Look once; return after how many seconds to look again."""
        now = self._clock.monotonic()
        if now < self._glances_until and self._glance == await self._look_briefly():
            return log_rotation.LOOK_SECONDS
        found = await asyncio.to_thread(log_files.all_logs, self._log_dir, self._links)
        limits = self._limits
        if log_files.room(self._links) < 2 * limits.max_bytes:
            limits = replace(limits, memory_bytes=0)
        decided = log_rotation.plan(found, self._sights, limits, self._clock.monotonic(), self._ended(found))
        self._sights = decided.sights
        if decided.actions:
            await asyncio.to_thread(self._perform, decided.actions)
        quiet = not decided.actions and decided.seconds == log_rotation.LOOK_SECONDS
        self._glances_until = now + GLANCES_SECONDS if quiet else float("-inf")
        if quiet:
            self._found = found
            self._glance = await self._look_briefly()
        return decided.seconds

    async def _look_briefly(self) -> tuple[int, ...]:
        step = max(self._limits.max_bytes // 4, 1)
        return await asyncio.to_thread(log_files.glance, self._log_dir, self._found, step)

    def _perform(self, actions: tuple[log_rotation.Action, ...]) -> None:
        for action in actions:
            if isinstance(action, log_rotation.Divert):
                log.info("a container floods its log, it is written to memory" if action.to_memory
                         else "a container's log is written to the card again", log=action.card)
            try:
                log_files.perform(action, self._links)
            except OSError as error:
                # The disk is full, or something else is broken: the rest may still work, and the next look tries again.
                log.warning("cannot keep a log", reason=error, action=type(action).__name__)

    def _ended(self, found: tuple[Log, ...]) -> frozenset[tuple[str, int]]:
        """Return the attempts that have files in memory and write no more."""
        cards = {each.card for each in found if any(part.in_memory for part in each.parts)}
        if not cards:
            return frozenset()
        return frozenset((card, container.attempt) for view in self._views()
                         for name, container in view.containers.items()
                         if (card := str(Path(view.log_dir, name))) in cards and not container.running)
