from __future__ import annotations

from pathlib import PurePath

import pytest

from edge.api import core
from edge.bus import broker, messages, topics


@pytest.mark.parametrize(("topic", "parsed"), [
    (topics.desired_index("n"), topics.Topic("desired/index", "n")),
    (topics.desired_pod("n", "u"), topics.Topic("desired/pods", "n", "u")),
    (topics.reported_pod("n", "u"), topics.Topic("reported/pods", "n", "u")),
    (topics.reported_node("n"), topics.Topic("reported/node", "n")),
    (topics.heartbeat("n"), topics.Topic("heartbeat", "n")),
    (topics.state("n"), topics.Topic("state", "n")),
    (topics.events("n"), topics.Topic("events", "n")),
    (topics.CLUSTER_NODES, topics.Topic("cluster/nodes")),
    (topics.service("default", "web"), topics.Topic("cluster/services", name="default/web")),
])
def test_topics_are_parsed_as_they_are_built(topic: str, parsed: topics.Topic) -> None:
    assert topics.parse(topic) == parsed


@pytest.mark.parametrize("topic", ["", "edge", "edge/v2/nodes/n/heartbeat", "edge/v1/nodes//heartbeat",
                                   "edge/v1/nodes/n/desired/pods/", "edge/v1/nodes/n/heartbeat/x",
                                   "/edge/v1/nodes/n/heartbeat", "edge/v1/nodes/n/reported/pods/u/x"])
def test_other_topics_are_none_of_ours(topic: str) -> None:
    assert topics.parse(topic) is None


def test_a_message_carries_its_version_and_reads_back() -> None:
    sent = messages.Heartbeat(boot_id="b", sequence=1)
    assert b'"version":1' in messages.encode(sent)
    assert messages.decode(messages.Heartbeat, messages.encode(sent)) == sent
    pod = messages.DesiredPod(revision="r", pod=core.Pod(spec=core.PodSpec(node_name="n")))
    assert messages.decode(messages.DesiredPod, messages.encode(pod)) == pod


@pytest.mark.parametrize(("payload", "why"), [
    (b"", "truncated"), (b"[]", "object"), (b'{"boot_id":"b"}', "sequence"), (b'{"boot_id":1,"sequence":1}', "str"),
    (b'{"boot_id":"b","sequence":1,"version":2}', "version 2"), (b'{"boot_id":"\xff","sequence":1}', "utf-8"),
    (b" " * (messages.MAX_BYTES + 1), "more than"), (b"[" * 100_000, "object"),
    (b'{"x":' + b"[" * 100_000, "nested too deeply"),
])
def test_what_is_no_message_is_refused_with_a_reason(payload: bytes, why: str) -> None:
    with pytest.raises(messages.MessageError, match=why):
        messages.decode(messages.Heartbeat, payload)


def settings(**more: object) -> broker.Broker:
    values: dict[str, object] = {"ca": PurePath("/p/ca.crt"), "certificate": PurePath("/p/b.crt"),
                                 "key": PurePath("/p/b.key"), "access_list": PurePath("/p/acl"), **more}
    return broker.Broker(**values)  # type: ignore[arg-type]


def test_the_broker_lets_in_only_certificates_and_keeps_nothing() -> None:
    lines = broker.configuration(settings(addresses=("127.0.0.1", "10.0.0.1"))).splitlines()
    for line in ("allow_anonymous false", "persistence false", "acl_file /p/acl", "listener 8883 127.0.0.1",
                 "listener 8883 10.0.0.1", f"max_packet_size {broker.MAX_PACKET_BYTES}"):
        assert line in lines
    assert lines.count("require_certificate true") == lines.count("use_identity_as_username true") == 2
    assert not any(line.startswith("user ") for line in lines)
    assert "user root" in broker.configuration(settings(user="root")).splitlines()


def test_a_line_break_cannot_smuggle_a_setting_in() -> None:
    with pytest.raises(ValueError, match="line break"):
        broker.configuration(settings(user="x\nallow_anonymous true"))


def test_a_node_may_write_nothing_but_its_own_branch() -> None:
    patterns = [line for line in broker.access_list().splitlines() if line.startswith("pattern ")]
    assert all("%u" in line for line in patterns if " read edge/v1/cluster/" not in line)
    assert not any("readwrite" in line or ("write" in line and "desired" in line) for line in patterns)
