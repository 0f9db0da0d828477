"""Reading one's own writes: a key waits until the caches contain what was written for it the last time.

Without this a controller whose cache lags behind would create the same pods twice. A write is seen when the cache of
its kind has reached the write's revision; a deletion when the object is gone, replaced or marked as terminating.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from edge.api import meta

K = TypeVar("K", bound=Hashable)

GIVE_UP_SECONDS = 60.0
"""A watch that has been silent this long has failed and will list anew."""


class Seen(Protocol):
    """What the caches have seen so far."""

    def revision(self, kind: type[meta.Object]) -> int:
        """Return the newest revision the cache of a kind contains."""
        ...

    def get(self, kind: type[meta.Object], name: str, namespace: str = "") -> meta.Object | None:
        """Return the cached object, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """An object was written at a revision."""

    kind: type[meta.Object]
    revision: int


@dataclass(frozen=True, slots=True)
class Deleted:
    """The deletion of an object was accepted."""

    kind: type[meta.Object]
    name: str
    namespace: str
    uid: str


class Expectations(Generic[K]):
    """What each key still waits for."""

    def __init__(self) -> None:
        self._open: dict[K, list[Written | Deleted]] = {}
        self._since: dict[K, float] = {}

    def __len__(self) -> int:
        return len(self._open)

    def expect(self, key: K, what: Written | Deleted, now: float) -> None:
        """Let the key wait for a write."""
        self._open.setdefault(key, []).append(what)
        self._since.pop(key, None)
        self._since[key] = now
        # Nobody asks again for a key whose object is gone; the oldest come first.
        while (oldest := next(iter(self._since))) != key and now - self._since[oldest] >= GIVE_UP_SECONDS:
            del self._since[oldest]
            del self._open[oldest]

    def fulfilled(self, key: K, seen: Seen, now: float) -> bool:
        """Tell whether the caches contain every write made for the key."""
        waiting = [what for what in self._open.get(key, ()) if not _is_seen(what, seen)]
        if waiting and now - self._since[key] < GIVE_UP_SECONDS:
            self._open[key] = waiting
            return False
        self._open.pop(key, None)
        self._since.pop(key, None)
        return True


def _is_seen(what: Written | Deleted, seen: Seen) -> bool:
    if isinstance(what, Written):
        return seen.revision(what.kind) >= what.revision
    obj = seen.get(what.kind, what.name, what.namespace)
    return obj is None or obj.metadata.uid != what.uid or obj.metadata.deletion_timestamp is not None
