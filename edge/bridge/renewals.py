"""Which pods get new tokens, and when: the earliest time of each."""

from __future__ import annotations

from datetime import datetime

from edge.bridge.publications import PodKey

LONGEST_SECONDS = 600.0
"""How long nobody looks at the wall clock, which may be set meanwhile."""
SHORTEST_SECONDS = 1.0


class Renewals:
    """The time at which each pod is due."""

    def __init__(self) -> None:
        self._due: dict[PodKey, datetime] = {}
        self._first: datetime | None = None

    def note(self, key: PodKey, due: datetime | None) -> None:
        """Note when a pod is due; None is never."""
        if due is None:
            self._due.pop(key, None)
            return
        self._due[key] = due
        if self._first is None or due < self._first:
            self._first = due

    def due(self, now: datetime) -> tuple[PodKey, ...]:
        """Return the pods that are due and note that they are seen to."""
        if self._first is None or now < self._first:
            return ()
        found = tuple(key for key, due in self._due.items() if due <= now)
        for key in found:
            del self._due[key]
        self._first = min(self._due.values(), default=None)
        return found

    def seconds(self, now: datetime) -> float | None:
        """Return after how many seconds to look again; None while nothing is noted."""
        if self._first is None:
            return None
        return min(LONGEST_SECONDS, max(SHORTEST_SECONDS, (self._first - now).total_seconds()))
