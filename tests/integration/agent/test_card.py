"""A node whose card takes no writes any more: what runs goes on, the node says so, and what is new waits."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.agent.card import Card
from edge.bus import messages, topics
from tests.fakes.node import FakeNode, pod


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a file system")
    path = tmp_path / "card"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path)], check=True)
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def wear_out(card: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(card)], check=True)


def conditions(node: FakeNode) -> dict[str, str]:
    said = [messages.decode(messages.ReportedNode, message.payload) for message in node.broker.published
            if message.topic == topics.reported_node("node-1")]
    return {condition.type: condition.status for condition in said[-1].status.conditions} if said else {}


def test_the_conditions_follow_the_card(card: Path) -> None:
    def told() -> dict[str, str]:
        return {each.type: each.status for each in Card(str(card)).facts().conditions}

    assert told() == {"ReadonlyFilesystem": "False"}
    wear_out(card)
    assert told() == {"ReadonlyFilesystem": "True", "DiskPressure": "True"}


async def test_a_worn_out_card_stops_no_pod_and_takes_no_new_one(card: Path) -> None:
    node = FakeNode(card)
    await node.serve()
    await node.want(pod())
    await node.start()
    try:
        node.agent.watch.ask(Card(str(card)))
        await node.until(node.ready)
        wear_out(card)
        await node.until(lambda: conditions(node).get("ReadonlyFilesystem") == "True")
        assert conditions(node)["Ready"] == "True"
        assert conditions(node)["DiskPressure"] == "True"
        await node.want(pod("late", "uid-2"))
        await node.until(lambda: any(reason == "FailedMount" and "Read-only" in text
                                     for reason, text in node.events()))
        assert node.status("uid-2").phase == "Pending"
        node.runtime.exit("web", 1)
        await node.until(lambda: node.status().container_statuses[0].last_state.terminated is not None
                         or node.status().container_statuses[0].state.terminated is not None, 30)
        assert node.status("uid-1").phase == "Running"
    finally:
        await node.stop()
