"""Effects: puts away the directories of local volumes that the server wants removed, and says when they are gone.

A directory is moved, not removed: that is done in one step, also when the power goes, and can be taken back by hand
for a day. What the server does not name stays where it is.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from edge import logs
from edge.agent import local_volumes, removal
from edge.agent.reporter import Reporter
from edge.bus import messages
from edge.clock import Clock, wait

USED_SECONDS = 5.0
"""How soon to look again for a volume that a pod still has."""
RETRY_SECONDS = 60.0
KEPT_SECONDS = 600.0
"""How often what was put away is looked at."""

log = logs.get("agent.volumes")


class VolumeKeeper:
    """The local volumes of the node. `pods` returns what is wanted of every pod that is here."""

    def __init__(self, directory: Path, kept_seconds: float, reporter: Reporter, clock: Clock,
                 pods: Callable[[], Iterable[messages.DesiredPod | None]]) -> None:
        self._directory, self._kept_seconds = directory, kept_seconds
        self._reporter, self._clock, self._pods = reporter, clock, pods
        self._ordered: tuple[str, ...] | None = None
        """What the server wants removed; None before it has said so."""
        self._told: tuple[str, ...] | None = None
        self._seen: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._problem = ""

    def receive(self, payload: bytes) -> None:
        """Take the server's newest list; a cleared one names nothing. Raises MessageError."""
        self._ordered = messages.decode(messages.DesiredVolumes, payload).removed if payload else None
        self._told = None
        self._wake.set()

    async def run(self) -> None:
        """Look after the directories until cancelled."""
        try:
            await asyncio.to_thread(_shut, self._directory)
        except OSError as error:
            log.warning("the directory of local volumes stays open to all users of the node", reason=error)
        while True:
            self._wake.clear()
            try:
                seconds = await self._look()
                self._problem = ""
            except OSError as error:
                seconds = RETRY_SECONDS
                if str(error) != self._problem:
                    self._problem = str(error)
                    log.warning("cannot remove local volumes", reason=error, retry_seconds=RETRY_SECONDS)
            await wait(self._wake, self._clock, seconds)

    async def _look(self) -> float | None:
        """Do what is due and return after how many seconds to look again. Raises OSError."""
        waiting = False
        if self._ordered is not None:
            found = local_volumes.plan(self._ordered, await asyncio.to_thread(_names, self._directory),
                                       local_volumes.used_by(self._pods(), str(self._directory)))
            for name in found.away:
                await asyncio.to_thread(_put_away, self._directory, name)
                log.info("local volume put away", volume=name, kept_seconds=self._kept_seconds)
            if (told := tuple(sorted((*found.gone, *found.away)))) != self._told:
                self._reporter.volumes(told)
                self._told = told
            waiting = bool(found.waiting)
        await self._clear()
        if waiting:
            return USED_SECONDS
        return KEPT_SECONDS if self._seen else None

    async def _clear(self) -> None:
        """Remove what was put away long enough ago. Raises OSError."""
        kept, now = self._directory / local_volumes.KEPT, self._clock.monotonic()
        names = await asyncio.to_thread(_names, kept)
        self._seen = {name: self._seen.get(name, now) for name in names}
        while self._seen:
            due = local_volumes.overdue(self._seen, now, self._kept_seconds,
                                        await asyncio.to_thread(_used_percent, kept))
            if not due:
                return
            for name in due:
                await asyncio.to_thread(_remove, kept / name)
                self._seen.pop(name)
                log.info("local volume removed for good", volume=name)


def _shut(directory: Path) -> None:
    """Let nobody but root into the directory: what containers left in it with the rights of root is not for others."""
    if directory.is_dir() and stat.S_IMODE(directory.stat().st_mode) & 0o007:
        directory.chmod(0o750)


def _names(directory: Path) -> frozenset[str]:
    """Return what is in a directory; nothing when there is none. Raises OSError."""
    try:
        return frozenset(path.name for path in directory.iterdir())
    except FileNotFoundError:
        return frozenset()


def _put_away(directory: Path, name: str) -> None:
    kept = directory / local_volumes.KEPT
    kept.mkdir(mode=0o700, exist_ok=True)
    target, number = kept / name, 1
    while os.path.lexists(target):
        number += 1
        target = kept / f"{name}.{number}"
    (directory / name).rename(target)


def _used_percent(directory: Path) -> float:
    state = os.statvfs(directory)
    return 100.0 * (1 - state.f_bavail / state.f_blocks) if state.f_blocks else 0.0


def _remove(path: Path) -> None:
    """Remove a directory with all that is in it; of a link only the link."""
    if path.is_dir() and not path.is_symlink():
        removal.tree(path)
    else:
        path.unlink(missing_ok=True)
