"""What happened lately: a bounded history of committed changes, for watches and for listings of earlier snapshots.

The history lives in memory because half of what happens (leases, events) never reaches the disk; a watch that wants
more of the past than is here is told to list again.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass

from edge.store.interface import Compacted, Event, FutureRevision, Record, Revision

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"


@dataclass(frozen=True, slots=True)
class Change:
    """One committed write. For a deletion `record` is the last value watchers see."""

    record: Record
    before: Record | None
    deleted: bool = False

    @property
    def revision(self) -> Revision:
        """The revision the change made."""
        return self.record.revision

    def event(self) -> Event:
        """Return the change as watchers see it."""
        kind = DELETED if self.deleted else MODIFIED if self.before else ADDED
        return Event(kind, self.record, self.before.value if self.before else None)


class History:
    """The newest changes in revision order, bounded by number and by bytes of their values.

    Everything after revision `start` is here; nothing before it can be told.
    """

    def __init__(self, start: Revision, *, max_events: int, max_bytes: int) -> None:
        self.start = start
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._changes: list[tuple[Change, Event]] = []
        self._first = 0
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._changes) - self._first

    def append(self, change: Change) -> Event:
        """Add the newest change and forget the oldest ones that no longer fit; return its event."""
        event = change.event()
        self._changes.append((change, event))
        self._bytes += len(change.record.value)
        while len(self) > self._max_events or (self._bytes > self._max_bytes and len(self) > 1):
            self._drop()
        self._tidy()
        return event

    def forget(self, up_to: Revision) -> None:
        """Drop every change of that revision and before."""
        while len(self) and self._changes[self._first][0].revision <= up_to:
            self._drop()
        self.start = max(self.start, up_to)
        self._tidy()

    def check(self, after: Revision, newest: Revision) -> None:
        """Raise Compacted or FutureRevision if the changes after that revision cannot be told."""
        if after < self.start:
            raise Compacted(f"revision {after} is compacted, the history starts at {self.start}")
        if after > newest:
            raise FutureRevision(f"revision {after} has not happened yet, the newest is {newest}")

    def since(self, after: Revision, prefix: str) -> list[Event]:
        """Return the events of a prefix after a revision that `check` let pass."""
        changes = self._changes[self._position(after):]
        return [event for change, event in changes if change.record.key.startswith(prefix)]

    def undo(self, after: Revision) -> dict[str, Record | None]:
        """Return what each key changed since that revision held at it; None: it was absent."""
        held: dict[str, Record | None] = {}
        for change, _ in self._changes[self._position(after):]:
            held.setdefault(change.record.key, change.before)
        return held

    def _position(self, after: Revision) -> int:
        return bisect.bisect_right(self._changes, after, lo=self._first, key=lambda entry: entry[0].revision)

    def _drop(self) -> None:
        change = self._changes[self._first][0]
        self.start = max(self.start, change.revision)
        self._bytes -= len(change.record.value)
        self._first += 1

    def _tidy(self) -> None:
        """Give dropped entries back in large steps, so that appending stays cheap."""
        if self._first > 256 and self._first * 2 > len(self._changes):
            del self._changes[:self._first]
            self._first = 0
