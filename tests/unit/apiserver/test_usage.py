"""Metrics out of the agents' summaries, also out of strange ones."""

from __future__ import annotations

import msgspec
import pytest

from edge.api import core, meta
from edge.apiserver import usage

SUMMARY = {
    "node": {"nodeName": "n1", "cpu": {"time": "2030-01-01T00:00:00Z", "usageNanoCores": 250_000_000},
             "memory": {"workingSetBytes": 4 << 20}},
    "pods": [{"podRef": {"name": "web", "namespace": "default", "uid": "u"},
              "containers": [{"name": "a", "cpu": {"time": "2030-01-01T00:00:00Z", "usageNanoCores": 5},
                              "memory": {"workingSetBytes": 2048}}, {"name": "young", "cpu": {}, "memory": {}}]}],
}
NODE = core.Node(metadata=meta.ObjectMeta(name="n1", labels={"board": "pi"}))
POD = core.Pod(metadata=meta.ObjectMeta(name="web", namespace="default", uid="u", labels={"app": "web"}))


def read(value: object) -> usage.Summary:
    found = usage.read(msgspec.json.encode(value))
    assert found is not None
    return found


def test_a_summary_becomes_metrics() -> None:
    node = usage.node_metrics(NODE, read(SUMMARY))
    assert node is not None
    assert node.usage == {"cpu": "250000000n", "memory": "4096Ki"}
    assert (node.metadata.name, node.metadata.labels) == ("n1", {"board": "pi"})
    [pod] = usage.pod_metrics(read(SUMMARY), lambda namespace, name: POD)
    assert (pod.metadata.name, pod.metadata.labels, pod.timestamp) == ("web", {"app": "web"}, "2030-01-01T00:00:00Z")
    assert [(each.name, each.usage) for each in pod.containers] == [("a", {"cpu": "5n", "memory": "2Ki"})]


def test_pods_the_api_does_not_know_are_left_out() -> None:
    other = core.Pod(metadata=meta.ObjectMeta(name="web", namespace="default", uid="another"))
    assert list(usage.pod_metrics(read(SUMMARY), lambda namespace, name: None)) == []
    assert list(usage.pod_metrics(read(SUMMARY), lambda namespace, name: other)) == []


@pytest.mark.parametrize("answer", [b"", b"null", b"[]", b'{"pods": 1}', b"\xff", b'{"node": {"cpu": {"time": 1}}}'])
def test_a_strange_answer_is_no_summary(answer: bytes) -> None:
    assert usage.read(answer) is None


def test_a_node_that_did_not_say_has_no_metrics() -> None:
    assert usage.node_metrics(NODE, read({})) is None


def test_only_ready_nodes_are_asked() -> None:
    ready = msgspec.structs.replace(NODE, status=core.NodeStatus(conditions=(
        meta.Condition(type="Ready", status="True"),)))
    assert usage.wanted((NODE, ready)) == [ready]
