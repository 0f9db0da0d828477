"""Lists and watches of a real server lose nothing and repeat nothing, whatever is written, compacted and interrupted.

A machine of rules drives one server with a durable and a volatile kind. Readers of all sorts follow it; whenever things
have settled, every one of them must see what is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from edge.api import coordination, core, errors, meta, scheme
from edge.apiserver.deletion import DeleteOptions
from edge.apiserver.list_options import EXACT
from edge.apiserver.lookup import key_of
from edge.apiserver.service import Service
from edge.store.interface import Record
from edge.store.sqlite import SqliteStore, open_store
from tests.fakes.clock import FakeClock, settle
from tests.fakes.ids import CountingIds
from tests.properties.effort import examples
from tests.properties.readers import Reflector, Scope, View, Watcher, view_of

T = TypeVar("T")
KINDS = (scheme.of_type(core.ConfigMap), scheme.of_type(coordination.Lease))
NAMESPACES, NAMES = ("n1", "n2"), ("a", "b", "c")
scopes = st.builds(lambda kind, namespace, selectors: Scope(kind, namespace, *selectors), st.sampled_from(KINDS),
                   st.sampled_from(("", *NAMESPACES)), st.sampled_from((
                       ("", ""), ("", ""), ("app=x", ""), ("app!=x", ""), ("", "metadata.name=a"),
                       ("app", "metadata.namespace!=n1"))))


@dataclass(frozen=True)
class Operation:
    """One write: `put` creates or updates; `held` objects have a finalizer, so that a delete only marks them."""

    verb: str
    kind: scheme.Resource
    namespace: str
    name: str
    label: str
    held: bool


operations = st.builds(Operation, st.sampled_from(("put", "put", "put", "delete")), st.sampled_from(KINDS),
                       st.sampled_from(NAMESPACES), st.sampled_from(NAMES), st.sampled_from(("", "x", "y")),
                       st.sampled_from((False, False, False, True)))


@dataclass(frozen=True)
class Meanwhile:
    """What happens while somebody does not look."""

    operations: list[Operation]
    keep: int | None
    """How many revisions a compaction leaves, if there is one."""


meanwhile = st.builds(Meanwhile, st.lists(operations, min_size=1, max_size=6),
                      st.sampled_from((None, None, None, None, 0, 3)))


@dataclass(eq=False)
class Pager:
    """Reads a listing page by page; it must be of one moment, or, once that is forgotten, at least in order."""

    scope: Scope
    snapshot: View
    stamp: int
    limit: int
    records: list[Record] = field(default_factory=list)
    token: str = ""
    revision: int = 0
    consistent: bool = True
    done: bool = False

    def next(self, service: Service) -> None:
        options = replace(self.scope.options, limit=self.limit, continue_token=self.token)
        try:
            listing = service.list(self.scope.resource, self.scope.namespace, options)
        except errors.Expired as expired:
            # A first page is of now, and cannot be too late.
            self.token, self.consistent = expired.continue_token if self.token else "", False
            if not self.token:
                raise AssertionError("there is no way to go on") from expired
            return
        assert len(listing.records) <= self.limit
        self.records += listing.records
        if listing.remaining is not None and self.consistent:
            assert listing.remaining == len(self.snapshot) - len(self.records)
        self.token, self.revision, self.done = listing.continue_token, listing.revision, not listing.continue_token
        keys = [record.key for record in self.records]
        assert keys == sorted(set(keys))
        if self.consistent:
            assert listing.revision == self.stamp
            assert view_of(self.records).items() <= self.snapshot.items()
            assert not self.done or view_of(self.records) == self.snapshot


class Machine(RuleBasedStateMachine):
    watchers: Bundle[Watcher] = Bundle("watchers")
    pagers: Bundle[Pager] = Bundle("pagers")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.readers: list[Watcher] = []
        self.reflectors: list[Reflector] = []
        self.written: dict[str, tuple[int, bool]] = {}
        """Store key -> newest revision, and whether the object is there since."""

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize(events=st.sampled_from((15, 1000)), buffer=st.sampled_from((3, 1000)),
                present=st.lists(operations, min_size=3, max_size=12))
    def begin(self, events: int, buffer: int, present: list[Operation]) -> None:
        self.store: SqliteStore = self.run(open_store(None, history_events=events, watch_buffer=buffer))
        self.service = Service(self.store, self.clock, CountingIds())
        for name in NAMESPACES:
            self.run(self.service.create(scheme.of_type(core.Namespace), "", core.Namespace(
                metadata=meta.ObjectMeta(name=name))))
        self.run(self._happen(Meanwhile(present, None)))

    # --- writers

    @rule(meanwhile=meanwhile)
    def write(self, meanwhile: Meanwhile) -> None:
        self.run(self._happen(meanwhile))

    @rule(burst=st.lists(operations, min_size=4, max_size=9))
    def write_together(self, burst: list[Operation]) -> None:
        async def all_of_them() -> None:
            await asyncio.gather(*(self._write(operation) for operation in burst))

        self.run(all_of_them())

    async def _write(self, op: Operation) -> None:
        labels = {"app": op.label} if op.label else {}
        finalizers = ("example.com/held",) if op.held else ()
        try:
            if op.verb == "delete":
                deleted = await self.service.delete(op.kind, op.namespace, op.name, DeleteOptions())
                self._noted(deleted.record, there=not deleted.removed)
                return
            wanted = meta.ObjectMeta(name=op.name, namespace=op.namespace, labels=labels, finalizers=finalizers)
            if self.store.get(key_of(op.kind, op.namespace, op.name)) is None:
                self._noted(await self.service.create(op.kind, op.namespace, op.kind.type(metadata=wanted)))
                return

            def change(old: meta.Object) -> meta.Object:
                kept = () if old.metadata.deletion_timestamp else finalizers
                return msgspec.structs.replace(old, metadata=msgspec.structs.replace(
                    old.metadata, labels=labels, finalizers=kept))

            record = await self.service.update(op.kind, op.namespace, op.name, change)
            left = msgspec.json.decode(record.value)["metadata"]
            self._noted(record, there="deletionTimestamp" not in left or bool(left.get("finalizers")))
        except (errors.NotFound, errors.AlreadyExists, errors.Conflict):
            return  # somebody of the same burst was faster

    def _noted(self, record: Record, *, there: bool = True) -> None:
        if record.revision >= self.written.get(record.key, (0, False))[0]:
            self.written[record.key] = (record.revision, there)

    async def _happen(self, meanwhile: Meanwhile) -> None:
        for operation in meanwhile.operations:
            await self._write(operation)
        if meanwhile.keep is not None:
            await self.store.compact(meanwhile.keep)

    @rule(keep=st.integers(0, 6))
    def compact(self, keep: int) -> None:
        self.run(self.store.compact(keep))

    @rule()
    def let_a_minute_pass(self) -> None:
        self.clock.advance(61)

    # --- readers

    @rule(target=watchers, scope=scopes, tells=st.booleans(), initial=st.booleans())
    def watch(self, scope: Scope, tells: bool, initial: bool) -> Watcher:
        return self._watcher(scope, tells, initial)

    def _watcher(self, scope: Scope, tells: bool, initial: bool) -> Watcher:
        async def begin() -> Watcher:
            watcher = Watcher(self.service, scope, tells)
            if not initial:
                watcher.look()
            watcher.start(initial=initial)
            await settle()
            return watcher

        self.readers.append(self.run(begin()))
        return self.readers[-1]

    @rule(watcher=watchers, meanwhile=meanwhile)
    def stop(self, watcher: Watcher, meanwhile: Meanwhile) -> None:
        async def interrupt() -> None:
            await watcher.stop()
            await self._happen(meanwhile)

        self.run(interrupt())

    @rule(watcher=watchers, meanwhile=meanwhile)
    def resume(self, watcher: Watcher, meanwhile: Meanwhile) -> None:
        async def go_on() -> None:
            await watcher.stop()
            await self._happen(meanwhile)
            watcher.flow()
            watcher.start()
            await settle()

        self.run(go_on())

    @rule(watcher=watchers, meanwhile=meanwhile)
    def stall(self, watcher: Watcher, meanwhile: Meanwhile) -> None:
        watcher.stall()
        self.run(self._happen(meanwhile))

    @rule(scope=scopes)
    def reflect(self, scope: Scope) -> None:
        async def begin() -> Reflector:
            return Reflector(self.service, scope, self.clock)

        if len(self.reflectors) < 3:
            self.reflectors.append(self.run(begin()))

    @rule(meanwhile=meanwhile)
    def break_connections(self, meanwhile: Meanwhile) -> None:
        for reflector in self.reflectors:
            reflector.client.cut()
        self.run(self._happen(meanwhile))

    # --- lists

    @rule(target=pagers, scope=scopes, limit=st.integers(1, 2))
    def list_in_pages(self, scope: Scope, limit: int) -> Any:
        pager = Pager(scope, scope.now(self.service), self.store.revision, limit)
        pager.next(self.service)
        return multiple() if pager.done else pager

    @rule(target=watchers, pager=pagers, tells=st.booleans(), meanwhile=meanwhile)
    def next_page(self, pager: Pager, tells: bool, meanwhile: Meanwhile) -> Any:
        """Read on, and watch from there once everything is in."""
        if pager.done:
            return multiple()
        self.run(self._happen(meanwhile))
        pager.next(self.service)
        if not pager.done or not pager.consistent:
            return multiple()

        async def begin() -> Watcher:
            watcher = Watcher(self.service, pager.scope, tells)
            watcher.begin(view_of(pager.records), pager.revision)
            watcher.start()
            await settle()
            return watcher

        self.readers.append(self.run(begin()))
        return self.readers[-1]

    @rule(scope=scopes, meanwhile=meanwhile)
    def look_back(self, scope: Scope, meanwhile: Meanwhile) -> None:
        revision, snapshot = self.store.revision, scope.now(self.service)
        self.run(self._happen(meanwhile))
        options = replace(scope.options, resource_version=str(revision), resource_version_match=EXACT)
        try:
            listing = self.service.list(scope.resource, scope.namespace, options)
        except errors.Expired:
            return
        assert view_of(listing.records) == snapshot

    # --- what must hold

    @rule()
    def settle(self) -> None:
        self.run(self._settled())

    async def _settled(self) -> None:
        for watcher in self.readers:
            watcher.flow()
        await settle(40)
        for watcher in [each for each in self.readers if each.running]:
            if watcher.check():
                await watcher.stop()
                watcher.look()
                watcher.start()
                await settle()
                assert not watcher.check(), "a watch from a new listing is expired"
            assert watcher.view == watcher.scope.now(self.service)
        for _ in range(4 if self.reflectors else 0):  # a lost connection waits for longer and longer
            self.clock.advance(40)
            await settle(40)
        for reflector in self.reflectors:
            reflector.check(self.service)

    @invariant()
    def the_server_has_what_was_written(self) -> None:
        there = {record.key: record.revision for kind in KINDS
                 for record in self.store.list(f"/{kind.group}/{kind.plural}/").records} if self.written else {}
        assert there == {key: revision for key, (revision, present) in self.written.items() if present}

    def teardown(self) -> None:
        async def end() -> None:
            for watcher in self.readers:  # those that were stopped go on where they were
                if not watcher.running:
                    watcher.start()
            await self._settled()
            for watcher in self.readers:
                await watcher.stop()
            for reflector in self.reflectors:
                await reflector.stop()
            await self.store.close()

        if hasattr(self, "store"):
            self.run(end())
        self.runner.close()


TestLosesAndRepeatsNothing = Machine.TestCase
TestLosesAndRepeatsNothing.settings = settings(examples(100), stateful_step_count=30)
