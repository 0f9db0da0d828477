"""Views, indexes, and a cache that outlives whatever happens to the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest

from edge.api import core, meta
from edge.client import view
from edge.client.cache import Cache, SharedCaches, delay
from tests.fakes.client import FakeClient
from tests.fakes.clock import FakeClock, settle
from tests.fakes.ids import CountingIds


def pod(name: str, *, version: str = "1", uid: str = "", node: str = "", owner: str = "") -> core.Pod:
    owners = (meta.OwnerReference(uid=owner, controller=True),) if owner else ()
    return core.Pod(metadata=meta.ObjectMeta(name=name, namespace="default", uid=uid or name,
                                             resource_version=version, owner_references=owners),
                    spec=core.PodSpec(node_name=node))


def test_a_view_tells_what_changed() -> None:
    seen: view.View[core.Pod] = view.View()
    a, a2, b = pod("a"), pod("a", version="2"), pod("b")
    assert seen.put(a) == [(None, a)]
    assert seen.put(a) == []
    assert seen.put(a2) == [(a, a2)]
    assert seen.replace([b]) == [(a2, None), (None, b)]
    other = pod("b", version="3", uid="other")
    assert seen.replace([other]) == [(b, None), (None, other)]
    assert seen.remove("default/b") == [(other, None)]
    assert seen.remove("default/b") == []
    assert len(seen) == 0


def test_indexes_follow_their_objects() -> None:
    seen: view.View[core.Pod] = view.View()
    seen.put(pod("a", node="n1", owner="u1"))
    seen.add_index("node", view.by_node)
    seen.add_index("node", view.by_node)
    seen.add_index("owner", view.by_owner)
    moved = pod("a", version="2", node="n2", owner="u1")
    seen.put(moved)
    assert seen.by_index("node", "n1") == ()
    assert seen.by_index("node", "n2") == seen.by_index("owner", "u1") == (moved,)
    seen.remove("default/a")
    assert seen.by_index("owner", "u1") == ()
    assert view.by_node(core.ConfigMap()) == ()
    with pytest.raises(KeyError):
        seen.by_index("none", "x")


def test_delays_double_and_stay_bounded() -> None:
    assert [delay(failures, 1.0) for failures in (0, 1, 2, 3)] == pytest.approx([0, 0.2, 0.4, 0.8])
    assert delay(1, 0.0) == pytest.approx(0.1)
    assert delay(10_000, 1.0) == 30


class World:
    """A cache of pods on a fake API, and what its listener was told."""

    def __init__(self) -> None:
        self.api = FakeClient()
        self.clock = FakeClock()
        self.cache: Cache[core.Pod] = Cache(self.api, core.Pod, clock=self.clock, ids=CountingIds())
        self.told: list[tuple[str, str]] = []
        self.cache.listen(self.hear)

    def hear(self, old: core.Pod | None, new: core.Pod | None) -> None:
        obj = new or old
        assert obj
        self.told.append(("changed" if old and new else "new" if new else "gone", obj.metadata.name))

    def heard(self) -> list[tuple[str, str]]:
        told, self.told = self.told, []
        return told

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(100):
            await settle()
            if condition():
                return
            self.clock.advance(0.5)
        raise AssertionError("it never happened")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    task = asyncio.create_task(made.cache.run())
    yield made
    task.cancel()
    await asyncio.wait([task])


async def test_a_cache_lists_and_follows(world: World) -> None:
    await world.api.create(pod("a"))
    await world.cache.synced.wait()
    await settle()
    assert world.heard() == [("new", "a")]
    b = await world.api.create(pod("b", node="n"))
    await world.api.delete(core.Pod, "a", "default")
    await settle()
    assert world.heard() == [("new", "b"), ("gone", "a")]
    assert world.cache.items() == (b,)
    assert world.cache.get("default/b") is b
    assert world.cache.by_index("node", "n") == world.cache.by_index("namespace", "default") == (b,)
    late: list[core.Pod | None] = []
    world.cache.listen(lambda old, new: late.append(new))
    assert late == [b]


async def test_a_watch_that_ends_is_taken_up_without_a_new_listing(world: World) -> None:
    await world.cache.synced.wait()
    await settle()
    world.api.cut()
    await settle()
    await world.api.create(pod("a"))
    await world.until(lambda: world.told == [("new", "a")])
    assert (world.api.lists, world.api.watches) == (1, 2)


async def test_a_lost_history_is_listed_again_and_differences_are_told(world: World) -> None:
    for name in ("stays", "goes", "changes"):
        await world.api.create(pod(name))
    await world.cache.synced.wait()
    await settle()
    world.heard()
    world.api.cut()
    await settle()
    await world.api.delete(core.Pod, "goes", "default")
    await world.api.update(msgspec.structs.replace(pod("changes", version=""), spec=core.PodSpec(node_name="n")))
    await world.api.create(pod("comes"))
    world.api.expire()
    await world.until(lambda: len(world.told) == 3)
    assert sorted(world.heard()) == [("changed", "changes"), ("gone", "goes"), ("new", "comes")]
    assert world.cache.by_index("node", "n")
    assert world.api.lists == 2


async def test_a_cache_waits_for_an_api_that_is_down(world: World) -> None:
    await world.cache.synced.wait()
    await settle()
    world.api.down = True
    world.api.cut()
    for _ in range(60):
        await settle()
        world.clock.advance(1)
    asked = world.api.watches
    world.api.down = False
    await world.api.create(pod("a"))
    await world.until(lambda: world.told == [("new", "a")])
    assert world.api.watches == asked + 1
    assert world.api.lists == 1


async def test_the_loops_of_a_program_share_one_cache_a_kind() -> None:
    tasks: dict[str, asyncio.Task[None]] = {}

    def start(name: str, run: Callable[[], Awaitable[None]]) -> None:
        assert name not in tasks
        tasks[name] = asyncio.ensure_future(_run(run))

    caches = SharedCaches(FakeClient(), clock=FakeClock(), ids=CountingIds(), start=start)
    assert caches.of(core.Pod) is caches.of(core.Pod)
    assert caches.of(core.Node).kind is core.Node
    assert list(tasks) == ["cache Pod", "cache Node"]
    async with asyncio.timeout(5):
        await caches.synced()
    for task in tasks.values():
        task.cancel()
    await asyncio.wait(tasks.values())


async def _run(run: Callable[[], Awaitable[None]]) -> None:
    await run()
