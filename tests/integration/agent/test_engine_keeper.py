"""An agent whose engine hangs, does not start or has a broken store: it gets it back, and its pods run again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.agent.engine_keeper import EngineKeeper
from edge.runtime.containers import ImagesUnreadable, RuntimeFailure
from edge.runtime.repair import Damage
from tests.fakes.engine_care import FakeEngineCare
from tests.fakes.node import FakeNode, pod

DATABASE = Damage(("libpod/bolt_state.db",), "containers")


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[FakeNode]:
    made = FakeNode(tmp_path)
    await made.serve()
    await made.want(pod())
    await made.start()
    await made.until(made.ready)
    yield made
    await made.stop()


@pytest.fixture
async def care(node: FakeNode) -> FakeEngineCare:
    made = FakeEngineCare(node.runtime)
    keeper = EngineKeeper(made, node.runtime, node.agent.watch, node.agent.reporter, node.clock)
    node.supervisor.start("engine care", keeper.run)
    return made


def said(node: FakeNode, reason: str) -> list[str]:
    return [message for told, message in node.events() if told == reason]


async def test_an_engine_that_hangs_is_ended_and_pods_are_looked_after_again(node: FakeNode,
                                                                             care: FakeEngineCare) -> None:
    care.hang()
    await node.until(lambda: care.done == ["end"], 60)
    node.runtime.exit("web", 1)
    await node.until(lambda: node.status().container_statuses[0].restart_count == 1, 60)
    await node.until(lambda: said(node, "ContainerRuntimeRestarted") == [
        "The container engine hangs: ended process 7"])


async def test_an_engine_that_comes_back_by_itself_is_left_alone(node: FakeNode, care: FakeEngineCare) -> None:
    node.runtime.go_away()
    await node.pass_time(12)
    node.runtime.away = False
    await node.pass_time(60)
    assert care.done == []


async def test_a_store_that_cannot_be_read_loses_that_part_and_pods_come_back(node: FakeNode,
                                                                              care: FakeEngineCare) -> None:
    care.damage = DATABASE
    node.runtime.containers.clear()
    node.runtime.go_away()
    await node.until(lambda: care.done == ["examine", "set aside containers", "start"], 90)
    await node.until(lambda: len(node.runtime.containers) == 1 and node.ready(), 90)
    assert said(node, "ContainerStoreReset") == [
        "The container store could not be read: the containers in it are lost and made anew: "
        "moved aside libpod/bolt_state.db"]


async def test_on_a_card_that_takes_no_writes_the_damage_is_said_and_tried_again_rarely(node: FakeNode,
                                                                                       care: FakeEngineCare) -> None:
    care.damage, care.card_is_broken = DATABASE, True
    node.runtime.go_away()
    await node.pass_time(200)
    assert 2 <= care.done.count("examine") <= 3
    assert "Read-only file system" in said(node, "ContainerStoreBroken")[0]
    care.card_is_broken = False
    await node.until(lambda: not node.runtime.away, 900)


async def test_a_broken_list_of_images_is_set_aside(node: FakeNode, care: FakeEngineCare) -> None:
    care.images_broken = True

    def fail(call: str) -> RuntimeFailure | None:
        return ImagesUnreadable("broken") if call == "images" and care.images_broken else None

    node.runtime.fail = fail
    node.agent.watch.look()
    await node.until(lambda: "forget images" in care.done)
    await node.until(lambda: node.agent.watch.away_since is None)
    assert "images in it are lost" in said(node, "ContainerStoreReset")[0]
