"""A queue of keys without duplicates: a key is handed out to one worker at a time, and late again after failures.

A data structure only; the loop asks with `now` (seconds of a clock that never jumps) and waits until `next_due`.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_DELAY_SECONDS = 0.01
LONGEST_DELAY_SECONDS = 30.0


class WorkQueue(Generic[K]):
    """Keys with the time each is due."""

    def __init__(self) -> None:
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._sequence = 0
        self._working: set[K] = set()
        self._not_before: dict[K, float] = {}
        self._failures: dict[K, int] = {}

    def __len__(self) -> int:
        return len(self._due)

    def add(self, key: K, now: float, after_seconds: float = 0.0) -> None:
        """Make the key due; the earlier of two times wins."""
        due = max(now + after_seconds, self._not_before.get(key, 0.0))
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        self._sequence += 1
        heapq.heappush(self._heap, (due, self._sequence, key))

    def get(self, now: float) -> K | None:
        """Return a key that is due and that no worker has, or None."""
        skipped: list[tuple[float, int, K]] = []
        found: K | None = None
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)
            due, _, key = entry
            if self._due.get(key) != due:
                continue  # An older entry of a key that was made due earlier.
            if key in self._working:
                skipped.append(entry)
                continue
            del self._due[key]
            self._working.add(key)
            found = key
            break
        for entry in skipped:
            heapq.heappush(self._heap, entry)
        return found

    def done(self, key: K, now: float, *, failed: bool = False, pause_seconds: float = 0.0) -> None:
        """Hand the key back. A failed one is due again after a delay that doubles, or at its next change;
        `pause_seconds` bounds how soon changes make it due again.
        """
        self._working.discard(key)
        self._not_before.pop(key, None)
        if pause_seconds > 0:
            self._not_before[key] = now + pause_seconds
        if not failed:
            self._failures.pop(key, None)
        else:
            count = self._failures.get(key, 0)
            self._failures[key] = count + 1
            delay = min(FIRST_DELAY_SECONDS * 2 ** min(count, 20), LONGEST_DELAY_SECONDS)
            self.add(key, now, delay)
        if key in self._due:
            self._postpone(key)

    def failures(self, key: K) -> int:
        """Return how often the key failed in a row."""
        return self._failures.get(key, 0)

    def next_due(self) -> float | None:
        """Return when a key that no worker has is due next, or None."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return min((due for key, due in self._due.items() if key not in self._working), default=None) \
            if self._working else (self._heap[0][0] if self._heap else None)

    def forget_pauses(self, now: float) -> None:
        """Drop pauses that are over, so that the queue holds nothing about keys that are gone."""
        for key in [key for key, until in self._not_before.items() if until <= now]:
            del self._not_before[key]

    def _postpone(self, key: K) -> None:
        """Move a change that came while the key was worked on to the end of its pause or delay."""
        due = max(self._due[key], self._not_before.get(key, 0.0))
        if due != self._due[key]:
            self._due[key] = due
            self._sequence += 1
            heapq.heappush(self._heap, (due, self._sequence, key))
