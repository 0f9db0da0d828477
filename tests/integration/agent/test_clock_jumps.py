"""A node whose wall clock is wrong by decades, forward and back, as a Pi's is until it has asked for the time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.api import core
from tests.fakes.node import FakeNode, pod

FIFTY_YEARS = 50 * 365.25 * 24 * 3600


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[FakeNode]:
    made = FakeNode(tmp_path)
    await made.serve()
    yield made
    await made.stop()


def limited(seconds: int) -> core.PodSpec:
    container = core.Container(name="web", image="busybox:1", image_pull_policy="IfNotPresent",
                               liveness_probe=core.Probe(tcp_socket=core.TCPSocketAction(port=80), period_seconds=5,
                                                         failure_threshold=1000))
    return core.PodSpec(containers=(container,), restart_policy="Always", node_name="node-1",
                        active_deadline_seconds=seconds)


@pytest.mark.parametrize("jump", [FIFTY_YEARS, -FIFTY_YEARS])
async def test_a_jump_of_the_clock_ends_and_restarts_nothing(node: FakeNode, jump: float) -> None:
    await node.want(pod(spec=limited(3600)))
    await node.start()
    await node.until(node.ready)
    before = dict(node.runtime.containers)
    node.clock.jump(jump)
    await node.pass_time(120)
    assert node.runtime.containers.keys() == before.keys()
    assert node.ready()
    assert node.status().phase == "Running"
    node.runtime.exit("web", 1)
    await node.until(lambda: node.status().container_statuses[0].restart_count == 1, 30)


async def test_a_deadline_is_counted_by_time_that_passed(node: FakeNode) -> None:
    await node.want(pod(spec=limited(600)))
    await node.start()
    await node.until(node.ready)
    node.clock.jump(FIFTY_YEARS)
    await node.pass_time(300)
    assert node.status().phase == "Running"
    await node.until(lambda: node.status().reason == "DeadlineExceeded", 400)


async def test_a_node_that_starts_before_its_time_runs_its_pods(node: FakeNode) -> None:
    node.clock.jump(-2 * FIFTY_YEARS / 4)
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    node.clock.jump(FIFTY_YEARS)
    await node.pass_time(30)
    assert node.ready()
