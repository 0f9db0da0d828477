"""Readers of a real server: each keeps its own picture by listing and watching, and complains of whatever is wrong.

A complaint is kept and raised by `check`, since a reader works in a task of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from edge.api import core, errors, meta
from edge.api.resource import Resource
from edge.apiserver import service_watch, watching
from edge.apiserver.local import LocalClient
from edge.apiserver.paths import Options
from edge.apiserver.service import Service
from edge.client.cache import Cache
from edge.client.interface import O, WatchEvent
from edge.store.interface import Record
from tests.fakes.clock import FakeClock
from tests.fakes.ids import CountingIds

View = dict[str, tuple[int, bytes]]
"""Store key -> revision and value."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a reader looks at."""

    resource: Resource
    namespace: str
    labels: str
    fields: str

    @property
    def options(self) -> Options:
        return Options(label_selector=self.labels, field_selector=self.fields)

    def now(self, service: Service) -> View:
        """Return what there is."""
        return view_of(service.list(self.resource, self.namespace, self.options).records)


def view_of(records: Sequence[Record]) -> View:
    return {record.key: (record.revision, record.value) for record in records}


@dataclass(eq=False)
class Watcher:
    """Lists once, then lives on events; goes on after its last revision when it was stopped, and lists anew on 410."""

    service: Service
    scope: Scope
    tells: bool
    """Whether it takes events at once, where it can, instead of being woken for them."""
    view: View = field(default_factory=dict)
    last: int = 0
    lists: int = 0
    _floor: int = 0
    """Everything up to this revision came as the first events of a watch without a listing."""
    _task: asyncio.Task[None] | None = None
    _fault: BaseException | None = None
    _expired: bool = False
    _flows: asyncio.Event = field(default_factory=asyncio.Event)

    def look(self) -> None:
        """List what there is now."""
        listing = self.service.list(self.scope.resource, self.scope.namespace, self.scope.options)
        self.begin(view_of(listing.records), listing.revision)

    def begin(self, view: View, revision: int) -> None:
        """Go on from a listing."""
        self.lists += 1
        self.view, self.last, self._floor, self._expired = dict(view), revision, 0, False
        self._flows.set()

    @property
    def running(self) -> bool:
        return self._task is not None

    def start(self, *, initial: bool = False) -> None:
        """Watch after the last revision; with `initial`, from nothing, so that all there is comes first."""
        options = replace(self.scope.options, bookmarks=True, resource_version="" if initial else str(self.last),
                          send_initial_events=True if initial else None)
        if initial:
            self.begin({}, 0)
            self._floor = self.service.store.revision
        self._task = asyncio.create_task(self._run(options))

    async def stop(self) -> None:
        """Stop, wherever it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def stall(self) -> None:
        """Take no more events for now."""
        self._flows.clear()

    def flow(self) -> None:
        """Take events again."""
        self._flows.set()

    def check(self) -> bool:
        """Raise what is wrong; return whether this one knows that it has to list again."""
        if self._fault is not None:
            raise self._fault
        return self._expired

    async def _run(self, options: Options) -> None:
        tell = self._tell if self.tells else None
        try:
            async with contextlib.aclosing(service_watch.watch(self.service, self.scope.resource, self.scope.namespace,
                                                               options, tell=tell)) as batches:
                async for notices in batches:
                    await self._flows.wait()
                    for notice in notices:
                        self._take(notice)
            raise AssertionError("the watch ended by itself")
        except errors.Expired:
            self._expired = True
        except AssertionError as fault:
            self._fault = fault

    def _tell(self, notices: list[watching.Notice]) -> bool:
        if not self._flows.is_set():
            return False
        try:
            for notice in notices:
                self._take(notice)
        except AssertionError as fault:
            self._fault = fault
        return True

    def _take(self, notice: watching.Notice) -> None:
        if notice.type == watching.BOOKMARK:
            assert notice.revision >= self.last, "a bookmark goes back"
            self.last = notice.revision
            return
        before = self.view.get(notice.key)
        if notice.revision <= self._floor:
            assert notice.type == watching.ADDED, "what was there is not ADDED"
            assert self.last <= self._floor, "what was there comes after a change"
        else:
            assert notice.revision > self.last, "an event comes twice or too late"
            self.last = notice.revision
        assert (notice.type == watching.ADDED) == (before is None), (notice.type, before)
        assert before is None or before[0] < notice.revision
        assert _revision(notice.value) == notice.revision
        if notice.type == watching.DELETED:
            del self.view[notice.key]
        else:
            self.view[notice.key] = (notice.revision, notice.value)


def _revision(value: bytes) -> int:
    return int(msgspec.json.decode(value)["metadata"]["resourceVersion"])


class Cutting(LocalClient):
    """The API over a connection that breaks whenever it is told to, with what was on its way."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._cuts = 0

    def cut(self) -> None:
        """Lose the next event of every open watch, and the watch with it."""
        self._cuts += 1

    async def watch(self, kind: type[O], namespace: str = "", **asked: Any) -> AsyncIterator[WatchEvent[O]]:
        cuts = self._cuts
        events = super().watch(kind, namespace, **asked)
        async with contextlib.aclosing(events) as open_events:  # type: ignore[type-var]
            async for event in open_events:
                if self._cuts != cuts:
                    raise errors.Unavailable("the connection broke")
                yield event


class Reflector:
    """A cache over a connection that breaks, and a listener that has only what it was told."""

    def __init__(self, service: Service, scope: Scope, clock: FakeClock) -> None:
        self.scope = scope
        self.client = Cutting(service)
        self.cache: Cache[Any] = Cache(self.client, scope.resource.type, clock=clock, ids=CountingIds(),
                                       namespace=scope.namespace, labels=scope.labels, fields=scope.fields)
        self._told: dict[str, meta.Object] = {}
        self._fault: AssertionError | None = None
        self.cache.listen(self._changed)
        self._task = asyncio.create_task(self.cache.run())

    def _changed(self, old: Any, new: Any) -> None:
        key = self._key(new if old is None else old)
        try:
            assert self._told.get(key) == old, "the old object is not the one that was told last"
            assert old is None or new is None or int(old.metadata.resource_version) < int(new.metadata.resource_version)
        except AssertionError as fault:
            self._fault = fault
        if new is None:
            del self._told[key]
        else:
            self._told[key] = new

    def _key(self, obj: meta.Object) -> str:
        return f"{obj.metadata.namespace}/{obj.metadata.name}"

    def check(self, service: Service) -> None:
        """Raise what is wrong: cache, listener and server must say the same."""
        if self._fault is not None:
            raise self._fault
        there = {self._key(obj): obj for record in service.list(
            self.scope.resource, self.scope.namespace, self.scope.options).records
            for obj in (service.decode(self.scope.resource, record),)}
        assert {self._key(obj): obj for obj in self.cache.items()} == there
        assert self._told == there
        if self.scope.resource.type is core.ConfigMap and self.cache.items():
            some = self.cache.items()[0].metadata.namespace
            assert {obj.metadata.name for obj in self.cache.by_index("namespace", some)} == {
                obj.metadata.name for obj in there.values() if obj.metadata.namespace == some}

    async def stop(self) -> None:
        self.cache.stop()
        await asyncio.gather(self._task, return_exceptions=True)
