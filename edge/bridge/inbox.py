"""What nodes have said and nobody has worked on yet: by key the newest message of each sort.

A report says how things are, so a newer one replaces an older one that still waits: a flood costs no more than the
number of things it speaks of. A key is handed out to one worker at a time, so that what belongs together stays in
order.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

K = TypeVar("K")
M = TypeVar("M")


class Inbox(Generic[K, M]):
    """Messages by key and sort."""

    def __init__(self, most: int = 100) -> None:
        """Args:
        most: sorts that may wait under one key; the oldest is dropped for a further one.
        """
        self._most = most
        self._waiting: dict[K, dict[str, M]] = {}
        self._queue: deque[K] = deque()
        self._taken: set[K] = set()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, key: K, sort: str, message: M) -> None:
        """Add a message; it takes the place of one of the same sort and moves to the end."""
        found = self._waiting.get(key)
        if found is None:
            found = self._waiting[key] = {}
            if key not in self._taken:
                self._queue.append(key)
        found.pop(sort, None)
        found[sort] = message
        if len(found) > self._most:
            found.pop(next(iter(found)))
            self.dropped += 1

    def put_back(self, key: K, sort: str, message: M) -> None:
        """Return a message that could not be worked on, unless a newer one of its sort has come."""
        found = self._waiting.get(key, {})
        if sort not in found:
            self._waiting[key] = {sort: message} | found

    def take(self) -> tuple[K, dict[str, M]] | None:
        """Return a key nobody works on and its messages, oldest first; `done` must follow."""
        while self._queue:
            key = self._queue.popleft()
            messages = self._waiting.pop(key, None)
            if messages is not None:
                self._taken.add(key)
                return key, messages
        return None

    def done(self, key: K) -> bool:
        """Release a key; return whether there is more to do for it."""
        self._taken.discard(key)
        if key not in self._waiting:
            return False
        self._queue.append(key)
        return True
