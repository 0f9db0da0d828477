"""Images that go when the disk fills up: the loop on a fake engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from edge.agent.image_gc import Disk, Policy
from edge.agent.image_keeper import ImageKeeper, read_disk
from edge.component import Supervisor
from edge.runtime.containers import Container, Image, RuntimeFailure, State
from tests.fakes.clock import FakeClock, settle
from tests.fakes.runtime import FakeRuntime


@dataclass
class Node:
    """An engine with three images of 100 bytes on a disk of 1000, and the keeper of its images."""

    clock: FakeClock = field(default_factory=FakeClock)
    used: int = 400
    told: list[tuple[str, str]] = field(default_factory=list)
    changes: int = 0
    size: int = 1000

    def __post_init__(self) -> None:
        self.runtime = FakeRuntime(self.clock)
        self.runtime.directory = "/images"
        for name in "abc":
            self.add(name)
        self.full = asyncio.Event()
        self.keeper = ImageKeeper(self.runtime, self.clock, Policy(pinned=("c",)),
                                  lambda reason, message: self.told.append((reason, message)), self._changed,
                                  self.full, self._disk)

    def _changed(self) -> None:
        self.changes += 1

    def _disk(self, path: str) -> Disk:
        assert path == "/images"
        # What is not images fills the disk; each image adds its size.
        return Disk(self.size, self.size - self.used - 100 * len(self.runtime.local))

    def add(self, name: str) -> None:
        self.runtime.local[name] = Image(id=f"sha256:{name}", names=(name,), size_bytes=100)

    def use(self, name: str) -> None:
        self.runtime.containers[name] = Container(
            id=name, pod_uid="u", name=name, attempt=0, spec_hash="h", state=State.EXITED, image=name,
            image_id=f"sha256:{name}")

    async def pass_time(self, seconds: float) -> None:
        await self.clock.run(seconds, 10.0)
        for _ in range(20):  # the disk is read in a thread
            await asyncio.sleep(0.001)
            await settle()


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    made = Node()
    supervisor = Supervisor(made.clock)
    supervisor.start("images", made.keeper.run)
    await made.pass_time(0)
    yield made
    await supervisor.stop()


async def test_nothing_happens_while_there_is_room(node: Node) -> None:
    await node.pass_time(1000)
    assert set(node.runtime.local) == set("abc")
    assert (node.told, node.changes) == ([], 0)


async def test_the_one_used_longest_ago_goes_until_there_is_room(node: Node) -> None:
    node.use("a")
    await node.pass_time(300)
    node.runtime.containers.clear()
    node.used = 560
    await node.pass_time(300)
    assert set(node.runtime.local) == {"a", "c"}
    assert node.changes == 1
    assert node.told == []


async def test_a_pull_without_room_has_the_keeper_look_at_once(node: Node) -> None:
    node.used = 560
    node.full.set()
    await node.pass_time(0)
    assert len(node.runtime.local) == 2


async def test_when_too_little_may_go_the_node_says_so(node: Node) -> None:
    node.use("a")
    node.used = 690
    await node.pass_time(300)
    assert set(node.runtime.local) == {"a", "c"}
    assert node.told == [("FreeDiskSpaceFailed", "Failed to garbage collect required amount of images. Attempted to "
                          "free 190 bytes, but only found 100 bytes eligible to free.")]


async def test_reclaiming_takes_all_that_may_go_whatever_the_disk_says(node: Node) -> None:
    node.use("a")
    node.add("d")
    await node.pass_time(600)
    node.add("e")
    assert await node.keeper.reclaim() == 200
    assert set(node.runtime.local) == {"a", "c", "e"}
    assert await node.keeper.reclaim() == 0


async def test_an_image_that_cannot_be_removed_does_not_keep_the_others(node: Node) -> None:
    node.used = 560
    node.runtime.fail = lambda call: RuntimeFailure("busy") if call == "rmi sha256:a" else None
    await node.pass_time(300)
    assert set(node.runtime.local) == {"a", "c"}


async def test_an_engine_that_is_away_is_told_of_when_it_stays_away(node: Node) -> None:
    node.runtime.away = True
    await node.pass_time(300)
    assert node.told == []
    await node.pass_time(300)
    assert node.told == [("ImageGCFailed", "the engine is away")]
    node.runtime.away = False
    await node.pass_time(300)
    assert len(node.told) == 1
    node.runtime.away = True
    with pytest.raises(RuntimeFailure):
        await node.keeper.reclaim()


async def test_a_disk_of_no_size_is_told_of(node: Node) -> None:
    node.size = 0
    await node.pass_time(300)
    assert node.told == [("InvalidDiskCapacity", "invalid capacity 0 on image filesystem")]
    assert set(node.runtime.local) == set("abc")


def test_the_disk_is_that_of_a_directory(tmp_path: object) -> None:
    found = read_disk(str(tmp_path))
    assert 0 < found.free_bytes <= found.bytes
