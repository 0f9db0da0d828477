"""Writes audit events to a file, one line of JSON each, and begins a new file when it is full.

A request never waits for the file and never fails because of it: what cannot be written is dropped and counted.
By default the file is in memory (`/run`), because one line for each write would wear the card.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edge import logs

MOST_WAITING = 1000
"""Events that wait to be written; more are dropped."""

log = logs.get("audit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where audit events go."""

    path: Path | None = None
    """The file; None writes nothing."""
    max_bytes: int = 4 * 1024 * 1024
    """Size at which a new file is begun."""
    files: int = 2
    """How many files there are at most, the current one included."""
    mutating_only: bool = True
    """False writes reads down too."""


class AuditLog:
    """The writer. `add` may be called at any time; nothing is written before `start`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.dropped = 0
        """Events that were lost because the file could not take them."""
        self._waiting: deque[dict[str, Any]] = deque()
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failing = False
        self._writing = asyncio.Lock()

    @property
    def enabled(self) -> bool:
        """Whether events are written at all."""
        return self.settings.path is not None

    def add(self, event: dict[str, Any]) -> None:
        """Take an event to be written soon."""
        if len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
            return
        self._waiting.append(event)
        self._arrived.set()

    def start(self) -> None:
        """Begin to write."""
        if self.enabled and self._task is None:
            self._task = asyncio.create_task(self._run(), name="audit log")

    async def stop(self) -> None:
        """Write what waits, and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None
            await self._write()

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            await asyncio.shield(asyncio.ensure_future(self._write()))

    async def _write(self) -> None:
        async with self._writing:
            await self._write_waiting()

    async def _write_waiting(self) -> None:
        events = list(self._waiting)
        self._waiting.clear()
        if not events or self.settings.path is None:
            return
        try:
            await asyncio.to_thread(append, self.settings.path, events, self.settings.max_bytes, self.settings.files)
        except OSError as error:
            self.dropped += len(events)
            if not self._failing:
                log.warning("audit events cannot be written", path=str(self.settings.path), reason=str(error))
            self._failing = True
        else:
            if self._failing:
                log.info("audit events are written again", dropped=self.dropped)
            self._failing = False


def append(path: Path, events: Sequence[dict[str, Any]], max_bytes: int, files: int) -> None:
    """Write events to the end of the file, and begin new ones as they get full. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    lines: Sequence[bytes] = [_line(event) for event in events]
    while left := _fill(path, lines, max_bytes):
        rotate(path, files)
        lines = left


def _line(event: dict[str, Any]) -> bytes:
    """Return an event as a line. A client's headers may be no Unicode; what cannot be written becomes a `?`."""
    try:
        return msgspec.json.encode(event) + b"\n"
    except UnicodeEncodeError:
        return json.dumps(event, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def rotate(path: Path, files: int) -> None:
    """Make room for a new file: `log` becomes `log.1`, that one `log.2`, and the last one goes."""
    names = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, files))]
    for newer, older in zip(reversed(names[:-1]), reversed(names[1:]), strict=True):
        if newer.exists():
            newer.replace(older)
    if files == 1:
        path.unlink(missing_ok=True)


def _fill(path: Path, lines: Sequence[bytes], max_bytes: int) -> Sequence[bytes]:
    """Write as many lines as the file takes, at least one into an empty one, and return the others."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = os.open(path, flags, 0o600)
    try:
        size, count = os.fstat(file).st_size, 0
        for line in lines:
            if size and size + len(line) > max_bytes:
                break
            size, count = size + len(line), count + 1
        data = b"".join(lines[:count])
        while data:
            data = data[os.write(file, data):]
    finally:
        os.close(file)
    return lines[count:]
