"""Findings on the rack's wire become Events: new ones, changed ones, once an hour, and their end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from edge.api import core, meta
from edge.client import cache
from edge.component import Supervisor
from edge.dhcp.findings import DUPLICATE_ADDRESS, FILE, POOL_EXHAUSTED, ROGUE_SERVER, Finding, Findings
from edge.dhcp.report import Pool
from edge.server import rack_events
from edge.server.rack_events import Key, News, Told
from tests.fakes.client import FakeClient
from tests.fakes.clock import FakeClock
from tests.fakes.ids import CountingIds

ROGUE = Finding(reason=ROGUE_SERVER, message="another DHCP server answers", address="192.168.1.1", mac="aa:bb")
STOLEN = Finding(reason=DUPLICATE_ADDRESS, message="10.0.0.3 is used twice", address="10.0.0.3", mac="cc:dd")
FULL = Finding(reason=POOL_EXHAUSTED, message="all 9 addresses are taken")


NO_POOL = Pool()


def news(found: Findings, told: Mapping[Key, Told], monotonic: float,
         pool: Pool = NO_POOL) -> tuple[tuple[News, ...], dict[Key, Told]]:
    return rack_events.news(rack_events.current(found, pool, told), told, monotonic)


def looked(*findings: Finding) -> Findings:
    return Findings(looked_at="2026-11-21T12:00:00Z", findings=findings)


def test_a_finding_is_told_once_and_again_after_an_hour() -> None:
    said, told = news(looked(ROGUE, FULL), {}, 0.0)
    assert said == (News("Warning", ROGUE_SERVER, ROGUE.message), News("Warning", POOL_EXHAUSTED, FULL.message))
    said, told = news(looked(ROGUE, FULL), told, 3599.0)
    assert said == ()
    said, told = news(looked(ROGUE, FULL), told, 3600.0)
    assert [each.reason for each in said] == [ROGUE_SERVER, POOL_EXHAUSTED]
    assert news(looked(ROGUE, FULL), told, 3601.0)[0] == ()


def test_other_words_are_told_at_once() -> None:
    _, told = news(looked(ROGUE), {}, 0.0)
    changed = msgspec.structs.replace(ROGUE, message="it offers another address now")
    assert [each.message for each in news(looked(changed), told, 1.0)[0]] == [changed.message]


def test_the_end_is_told_as_normal_and_each_finding_has_its_own() -> None:
    _, told = news(looked(ROGUE, STOLEN, FULL), {}, 0.0)
    said, told = news(looked(STOLEN), told, 60.0)
    assert said == (News("Normal", "RogueDHCPServerGone",
                         "no other DHCP server answers on the rack's wire any more (192.168.1.1 aa:bb)"),
                    News("Normal", "DHCPPoolHasAddresses", "the rack's DHCP server has addresses to give again"))
    assert set(told) == {(DUPLICATE_ADDRESS, "10.0.0.3", "cc:dd")}
    assert news(looked(STOLEN), told, 61.0) == ((), told)


def test_a_look_that_could_not_be_made_ends_nothing() -> None:
    _, told = news(looked(ROGUE), {}, 0.0)
    for nothing in (Findings(), Findings(looked_at="2026-11-21T12:10:00Z", problem="eth0 has no link")):
        assert news(nothing, told, 7200.0) == ((), told)


def test_whether_addresses_are_left_the_leases_say_and_not_the_last_look() -> None:
    full, room = Pool(first="10.0.0.2", last="10.0.0.10", size=9, used=9), Pool(size=9, used=3, free=6)
    said, told = news(Findings(problem="eth0 has no link"), {}, 0.0, full)
    assert [each.reason for each in said] == [POOL_EXHAUSTED]
    assert "all 9 addresses from 10.0.0.2 to 10.0.0.10 are taken" in said[0].message
    assert news(looked(FULL), told, 1.0, full) == ((), told), "one trouble, however often it is seen"
    assert [each.reason for each in news(looked(FULL), told, 2.0, room)[0]] == ["DHCPPoolHasAddresses"]


def test_a_finding_of_a_later_version_is_told_too() -> None:
    later = Finding(reason="SomethingNew", message="words")
    said, told = news(looked(later), {}, 0.0)
    assert said == (News("Warning", "SomethingNew", "words"),)
    assert news(looked(), told, 1.0)[0] == (News("Normal", "SomethingNewOver", "it is over"),)


def test_a_file_that_is_missing_torn_or_a_folder_is_no_finding(tmp_path: Path) -> None:
    assert rack_events.read(tmp_path) == Findings()
    (tmp_path / FILE).write_bytes(b'{"looked_at": "20')
    assert "edge-rack probe" in rack_events.read(tmp_path).problem
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    assert "cannot be read: is a directory" in rack_events.read(tmp_path).problem


def test_the_document_is_read_on_each_request(tmp_path: Path) -> None:
    shown = rack_events.document(tmp_path)
    assert shown() == Findings()
    (tmp_path / FILE).write_bytes(msgspec.json.encode(looked(ROGUE)))
    assert shown() == looked(ROGUE)


@asynccontextmanager
async def running(tmp_path: Path) -> AsyncIterator[tuple[FakeClient, FakeClock]]:
    clock, ids, api = FakeClock(), CountingIds(), FakeClient()
    supervisor = Supervisor(clock)
    caches = cache.SharedCaches(api, clock=clock, ids=ids, start=supervisor.start)
    supervisor.start("rack events", rack_events.loop(tmp_path, "10.0.0.1", Pool, api, caches, clock, ids))
    try:
        yield api, clock
    finally:
        await supervisor.stop()


async def pass_time(clock: FakeClock) -> None:
    """Let one look be made."""
    clock.advance(rack_events.LOOK_SECONDS)
    for _ in range(20):
        await asyncio.sleep(0)


async def until(api: FakeClient, clock: FakeClock, check: Callable[[list[core.Event]], bool]) -> list[core.Event]:
    for _ in range(200):
        found = list((await api.list(core.Event)).items)
        if check(found):
            return found
        await pass_time(clock)
    raise AssertionError(f"the events are {[(each.reason, each.count) for each in found]}")


def node(name: str, address: str) -> core.Node:
    return core.Node(metadata=meta.ObjectMeta(name=name), status=core.NodeStatus(
        addresses=(core.NodeAddress(type="InternalIP", address=address),)))


async def test_events_are_of_the_masters_node_and_wait_for_it(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(msgspec.json.encode(looked(ROGUE)))
    async with running(tmp_path) as (api, clock):
        await api.create(node("node-1", "10.0.0.2"))
        for _ in range(3):
            await pass_time(clock)
        assert (await api.list(core.Event)).items == ()
        master = await api.create(node("master", "10.0.0.1"))
        [event] = await until(api, clock, lambda events: len(events) == 1)
        assert (event.type, event.reason, event.source.component) == ("Warning", ROGUE_SERVER, "edge-rack")
        assert (event.involved_object.name, event.involved_object.uid) == ("master", master.metadata.uid)
        (tmp_path / FILE).write_bytes(msgspec.json.encode(looked()))
        events = await until(api, clock, lambda events: len(events) == 2)
        assert {(each.type, each.reason) for each in events} == {("Warning", ROGUE_SERVER),
                                                                 ("Normal", "RogueDHCPServerGone")}


@pytest.mark.parametrize("content", [b"", b"nonsense"])
async def test_a_torn_file_does_not_end_the_loop(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    async with running(tmp_path) as (api, clock):
        await api.create(node("master", "10.0.0.1"))
        for _ in range(3):
            await pass_time(clock)
        (tmp_path / FILE).write_bytes(msgspec.json.encode(looked(STOLEN)))
        await until(api, clock, lambda events: [each.reason for each in events] == [DUPLICATE_ADDRESS])
