"""The revisioned store: every write makes the next revision, a watch is "changes after revision N".

Small enough that an etcd adapter could stand behind it: revisions, compare-and-set, watch-after, compact.
Keys are `/<group>/<plural>/<namespace>/<name>` (empty parts stay: `//nodes//node-1`). Values are opaque bytes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

Revision = int
Encode = Callable[[Revision], bytes]
"""Makes the value once its revision is known, so that the stored bytes can carry their own resourceVersion."""


@dataclass(frozen=True, slots=True)
class Record:
    """One object as stored. `revision` is that of its last change, `created` that of its first."""

    key: str
    value: bytes
    revision: Revision
    created: Revision


@dataclass(frozen=True, slots=True)
class Event:
    """One committed change. A deletion carries the last value (re-encoded with the deletion's revision) in `record`."""

    kind: str
    """ADDED, MODIFIED or DELETED."""
    record: Record
    previous: bytes | None
    """The value before the change; None for ADDED. Lets a selector watch turn a change into ADDED or DELETED."""


Take = Callable[[Sequence[Event]], bool]
"""Takes events at once, all of them or none, and returns whether it did. It must not wait and must not raise."""


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a listing: records in key order, the revision of the snapshot, and the key to go on after ("" = done)."""

    records: tuple[Record, ...]
    revision: Revision
    next_key: str
    remaining: int


class Watch(Protocol):
    """The changes of one prefix, for one reader."""

    def __aiter__(self) -> AsyncIterator[Event]: ...

    async def __anext__(self) -> Event: ...

    async def batch(self) -> list[Event] | None:
        """Return all that has come, waiting for it; nothing after `wake`; None when the watch has ended.

        Raises Compacted when this watcher fell too far behind.
        """
        ...

    def offer_to(self, take: Take) -> None:
        """Offer what comes to `take` first, whenever the reader waits in `batch`; the reader gets what it refuses.

        So many watchers are served in one turn of the loop, without waking a task for each.
        """
        ...

    def wake(self) -> None:
        """Let `batch` return although nothing has come."""
        ...

    async def aclose(self) -> None:
        """End the watch early."""
        ...


class KeyExists(Exception):
    """Create found the key taken."""


class KeyNotFound(Exception):
    """Update or delete found no such key."""


class RevisionMismatch(Exception):
    """The key changed since the expected revision. `record` is what is there now."""

    def __init__(self, record: Record) -> None:
        super().__init__(record.key)
        self.record = record


class Compacted(Exception):
    """The history before this revision is gone; list again."""


class FutureRevision(Exception):
    """The revision asked for has not happened yet."""


class StoreUnavailable(Exception):
    """The write (or the opening) failed: disk full, I/O error, file in use, closed. Nothing of it is visible."""


class StoreCorrupt(Exception):
    """The file is damaged. The text says what to do about it."""


class Store(Protocol):
    """All methods are called from one asyncio loop. A write returns once it is durable, and is then visible.

    A write raises StoreUnavailable when it could not be made durable; nothing of it is visible then, and the store
    goes on.
    """

    @property
    def revision(self) -> Revision:
        """The newest visible revision. Never goes back, also over restarts and restores."""
        ...

    def get(self, key: str) -> Record | None:
        """Return the newest visible record."""
        ...

    def list(self, prefix: str, *, limit: int = 0, after_key: str = "", revision: Revision = 0) -> Page:
        """Return records whose key starts with `prefix`, in key order.

        With `revision`, the listing is of that snapshot (for `continue`). Raises Compacted or FutureRevision.
        """
        ...

    async def create(self, key: str, encode: Encode, *, volatile: bool = False) -> Record:
        """Append a new key. `volatile` keys live in memory only. Raises KeyExists."""
        ...

    async def update(self, key: str, encode: Encode, *, expected: Revision) -> Record:
        """Replace the value if its revision is still `expected`. Raises KeyNotFound, RevisionMismatch."""
        ...

    async def delete(self, key: str, encode: Encode, *, expected: Revision) -> Record:
        """Delete if the revision is still `expected`; `encode` makes the last value watchers see."""
        ...

    def watch(self, prefix: str, *, after: Revision) -> Watch:
        """Yield every change of keys with `prefix` after that revision, in order, none lost or repeated.

        The watcher is registered by the call itself, so nothing is lost before the first `__anext__`. Raises, from
        the call, Compacted or FutureRevision; from the iteration, Compacted when this watcher falls too far behind.
        The iteration ends when the store closes; `aclose` on the iterator ends it early.
        """
        ...

    def observe(self, changed: Callable[[str], None]) -> None:
        """Call `changed` with the key of each change as soon as it is visible, before anybody else hears of it.

        It must not wait and must not raise.
        """
        ...

    async def compact(self, keep: int) -> None:
        """Forget the history but for the last `keep` revisions."""
        ...

    async def close(self) -> None:
        """Flush and close."""
        ...
