"""Events: their names keep their order, and those about two containers of a pod are two."""

from __future__ import annotations

from edge.api import core, meta
from edge.client.recorder import Recorder
from tests.fakes.client import FakeClient
from tests.fakes.clock import FakeClock
from tests.fakes.ids import CountingIds


async def test_events_of_one_second_are_listed_in_their_order() -> None:
    api, clock = FakeClient(), FakeClock()
    events = Recorder(api, clock, CountingIds(), component="test")
    about = meta.ObjectReference(kind="Pod", namespace="default", name="web", uid="1")
    reasons = ["Scheduled", "Pulled", "Created", "Started", "Killing"]
    for reason in reasons:
        await events.record(about, "Normal", reason, reason)
    clock.advance(1)
    await events.record(about, "Normal", "Last", "Last")
    found = sorted((await api.list(core.Event)).items, key=lambda event: event.metadata.name)
    assert [event.reason for event in found] == [*reasons, "Last"]


async def test_the_same_about_two_containers_is_not_counted_together() -> None:
    api = FakeClient()
    events = Recorder(api, FakeClock(), CountingIds(), component="test")
    for name in ("a", "b", "a"):
        about = meta.ObjectReference(kind="Pod", namespace="default", name="web", uid="1",
                                     field_path=f"spec.containers{{{name}}}")
        await events.record(about, "Normal", "Pulled", "same")
    assert sorted(event.count for event in (await api.list(core.Event)).items) == [1, 2]
