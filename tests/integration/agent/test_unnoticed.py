"""What the API should not hear of: an agent that is started again, and a volume that cannot be made again and again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.api import core
from edge.bus import messages, topics
from tests.fakes.node import FakeNode, pod


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[FakeNode]:
    made = FakeNode(tmp_path)
    await made.serve()
    yield made
    await made.stop()


def readiness(node: FakeNode) -> list[str]:
    """Return what was reported of the node, one after the other."""
    said = [messages.decode(messages.ReportedNode, message.payload) for message in node.broker.published
            if message.topic == topics.reported_node("node-1")]
    return [each.status for report in said for each in report.status.conditions if each.type == "Ready"]


def homeless(path: str) -> core.Pod:
    """Return a pod that wants a directory of the node."""
    volume = core.Volume(name="v", host_path=core.HostPathVolumeSource(path=path, type="Directory"))
    made = core.Container(name="web", image="busybox:1", volume_mounts=(core.VolumeMount(name="v", mount_path="/v"),))
    return pod(spec=core.PodSpec(containers=(made,), volumes=(volume,), restart_policy="Always", node_name="node-1"))


async def test_a_node_whose_agent_is_started_again_is_ready_all_the_time(
        node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    await node.start()
    await node.until(lambda: readiness(node)[-1:] == ["True"])
    await node.stop()
    node.broker.published.clear()
    apply_links, may_go_on = node.network.apply_links, asyncio.Event()

    async def slow(links: object) -> None:
        await may_go_on.wait()
        await apply_links(links)  # type: ignore[arg-type]
    monkeypatch.setattr(node.network, "apply_links", slow)
    await node.start()
    await node.until(lambda: node.agent.watch.status is not None)
    assert readiness(node) == []
    may_go_on.set()
    await node.until(lambda: bool(readiness(node)), seconds=2)
    await node.pass_time(15)
    assert set(readiness(node)) == {"True"}


async def test_a_network_that_hangs_is_said_in_the_end(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(links: object) -> None:
        await asyncio.Event().wait()
    monkeypatch.setattr(node.network, "apply_links", hang)
    await node.start()
    await node.until(lambda: readiness(node) == ["False"], seconds=10)


async def test_a_volume_that_cannot_be_made_is_tried_less_and_less_often_and_logged_once(
        node: FakeNode, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    await node.want(homeless(str(tmp_path / "missing")))
    await node.start()
    await node.pass_time(300)
    said = [text for reason, text in node.events() if reason == "FailedMount"]
    assert said[0].endswith(f"hostPath type check failed: {tmp_path / 'missing'} is not a directory")
    assert 6 <= len(said) <= 12
    assert sum("pod is tried again" in record.getMessage() for record in caplog.records) == 1
    (tmp_path / "missing").mkdir()
    await node.until(node.ready, seconds=61)


async def test_a_pod_whose_volume_cannot_be_made_is_gone_at_once_when_it_is_deleted(
        node: FakeNode, tmp_path: Path) -> None:
    await node.want(homeless(str(tmp_path / "missing")))
    await node.start()
    await node.pass_time(100)
    node.pods.clear()
    await node.serve()
    await node.until(lambda: "uid-1" not in node.agent.reporter.statuses(), seconds=3)
