"""A local view of one kind, kept up to date by list and watch: what every control loop reads from.

The view is never ahead of the server and catches up by itself: a watch that ends is taken up where it was, a lost
history is listed again and the differences are told like any other change.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, cast

from edge import logs
from edge.api import errors, meta
from edge.client import view
from edge.client.interface import Client, O
from edge.clock import Clock
from edge.ids import Ids

FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 30.0
STEADY_SECONDS = 5.0
"""A connection that held this long was a good one: its end starts the delays anew."""

Listener = Callable[[O | None, O | None], None]
Start = Callable[[str, Callable[[], Awaitable[None]]], None]

log = logs.get("cache")


class Cache(Generic[O]):
    """Objects of one kind, as the API last showed them. Reading never waits; `run` keeps it going.

    Objects are shared and immutable. Keys are `namespace/name`, or `name` for cluster-wide kinds (`view.key_of`).
    The indexes `namespace`, `owner` and `controller` (uids) and `node` are there from the start.
    """

    def __init__(self, client: Client, kind: type[O], *, clock: Clock, ids: Ids, namespace: str = "",
                 labels: str = "", fields: str = "") -> None:
        self.kind = kind
        self.synced = asyncio.Event()
        """Set once the first listing is in."""
        self._client = client
        self._clock = clock
        self._ids = ids
        self._scope: dict[str, str] = {"namespace": namespace, "labels": labels, "fields": fields}
        self._view: view.View[O] = view.View()
        self._listeners: list[Listener[O]] = []
        self._version = ""
        self._task: asyncio.Task[Any] | None = None
        self._stopped = False
        for name, function in (("namespace", view.by_namespace), ("owner", view.by_owner),
                               ("controller", view.by_controller), ("node", view.by_node)):
            self._view.add_index(name, function)

    def __len__(self) -> int:
        return len(self._view)

    def items(self) -> tuple[O, ...]:
        """Return every object."""
        return self._view.items()

    def get(self, key: str) -> O | None:
        """Return the object of a key, or None."""
        return self._view.get(key)

    def by_index(self, name: str, value: str) -> tuple[O, ...]:
        """Return the objects an index has under a value."""
        return self._view.by_index(name, value)

    def add_index(self, name: str, function: view.IndexFunction[O]) -> None:
        """Add an index over what is there and what comes."""
        self._view.add_index(name, function)

    def listen(self, listener: Listener[O]) -> None:
        """Call `listener(old, new)` for each change from now on, after telling it what is there as (None, object).

        It is called in the cache's task with the view already changed, must not wait, and must not raise.
        """
        for obj in self._view.items():
            listener(None, obj)
        self._listeners.append(listener)

    async def run(self) -> None:
        """List and watch until canceled or stopped."""
        self._task = asyncio.current_task()
        try:
            await self._keep_up()
        except asyncio.CancelledError:
            if not self._stopped or self._task is None:
                raise
            self._task.uncancel()

    def stop(self) -> None:
        """End `run`, for a kind that is no longer served."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()

    async def _keep_up(self) -> None:
        failures = 0
        self._version = ""
        while not self._stopped:
            began, version = self._clock.monotonic(), self._version
            try:
                if not self._version:
                    await self._list()
                await self._follow()
            except errors.Expired:
                self._version = ""
            except errors.ApiError as error:
                log.warning("cache lost the API", cause=error, kind=self.kind.__name__)
            if self._clock.monotonic() - began >= STEADY_SECONDS:
                failures = 0
            else:
                failures = 1 if version and self._version not in (version, "") else failures + 1
            await self._clock.sleep(delay(failures, self._ids.fraction()))

    async def _list(self) -> None:
        listing = await self._client.list(self.kind, **self._scope)
        self._version = listing.resource_version
        changes = self._view.replace(listing.items)
        self.synced.set()
        self._tell(changes)

    async def _follow(self) -> None:
        events = self._client.watch(self.kind, resource_version=self._version, **self._scope)
        async with _closing(events):
            async for event in events:
                if event.type == "DELETED":
                    self._tell(self._view.remove(view.key_of(event.object)))
                elif event.type != "BOOKMARK":
                    self._tell(self._view.put(event.object))
                self._version = event.object.metadata.resource_version or self._version

    def _tell(self, changes: list[view.Change[O]]) -> None:
        for old, new in changes:
            for listener in self._listeners:
                listener(old, new)


class SharedCaches:
    """One cache per kind for all loops of a program."""

    def __init__(self, client: Client, *, clock: Clock, ids: Ids, start: Start) -> None:
        """Args:
        start: how a cache's `run` becomes a task of the program, `component.Supervisor.start`.
        """
        self._client = client
        self._clock = clock
        self._ids = ids
        self._start = start
        self._caches: dict[type[meta.Object], Cache[Any]] = {}

    def of(self, kind: type[O]) -> Cache[O]:
        """Return the cache of a kind, made and started when it is first asked for."""
        found = self._caches.get(kind)
        if found is None:
            found = self._caches[kind] = Cache(self._client, kind, clock=self._clock, ids=self._ids)
            self._start(f"cache {kind.__name__}", found.run)
        return cast("Cache[O]", found)

    def drop(self, kind: type[meta.Object]) -> None:
        """Stop and forget the cache of a kind that is no longer served."""
        found = self._caches.pop(kind, None)
        if found is not None:
            found.stop()

    async def synced(self) -> None:
        """Wait until every cache asked for so far has its first listing."""
        for cache in list(self._caches.values()):
            await cache.synced.wait()


def delay(failures: int, fraction: float) -> float:
    """Return the seconds to wait after so many short rounds in a row: doubling, bounded, half of it by chance."""
    if failures == 0:
        return 0.0
    longest = min(FIRST_DELAY_SECONDS * 2.0 ** min(failures - 1, 16), LONGEST_DELAY_SECONDS)
    return longest * (0.5 + fraction / 2)


@contextlib.asynccontextmanager
async def _closing(events: AsyncIterator[Any]) -> AsyncIterator[None]:
    """Close a watch as soon as it is left, not when the garbage collector finds it."""
    try:
        yield
    finally:
        close = getattr(events, "aclose", None)
        if close:
            await close()
