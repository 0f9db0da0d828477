"""What every store promises, whatever it is kept in."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from edge.store.interface import (
    Compacted,
    Encode,
    Event,
    FutureRevision,
    KeyExists,
    KeyNotFound,
    RevisionMismatch,
    Store,
    StoreUnavailable,
    Watch,
)
from edge.store.sqlite import open_store

PODS = "//pods/default/"


@pytest.fixture(params=["memory", "file"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(None if request.param == "memory" else tmp_path / "store.db", history_events=100,
                              watch_buffer=20)
    yield opened
    await opened.close()


def text(value: str) -> Encode:
    return lambda revision: f"{value}@{revision}".encode()


async def take(events: AsyncIterator[Event], count: int) -> list[tuple[str, str, int]]:
    async with asyncio.timeout(5):
        return [(event.kind, event.record.key, event.record.revision)
                for event in [await anext(events) for _ in range(count)]]


async def test_create_get_update_delete(store: Store) -> None:
    made = await store.create(PODS + "a", text("one"))
    assert (made.value, made.created) == (f"one@{made.revision}".encode(), made.revision)
    assert store.get(PODS + "a") == made
    assert store.revision == made.revision

    changed = await store.update(PODS + "a", text("two"), expected=made.revision)
    assert changed.revision > made.revision
    assert changed.created == made.revision
    assert store.get(PODS + "a") == changed

    gone = await store.delete(PODS + "a", text("last"), expected=changed.revision)
    assert gone.value == f"last@{gone.revision}".encode()
    assert store.get(PODS + "a") is None

    again = await store.create(PODS + "a", text("three"))
    assert again.created == again.revision > gone.revision


async def test_writes_on_a_wrong_state_are_refused(store: Store) -> None:
    with pytest.raises(KeyNotFound):
        await store.update(PODS + "a", text("x"), expected=1)
    with pytest.raises(KeyNotFound):
        await store.delete(PODS + "a", text("x"), expected=1)
    made = await store.create(PODS + "a", text("x"))
    with pytest.raises(KeyExists):
        await store.create(PODS + "a", text("y"))
    with pytest.raises(RevisionMismatch) as refused:
        await store.update(PODS + "a", text("y"), expected=made.revision - 1)
    assert refused.value.record == made
    with pytest.raises(RevisionMismatch):
        await store.delete(PODS + "a", text("y"), expected=made.revision + 1)
    assert store.revision == made.revision


async def test_of_many_writers_at_one_revision_one_wins(store: Store) -> None:
    made = await store.create(PODS + "a", text("x"))
    results = await asyncio.gather(*(store.update(PODS + "a", text(str(n)), expected=made.revision) for n in range(20)),
                                   return_exceptions=True)
    winners = [result for result in results if not isinstance(result, BaseException)]
    assert winners == [store.get(PODS + "a")]
    assert sum(isinstance(result, RevisionMismatch) for result in results) == 19
    creates = await asyncio.gather(*(store.create(PODS + "b", text("x")) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(result, KeyExists) for result in creates) == 4


async def test_list_is_in_key_order_and_pages(store: Store) -> None:
    for name in ("c", "a", "e", "b", "d"):
        await store.create(PODS + name, text(name))
    await store.create("//pods/default2/x", text("x"))
    await store.create("//nodes//n", text("n"))
    everything = store.list(PODS)
    assert [record.key[-1] for record in everything.records] == list("abcde")
    assert (everything.next_key, everything.remaining, everything.revision) == ("", 0, store.revision)

    first = store.list(PODS, limit=2)
    assert ([record.key[-1] for record in first.records], first.next_key, first.remaining) == (
        ["a", "b"], PODS + "b", 3)
    await store.create(PODS + "bb", text("late"))
    changed = store.get(PODS + "d")
    assert changed
    await store.delete(PODS + "d", text("d"), expected=changed.revision)
    rest = store.list(PODS, after_key=first.next_key, revision=first.revision)
    assert [record.key[-1] for record in rest.records] == list("cde")
    assert rest.records[1] == changed
    assert rest.revision == first.revision
    assert store.list("").records[0].key == "//nodes//n"


async def test_list_of_a_revision_that_is_gone_or_yet_to_come(store: Store) -> None:
    start = store.revision
    for number in range(3):
        await store.create(PODS + str(number), text("x"))
    assert store.list(PODS, revision=start + 1).remaining == 0
    await store.compact(1)
    assert len(store.list(PODS, revision=store.revision - 1).records) == 2
    with pytest.raises(Compacted):
        store.list(PODS, revision=start + 1)
    with pytest.raises(FutureRevision):
        store.list(PODS, revision=store.revision + 1)


async def test_watch_tells_past_and_coming_changes_in_order(store: Store) -> None:
    start = store.revision
    made = await store.create(PODS + "a", text("1"))
    events = store.watch(PODS, after=start)
    await store.create("//nodes//n", text("n"))
    changed = await store.update(PODS + "a", text("2"), expected=made.revision)
    gone = await store.delete(PODS + "a", text("3"), expected=changed.revision)
    assert await take(events, 3) == [("ADDED", PODS + "a", made.revision), ("MODIFIED", PODS + "a", changed.revision),
                                     ("DELETED", PODS + "a", gone.revision)]
    later = store.watch("", after=changed.revision)
    event = await anext(later)
    assert (event.kind, event.record.value, event.previous) == ("DELETED", gone.value, changed.value)


async def test_a_reader_that_waits_is_woken(store: Store) -> None:
    events = store.watch(PODS, after=store.revision)
    reader = asyncio.ensure_future(take(events, 1))
    await asyncio.sleep(0)
    made = await store.create(PODS + "a", text("1"))
    assert await reader == [("ADDED", PODS + "a", made.revision)]


async def test_a_batch_is_everything_that_has_come_or_nothing_after_a_wake(store: Store) -> None:
    events = store.watch(PODS, after=store.revision)
    for name in "abc":
        await store.create(PODS + name, text("1"))
    assert [event.record.key[-1] for event in await events.batch() or ()] == ["a", "b", "c"]
    waiting = asyncio.ensure_future(events.batch())
    await asyncio.sleep(0)
    events.wake()
    assert await waiting == []
    await store.create(PODS + "d", text("1"))
    assert [event.record.key[-1] for event in await events.batch() or ()] == ["d"]
    await events.aclose()
    assert await events.batch() is None


async def settled(reader: asyncio.Future[list[Event] | None]) -> None:
    """Let everything happen that is due by now; the reader goes on waiting."""
    for _ in range(20):
        await asyncio.sleep(0)
    assert not reader.done()


async def test_what_is_taken_at_once_wakes_no_reader_and_what_is_refused_does(store: Store) -> None:
    events = store.watch(PODS, after=store.revision)
    taken: list[str] = []

    def take_all_but_b(offered: Sequence[Event]) -> bool:
        keys = [event.record.key[-1] for event in offered]
        if "b" not in keys:
            taken.extend(keys)
        return "b" not in keys

    events.offer_to(take_all_but_b)
    reader = asyncio.ensure_future(events.batch())
    await asyncio.sleep(0)
    await store.create(PODS + "a", text("1"))
    await settled(reader)
    await store.create("//nodes//n", text("n"))
    await store.create(PODS + "b", text("1"))
    assert [event.record.key[-1] for event in await reader or ()] == ["b"]
    assert taken == ["a"]


async def test_nothing_is_offered_while_the_reader_is_busy(store: Store) -> None:
    events = store.watch(PODS, after=store.revision)
    taken: list[Event] = []

    def take_all(offered: Sequence[Event]) -> bool:
        taken.extend(offered)
        return True

    events.offer_to(take_all)
    for name in "ab":
        await store.create(PODS + name, text("1"))
    await asyncio.sleep(0)
    assert not taken
    assert [event.record.key[-1] for event in await events.batch() or ()] == ["a", "b"]
    reader = asyncio.ensure_future(events.batch())
    await asyncio.sleep(0)
    await store.create(PODS + "c", text("1"))
    await settled(reader)
    events.wake()
    assert await reader == []
    assert [event.record.key[-1] for event in taken] == ["c"]


async def test_many_watchers_get_everything_in_order_whether_they_take_it_or_read_it(store: Store) -> None:
    seen: list[list[int]] = [[] for _ in range(50)]
    turns = itertools.count()

    async def follow(events: Watch, mine: list[int]) -> None:
        def take_some(offered: Sequence[Event]) -> bool:
            if next(turns) % 3 == 0:
                return False
            mine.extend(event.record.revision for event in offered)
            return True

        events.offer_to(take_some)
        while (batch := await events.batch()) is not None:
            mine.extend(event.record.revision for event in batch)
            await asyncio.sleep(0)

    watches = [store.watch(PODS, after=store.revision) for _ in seen]
    readers = [asyncio.ensure_future(follow(*pair)) for pair in zip(watches, seen, strict=True)]
    made = [await store.create(f"{PODS}{number}", text("x")) for number in range(40)]
    await store.close()
    async with asyncio.timeout(5):
        await asyncio.gather(*readers)
    assert seen == [[record.revision for record in made]] * len(seen)


async def test_one_whose_taking_breaks_keeps_nothing_from_the_others(store: Store) -> None:
    broken: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: broken.append(str(context["exception"])))

    def breaks(_offered: Sequence[Event]) -> bool:
        raise ValueError("broken")

    watches = [store.watch(PODS, after=store.revision) for _ in range(40)]
    watches[0].offer_to(breaks)
    for events in watches[1:]:
        events.offer_to(lambda offered: False)
    readers = [asyncio.ensure_future(events.batch()) for events in watches]
    await asyncio.sleep(0)
    await store.create(PODS + "a", text("1"))
    async with asyncio.timeout(5):
        found = await asyncio.gather(*readers)
    assert {len(batch or ()) for batch in found} == {1}
    assert broken == ["broken"]


async def test_who_takes_nothing_and_reads_nothing_falls_behind_too(store: Store) -> None:
    events = store.watch(PODS, after=store.revision)
    events.offer_to(lambda offered: False)
    for number in range(30):
        await store.create(f"{PODS}{number}", text("x"))
    with pytest.raises(Compacted):
        await events.batch()


async def test_a_watch_falls_behind_alone(store: Store) -> None:
    slow, quick = (store.watch(PODS, after=store.revision) for _ in range(2))
    for number in range(30):
        await store.create(f"{PODS}{number}", text("x"))
        await take(quick, 1)
    with pytest.raises(Compacted):
        await take(slow, 30)


async def test_watch_of_a_compacted_or_coming_revision(store: Store) -> None:
    start = store.revision
    for number in range(120):
        await store.create(f"{PODS}{number}", text("x"))
    with pytest.raises(Compacted):
        store.watch(PODS, after=start)
    with pytest.raises(FutureRevision):
        store.watch(PODS, after=store.revision + 1)


async def test_volatile_keys_share_the_order(store: Store) -> None:
    events = store.watch("", after=store.revision)
    first, lease, second = await asyncio.gather(
        store.create(PODS + "a", text("x")), store.create("//leases//n", text("l"), volatile=True),
        store.create(PODS + "b", text("x")))
    assert first.revision < lease.revision < second.revision
    assert [key for _, key, _ in await take(events, 3)] == [PODS + "a", "//leases//n", PODS + "b"]
    renewed = await store.update("//leases//n", text("l2"), expected=lease.revision)
    await store.delete("//leases//n", text("l3"), expected=renewed.revision)
    assert store.get("//leases//n") is None


async def test_a_canceled_writer_leaves_a_whole_write(store: Store) -> None:
    writer = asyncio.ensure_future(store.create(PODS + "a", text("x")))
    await asyncio.sleep(0)
    writer.cancel()
    with pytest.raises(KeyExists):
        await store.create(PODS + "a", text("y"))
    record = store.get(PODS + "a")
    assert record
    assert record.value.startswith(b"x@")


async def test_a_failing_encoder_writes_nothing(store: Store) -> None:
    def broken(revision: int) -> bytes:
        raise ValueError(revision)

    before = store.revision
    with pytest.raises(ValueError):
        await store.create(PODS + "a", broken)
    with pytest.raises(ValueError):
        await store.create(PODS + "\ud800", text("no text"))
    assert (await store.create(PODS + "a", text("x"))).revision == before + 1


@pytest.mark.parametrize("write", [lambda s: s.create(PODS + "z", text("x")),
                                   lambda s: s.update(PODS + "a", text("x"), expected=1)])
async def test_a_closed_store_refuses_and_ends_its_watches(store: Store, write: Callable[[Store], object]) -> None:
    events = store.watch(PODS, after=store.revision)
    made = await store.create(PODS + "a", text("x"))
    await store.close()
    assert [event.record async for event in events] == [made]
    with pytest.raises(StoreUnavailable):
        await write(store)  # type: ignore[misc]
    await store.close()
