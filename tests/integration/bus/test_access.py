"""Who may read and write what on the bus: a node its own branch, and nothing of another's by any trick."""

from __future__ import annotations

import pytest

from edge.bus import topics
from tests.fakes.mqtt_client import Client
from tests.integration.bus.conftest import Connect

ALL = (topics.CLUSTER_NODES, b"for all")
SECRET = (topics.desired_pod("node-1", "a"), b"for node-1 alone")


@pytest.fixture
def spy(client: Connect) -> Client:
    made = client("node-2")
    assert made.connect() == "Success"
    return made


@pytest.mark.parametrize("filter_", [
    "#", "edge/#", "edge/v1/nodes/#", "edge/v1/nodes/+/desired/#", "edge/v1/nodes/node-1/#", "+/+/+/+/+/+/+",
    "edge/v1/nodes/node-1/desired/pods/a", "$share/group/#", "$share/group/edge/v1/nodes/node-1/desired/#",
    "edge/v1/nodes/+/state", "edge/v1/nodes/node-1/reported/#"])
def test_a_node_hears_nothing_of_another(server: Client, spy: Client, filter_: str) -> None:
    server.publish(*SECRET, retain=True)
    server.publish(topics.state("node-1"), b"kept", retain=True)
    spy.subscribe(filter_)
    assert spy.subscribe(topics.CLUSTER_NODES) == "Granted QoS 1"
    server.publish(SECRET[0], b"and live")
    server.publish(topics.reported_pod("node-1", "a"), b"and said by it")
    server.publish(*ALL)
    # By two subscriptions it hears twice what is for all; nothing else comes between or before.
    assert [one for one in spy.until(ALL) if one != ALL] == []


def test_nobody_reads_what_the_broker_tells_of_itself(server: Client, spy: Client) -> None:
    for filter_ in ("$SYS/#", "$SYS/broker/version", "$share/g/$SYS/#"):
        spy.subscribe(filter_)
    spy.subscribe(topics.CLUSTER_NODES)
    server.publish(*ALL)
    assert spy.until(ALL) == []


@pytest.mark.parametrize("topic", [
    topics.heartbeat("node-1"), topics.state("node-1"), topics.events("node-1"), topics.reported_node("node-1"),
    topics.reported_pod("node-1", "a"), topics.desired_index("node-1"), topics.desired_index("node-2"),
    topics.desired_pod("node-2", "a"), topics.desired_volumes("node-2"), topics.CLUSTER_NODES,
    topics.service("default", "web"), "edge/v1/nodes/node-2/other", "edge/v1/nodes/node-2/reported/pods/a/b",
    "edge/v1/nodes/node-2/reported/other", "other", "homeassistant/device/x", "$SYS/broker/version", "/edge/v1/x",
    "edge/v1/nodes//heartbeat", "edge/v1/nodes/node-2/../node-1/heartbeat", "edge/v1/nodes/NODE-2/heartbeat"])
def test_a_node_writes_nothing_but_its_own_reports(server: Client, spy: Client, topic: str) -> None:
    for retain in (False, True):
        assert spy.publish(topic, b"false", retain=retain) in ("Not authorized", "refused")
    server.publish(*ALL)
    assert server.until(ALL) == []


def test_a_node_reads_and_writes_its_own(server: Client, spy: Client) -> None:
    spy.subscribe("edge/v1/nodes/node-2/desired/#")
    own = (topics.desired_index("node-2"), b"for node-2")
    server.publish(*own)
    assert spy.until(own) == []
    said = [(topics.heartbeat("node-2"), b"1"), (topics.state("node-2"), b"2"), (topics.events("node-2"), b"3"),
            (topics.reported_node("node-2"), b"4"), (topics.reported_pod("node-2", "u"), b"5"),
            (topics.reported_static("node-2"), b"6"), (topics.reported_volumes("node-2"), b"7")]
    for topic, payload in said:
        assert spy.publish(topic, payload) == "Success"
    assert server.until(said[-1]) == [own, *said[:-1]]


def test_a_client_id_of_another_ends_nobodys_session(server: Client, client: Connect) -> None:
    first = client("node-1")
    assert first.connect() == "Success"
    for name in ("node-1", "system:edge-server", "edge-server", ""):
        thief = client("node-2", name or "node-2")
        assert thief.connect() == "Success"
    assert first.publish(topics.heartbeat("node-1"), b"still here") == "Success"
    assert server.until((topics.heartbeat("node-1"), b"still here")) == []
    assert not first.ended.is_set()


@pytest.mark.parametrize("topic", [topics.state("node-1"), topics.desired_index("node-2"), topics.CLUSTER_NODES])
def test_a_last_will_is_a_message_as_any_other(server: Client, client: Connect, topic: str) -> None:
    liar = client("node-2", will=topic)
    if liar.connect() == "Success":
        liar.drop()
    other = client("node-3", will=topics.state("node-3"))
    assert other.connect() == "Success"
    other.drop()
    assert server.until((topics.state("node-3"), b"a false will")) == []
