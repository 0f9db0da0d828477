"""Nodes that leave garbage on the broker or flood it: cleared, dropped, counted, and said once."""

from __future__ import annotations

import asyncio
import logging

import pytest

from edge.api import core, meta
from edge.bridge import rates
from edge.bus import messages, topics
from edge.pki import names
from edge.server import numbers
from tests.integration.bridge.test_bridge import NODE, World, registered, until, wait_for, world

__all__ = ["world"]


async def test_what_a_node_has_retained_is_cleared_and_counted(
        world: World, caplog: pytest.LogCaptureFixture) -> None:
    await registered(world)
    left = [topics.reported_pod(NODE, str(number)) for number in range(50)] + [topics.heartbeat(NODE)]
    with caplog.at_level(logging.WARNING):
        for topic in left:
            await world.node.publish(topic, b"garbage", retain=True)
        await until(lambda: not set(left) & set(world.broker.retained) or None)
    refused = world.bridge.recipient.refused
    assert (refused["reported/pods: retained"], refused["heartbeat: retained"]) == (50, 1)
    assert sum(record.getMessage().startswith("message refused") for record in caplog.records) == 2


async def test_what_was_left_while_nobody_listened_is_cleared_with_the_next_connection(world: World) -> None:
    await registered(world)
    await world.stop_server()
    world.broker.retained[topics.reported_pod(NODE, "old")] = b"garbage"
    world.broker.retained[f"{topics.ROOT}/nodes/{NODE}/reported/a/b/c"] = b"garbage"
    kept = world.broker.retained[topics.state(NODE)] = messages.encode(
        messages.NodeState(boot_id="boot-1", sequence=1, state="online"))
    await world.start_server()
    await until(lambda: all("/reported/" not in topic for topic in world.broker.retained) or None)
    assert world.broker.retained[topics.state(NODE)] == kept


async def test_a_flood_is_dropped_and_heartbeats_of_the_same_node_are_not(world: World) -> None:
    await registered(world)
    pod = await world.make_pod()
    for _ in range(int(rates.BURST) + 100):
        await world.node.publish(topics.reported_pod(NODE, pod.metadata.uid), b"{")
    refused = world.bridge.recipient.refused
    await until(lambda: refused["reported/pods: too many"] == 100 or None)
    assert refused["reported/pods: malformed"] == int(rates.BURST)
    before = world.bridge.recipient.refused.total()
    await world.beat()
    await world.report_node("node-2")
    await until(lambda: world.index("node-2"))
    await asyncio.sleep(0)
    assert world.bridge.recipient.refused.total() == before


def test_the_numbers_have_branch_and_reason() -> None:
    gauge = numbers.refused_on_the_bus({"reported/pods: too many": 3}, {"the topic is no UTF-8": 1})[0]
    assert gauge.values == [({"branch": "reported/pods", "reason": "too many"}, 3),
                            ({"branch": "", "reason": "the topic is no UTF-8"}, 1)]


async def test_a_machine_gets_no_role_by_being_renamed(world: World) -> None:
    """It registers as a new Node then, and a new one may say of itself what it is."""
    await registered(world)
    old = await world.client.get(core.Node, NODE)
    await world.client.patch(core.Node, old.metadata.name, "", {"metadata": {
        "labels": {"node-role.kubernetes.io/worker": ""}, "annotations": {names.RENAMED_ANNOTATION: "kitchen"}}})
    await world.stop_server()
    await world.start_server()  # which has seen everything there is before it listens
    await world.say(topics.reported_node("kitchen"), lambda n: messages.ReportedNode(
        boot_id="boot-1", sequence=n, labels={"node-role.kubernetes.io/control-plane": ""},
        status=core.NodeStatus(conditions=(meta.Condition(type="Ready", status="True"),))))
    found = await wait_for(world, core.Node, "kitchen", "", lambda _node: True)
    assert [label for label in found.metadata.labels if label.startswith("node-role")] == [
        "node-role.kubernetes.io/worker"]
