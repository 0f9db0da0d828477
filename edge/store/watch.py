"""Watchers: each has a bounded buffer of its own, so that a slow one delays nobody and ends with Compacted.

A watcher's task is woken for what comes, or, where that is wanted, what comes is handed out to many watchers in one
turn of the loop. Between turns the loop does other work, so that a thousand watchers delay no request for long.
"""

from __future__ import annotations

import asyncio
import itertools
import weakref
from collections.abc import Iterable

from edge.store.interface import Compacted, Event, Take

TURN = 16
"""Watchers that events are handed out to before the loop does something else: less than a millisecond."""


class Watch:
    """The events of one prefix, for one reader. It is registered from its making to `aclose`."""

    def __init__(self, hub: Watchers, prefix: str, backlog: Iterable[Event], limit: int) -> None:
        self.prefix = prefix
        self._hub = hub
        self._events = list(backlog)
        self._taken: list[Event] = []
        """What `__anext__` has taken and not given yet, the next one last."""
        self._limit = limit
        self._bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._take: Take | None = None
        self._closed = False
        self._overflowed = False
        self._woken = False

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> Event:
        while not self._taken:
            found = await self.batch()
            if found is None:
                raise StopAsyncIteration
            self._taken = found[::-1]
        return self._taken.pop()

    async def batch(self) -> list[Event] | None:
        """Return all that has come, waiting for it; nothing after `wake`; None when the watch has ended."""
        while not self._events:
            if self._overflowed:
                raise Compacted(f"the watch of {self.prefix} fell too far behind")
            if self._closed:
                return None
            if self._woken:
                break
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        self._woken = False
        found, self._events, self._bytes = self._events, [], 0
        return found

    def offer_to(self, take: Take) -> None:
        """Offer what comes to `take` first, while the reader waits in `batch`."""
        self._take = take

    def wake(self) -> None:
        """Let `batch` return although nothing has come."""
        self._woken = True
        self._wake()

    async def aclose(self) -> None:
        """Unregister and end the iteration."""
        self._events, self._taken = [], []
        self.end()

    def end(self) -> None:
        """Take no more events; the reader still gets what is buffered."""
        self._closed = True
        self._hub.remove(self)
        self._wake()

    def push(self, event: Event, size: int) -> None:
        """Add an event; a full buffer ends the watch, since dropping single events would be a lie."""
        self._bytes += size
        if len(self._events) >= self._limit or (self._bytes > self._hub.limit_bytes and self._events):
            self._overflowed = True
            self._events = []
            self._hub.remove(self)
        else:
            self._events.append(event)
            if self._take is not None:
                self._hub.due(self)
                return
        self._wake()

    def hand_out(self) -> None:
        """Give what is buffered to `take`, or else to the reader. One that does not wait finds it in its next batch."""
        if self._waiter is None or self._waiter.done() or not self._events:
            return
        taken = False
        try:
            taken = self._take is not None and self._take(self._events)
        finally:
            if not taken:
                self._wake()  # Also when taking went wrong: the reader runs into the same, and ends.
        if taken:
            self._events, self._bytes = [], 0

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)


class Watchers:
    """Every open watch, by prefix: a change is compared once with each distinct prefix.

    Watches are held weakly: one whose reader went away without `aclose` is gone with it.
    """

    def __init__(self, limit: int, limit_bytes: int) -> None:
        self._limit = limit
        self.limit_bytes = limit_bytes
        self._by_prefix: dict[str, weakref.WeakSet[Watch]] = {}
        self._due: dict[Watch, None] = {}
        """Those that have something to be handed out, in the order in which it came."""

    def __len__(self) -> int:
        return sum(len(watches) for watches in self._by_prefix.values())

    def add(self, prefix: str, backlog: Iterable[Event]) -> Watch:
        """Register a reader that starts with what happened before."""
        self._by_prefix = {known: watches for known, watches in self._by_prefix.items() if watches}
        watch = Watch(self, prefix, backlog, self._limit)
        self._by_prefix.setdefault(prefix, weakref.WeakSet()).add(watch)
        return watch

    def remove(self, watch: Watch) -> None:
        """Forget a reader; once more is harmless."""
        if watches := self._by_prefix.get(watch.prefix):
            watches.discard(watch)

    def publish(self, event: Event) -> None:
        """Hand one event to everyone it concerns."""
        key, size = event.record.key, len(event.record.value)
        for prefix, watches in self._by_prefix.items():
            if key.startswith(prefix):
                for watch in list(watches):
                    watch.push(event, size)

    def due(self, watch: Watch) -> None:
        """Hand out what a watch has buffered, soon."""
        if not self._due:
            asyncio.get_running_loop().call_soon(self._hand_out)
        self._due[watch] = None

    def _hand_out(self) -> None:
        try:
            for watch in list(itertools.islice(self._due, TURN)):
                del self._due[watch]
                watch.hand_out()
        finally:
            # What goes wrong with one must not leave the others waiting for ever.
            if self._due:
                asyncio.get_running_loop().call_soon(self._hand_out)

    def close(self) -> None:
        """End every watch."""
        for watch in [watch for watches in self._by_prefix.values() for watch in watches]:
            watch.end()
