"""No event is lost or repeated between a list and a watch, whatever is written meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.store.interface import Encode, Event, Record, Store
from edge.store.sqlite import open_store

KEYS = ("/a/1", "/a/2", "/b/1")
Operation = tuple[str, str, bool]
operations = st.lists(st.tuples(st.sampled_from(["put", "put", "delete", "watch", "wait"]), st.sampled_from(KEYS),
                                st.booleans()), max_size=40)


@dataclass
class Reader:
    """A listing that is kept up to date by a watch."""

    prefix: str
    listed: dict[str, Record]
    events: AsyncIterator[Event]
    start: int


def encode(value: str) -> Encode:
    return lambda revision: f"{value} {revision}".encode()


def listing(store: Store, prefix: str, revision: int = 0) -> dict[str, Record]:
    return {record.key: record for record in store.list(prefix, revision=revision).records}


async def put_or_delete(store: Store, name: str, key: str, volatile: bool) -> None:
    record = store.get(key)
    if name == "delete":
        if record:
            await store.delete(key, encode("gone"), expected=record.revision)
    elif record:
        await store.update(key, encode("changed"), expected=record.revision)
    else:
        await store.create(key, encode("new"), volatile=volatile)


async def replay(reader: Reader, store: Store) -> None:
    last = reader.start
    while reader.listed != listing(store, reader.prefix):
        event = await asyncio.wait_for(anext(reader.events), 5)
        record = event.record
        assert record.revision > last
        last = record.revision
        before = reader.listed.get(record.key)
        assert event.previous == (before.value if before else None)
        assert (event.kind == "ADDED") == (before is None)
        if event.kind == "DELETED":
            del reader.listed[record.key]
        else:
            reader.listed[record.key] = record


async def run(steps: list[Operation]) -> None:
    store = await open_store(None)
    readers: list[Reader] = []
    snapshots: dict[int, dict[str, Record]] = {}
    writes: list[asyncio.Task[None]] = []
    for name, key, flag in steps:
        if name == "watch":
            prefix = key[:3] if flag else ""
            page = store.list(prefix)
            readers.append(Reader(prefix, {record.key: record for record in page.records},
                                  store.watch(prefix, after=page.revision), page.revision))
            snapshots[store.revision] = listing(store, "")
        elif name == "wait":
            await asyncio.gather(*writes, return_exceptions=True)
        else:
            writes.append(asyncio.create_task(put_or_delete(store, name, key, flag)))
            await asyncio.sleep(0)
    await asyncio.gather(*writes, return_exceptions=True)
    for reader in readers:
        await replay(reader, store)
    for revision, expected in snapshots.items():
        assert listing(store, "", revision) == expected
    await store.close()


@settings(max_examples=150, deadline=None)
@given(operations)
def test_replaying_the_watch_from_a_list_gives_the_final_listing(steps: list[Operation]) -> None:
    asyncio.run(run(steps))
