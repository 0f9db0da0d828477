"""The pods that wait for a node: by priority, then age; those that fit nowhere wait for a change and a delay.

A data structure only; `now` is seconds of a clock that never jumps.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 10.0
UNCHANGED_SECONDS = 300.0
"""A pod that fits nowhere is tried again after this long even when nothing changed."""


@dataclass(slots=True)
class _Pending:
    rank: tuple[int, str, str]
    attempts: int = 0
    not_before: float = 0.0
    parked_at: float = 0.0
    changes_seen: int = 0


class PendingQueue:
    """Keys of pods without a node."""

    def __init__(self) -> None:
        self._pending: dict[str, _Pending] = {}
        self._ready: list[tuple[tuple[int, str, str], str]] = []
        self._parked: dict[str, None] = {}
        self._changes = 0

    def __len__(self) -> int:
        return len(self._pending)

    def put(self, key: str, *, priority: int, created: str) -> None:
        """Let a pod wait for its turn; one that waits already keeps its place."""
        rank = (-priority, created, key)
        if key not in self._pending:
            self._pending[key] = _Pending(rank)
            heapq.heappush(self._ready, (rank, key))

    def drop(self, key: str) -> None:
        """Forget a pod that needs no node any more."""
        self._pending.pop(key, None)
        self._parked.pop(key, None)

    def take(self) -> str | None:
        """Return the next pod and count an attempt, or None. It stays known until `drop`."""
        while self._ready:
            rank, key = heapq.heappop(self._ready)
            found = self._pending.get(key)
            if found is not None and found.rank == rank and key not in self._parked:
                found.attempts += 1
                return key
        return None

    def park(self, key: str, now: float, *, until_change: bool = True) -> None:
        """Let a pod wait: one that fits nowhere for a change and at least its delay, another for the delay alone."""
        found = self._pending.get(key)
        if found is not None:
            delay = min(FIRST_DELAY_SECONDS * 2.0 ** min(found.attempts - 1, 16), LONGEST_DELAY_SECONDS)
            found.not_before, found.parked_at = now + delay, now
            found.changes_seen = self._changes if until_change else -1
            self._parked[key] = None

    def cluster_changed(self) -> None:
        """Something changed that may make room: parked pods are tried again once their delay is over."""
        self._changes += 1

    def unpark(self, now: float) -> None:
        """Make the parked pods ready that are due."""
        for key in [key for key in self._parked if self._due(key) <= now]:
            del self._parked[key]
            heapq.heappush(self._ready, (self._pending[key].rank, key))

    def next_due(self) -> float | None:
        """Return when the first parked pod is due, or None."""
        return min((self._due(key) for key in self._parked), default=None)

    def _due(self, key: str) -> float:
        found = self._pending[key]
        return found.not_before if found.changes_seen != self._changes else found.parked_at + UNCHANGED_SECONDS
