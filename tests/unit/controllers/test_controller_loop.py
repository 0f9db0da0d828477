"""The loop of all controllers on an API in memory: lagging caches, refusals, broken objects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from edge import component
from edge.api import core, errors
from edge.client import cache, recorder
from edge.client.interface import O
from edge.controllers import cache_view, interface, loop, plan
from tests import builders
from tests.fakes.client import FakeClient
from tests.fakes.clock import FakeClock, settle
from tests.fakes.ids import CountingIds

WANTED = 5


class Api(FakeClient):
    """An API that counts creations and refuses the next ones."""

    def __init__(self) -> None:
        super().__init__()
        self.created = 0
        self.refuse = 0

    async def create(self, obj: O) -> O:
        if isinstance(obj, core.Pod) and self.refuse:
            self.refuse -= 1
            raise errors.Forbidden("exceeded quota")
        self.created += isinstance(obj, core.Pod)
        return await super().create(obj)


def reconcile(key: interface.Key, view: interface.View, _now: datetime) -> plan.Plan:
    """Keep WANTED pods for the ConfigMap; names never repeat, so too many would show."""
    config = view.get(core.ConfigMap, key.name, key.namespace)
    if config is None:
        return plan.Plan()
    if config.data.get("broken"):
        raise ValueError("cannot read it")
    have = len(tuple(view.all(core.Pod, key.namespace)))
    about = plan.reference("ConfigMap", "v1", config)

    def failed(error: errors.ApiError) -> tuple[plan.Action, ...]:
        return (plan.Emit(about, "Warning", "FailedCreate", error.message),)
    return plan.Plan(tuple(plan.Create(builders.pod(f"pod-{have + n}-{id(view) % 7}-{n}"), plan.Emit(
        about, "Normal", "SuccessfulCreate", "Created pod: {name}"), failed) for n in range(WANTED - have)))


CONTROLLER = interface.Controller(name="test", reconcile=reconcile, sources=(
    interface.own(core.ConfigMap), interface.Source(core.Pod, lambda pod, view: tuple(
        interface.key_of(config) for config in view.all(core.ConfigMap)))))


class Run:
    """The loop, running."""

    def __init__(self) -> None:
        self.api, self.clock = Api(), FakeClock()
        self.supervisor = component.Supervisor(self.clock)
        caches = cache.SharedCaches(self.api, clock=self.clock, ids=CountingIds(), start=self.supervisor.start)
        events = recorder.Recorder(self.api, self.clock, CountingIds(), component="test")
        self.loop = loop.Loop(CONTROLLER, self.api, caches, cache_view.CacheView(self.api, caches), self.clock, events)

    async def until(self, holds: Callable[[], bool]) -> None:
        for _ in range(200):
            if holds():
                return
            self.clock.advance(0.1)
            await settle()
        raise AssertionError("it never happened")

    async def __aenter__(self) -> Run:
        self.supervisor.start("loop", self.loop.run)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.supervisor.stop()


def config(name: str = "web", **data: str) -> core.ConfigMap:
    return core.ConfigMap(metadata=builders.object_meta(name), data=data)


async def test_a_cache_that_lags_never_leads_to_too_many() -> None:
    async with Run() as run:
        await run.api.create(config())
        await run.until(lambda: run.api.created >= 1)
        for number in range(30):  # Changes of the object itself bring round after round.
            now = await run.api.get(core.ConfigMap, "web", "default")
            await run.api.update(core.ConfigMap(metadata=now.metadata, data={"round": str(number)}))
            await asyncio.sleep(0)
            run.clock.advance(0.001)
        await run.until(lambda: run.api.created >= WANTED)
        await run.clock.run(5)
        assert run.api.created == WANTED
        told = [event.message for event in (await run.api.list(core.Event)).items]
        assert len(told) == WANTED
        assert all(message.startswith("Created pod: pod-") for message in told)


async def test_what_is_refused_is_refused_once_a_round_and_tried_again() -> None:
    async with Run() as run:
        run.api.refuse = 3
        await run.api.create(config())
        await run.until(lambda: run.api.created == WANTED)
        events = (await run.api.list(core.Event)).items
        assert [(e.message, e.count) for e in events if e.reason == "FailedCreate"] == [("exceeded quota", 3)]


async def test_a_broken_object_does_not_stop_the_others_and_recovers() -> None:
    async with Run() as run:
        await run.api.create(config("bad", broken="yes"))
        await run.api.create(config("good"))
        await run.until(lambda: run.api.created == WANTED)


async def test_an_api_that_goes_away_is_waited_for() -> None:
    async with Run() as run:
        await run.clock.run(1)
        run.api.down = True
        run.api.cut()
        await run.clock.run(3)
        run.api.down = False
        await run.api.create(config())
        await run.until(lambda: run.api.created == WANTED)
