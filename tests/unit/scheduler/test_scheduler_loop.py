"""The scheduler and the recorder at work on an API in memory, with a driven clock."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from edge import component
from edge.api import core, errors
from edge.client import cache, recorder
from edge.scheduler import loop
from tests import builders
from tests.fakes.client import FakeClient
from tests.fakes.clock import FakeClock, settle
from tests.fakes.ids import CountingIds


class Stubborn(FakeClient):
    """An API that refuses the next bindings."""

    refuse = 0

    async def bind(self, name: str, namespace: str, node: str, *, uid: str = "") -> None:
        if self.refuse:
            self.refuse -= 1
            raise errors.Unavailable("not now")
        await super().bind(name, namespace, node, uid=uid)


class Rack:
    def __init__(self) -> None:
        self.api = Stubborn()
        self.clock = FakeClock()

    async def until(self, holds: Callable[[core.Pod], bool], name: str) -> core.Pod:
        for _ in range(100):
            pod = await self.api.get(core.Pod, name, "default")
            if holds(pod):
                return pod
            self.clock.advance(0.2)
            await settle()
        raise AssertionError(f"still {pod}")

    async def reasons(self) -> list[tuple[str, int]]:
        return sorted((event.reason, event.count) for event in (await self.api.list(core.Event)).items)


@pytest.fixture
async def rack() -> AsyncIterator[Rack]:
    made = Rack()
    supervisor = component.Supervisor(made.clock)
    caches = cache.SharedCaches(made.api, clock=made.clock, ids=CountingIds(), start=supervisor.start)
    for name, run in loop.build(made.api, caches, made.clock, CountingIds()):
        supervisor.start(name, run)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(supervisor.stop)
        yield made


async def test_pods_are_bound_and_it_is_told(rack: Rack) -> None:
    await rack.api.create(builders.node("node-1"))
    await rack.api.create(builders.pod("web"))
    pod = await rack.until(lambda pod: bool(pod.spec.node_name), "web")
    assert pod.spec.node_name == "node-1"
    await settle()
    assert await rack.reasons() == [("Scheduled", 1)]


async def test_a_pod_that_fits_nowhere_says_so_and_goes_when_there_is_room(rack: Rack) -> None:
    await rack.api.create(builders.node("node-1", cpu="1"))
    await rack.api.create(builders.pod("big", cpu="2"))
    pod = await rack.until(lambda pod: bool(pod.status.conditions), "big")
    assert [(c.type, c.status, c.reason, c.message) for c in pod.status.conditions] == [
        ("PodScheduled", "False", "Unschedulable", "0/1 nodes are available: 1 Insufficient cpu.")]
    await rack.api.create(builders.node("node-2", cpu="4"))
    assert (await rack.until(lambda pod: bool(pod.spec.node_name), "big")).spec.node_name == "node-2"


async def test_a_binding_that_fails_is_tried_again_and_holds_no_room(rack: Rack) -> None:
    rack.api.refuse = 2
    await rack.api.create(builders.node("node-1", pods=1))
    await rack.api.create(builders.pod("web"))
    assert (await rack.until(lambda pod: bool(pod.spec.node_name), "web")).spec.node_name == "node-1"


async def test_a_node_is_never_overfull_though_all_pods_come_at_once(rack: Rack) -> None:
    await rack.api.create(builders.node("node-1", pods=3))
    for number in range(8):
        await rack.api.create(builders.pod(f"web-{number}"))
    for _ in range(20):
        rack.clock.advance(1)
        await settle()
    pods = (await rack.api.list(core.Pod)).items
    assert sum(bool(pod.spec.node_name) for pod in pods) == 3


async def test_pods_of_another_scheduler_and_gated_ones_are_left_alone(rack: Rack) -> None:
    await rack.api.create(builders.node("node-1"))
    pod = builders.pod("other")
    await rack.api.create(msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, scheduler_name="mine")))
    gated = builders.pod("gated")
    await rack.api.create(msgspec.structs.replace(gated, spec=msgspec.structs.replace(
        gated.spec, scheduling_gates=(core.PodSchedulingGate(name="wait"),))))
    await rack.api.create(builders.pod("web"))
    await rack.until(lambda pod: bool(pod.spec.node_name), "web")
    assert not (await rack.api.get(core.Pod, "other", "default")).spec.node_name
    assert not (await rack.api.get(core.Pod, "gated", "default")).spec.node_name


async def test_repeated_events_are_counted_and_many_similar_ones_combined() -> None:
    api, clock = FakeClient(), FakeClock()
    events = recorder.Recorder(api, clock, CountingIds(), component="test")
    about = core.Event().involved_object
    for _ in range(3):
        await events.record(about, "Normal", "Same", "the same")
    for number in range(15):
        await events.record(about, "Normal", "Similar", f"message {number}")
    found = (await api.list(core.Event)).items
    assert [(e.message, e.count) for e in found if e.reason == "Same"] == [("the same", 3)]
    similar = [e for e in found if e.reason == "Similar"]
    assert len(similar) == recorder.SIMILAR + 1
    assert max(e.count for e in similar) == 5
    assert any(e.message == "(combined from similar events): message 14" for e in similar)
    await api.delete(core.Event, found[0].metadata.name, found[0].metadata.namespace)
    await events.record(about, "Normal", "Same", "the same")
    api.down = True
    await events.record(about, "Normal", "Same", "nobody hears it")
