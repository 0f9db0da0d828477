"""Which node a pod comes to, and why not: requests, labels, taints, cordons, spreading."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import objects
from tests.e2e.conftest import WORKERS, Rack, until

TINY = {"requests": {"cpu": "10m", "memory": "8Mi"}}


@pytest.fixture
def ledled(rack: Rack) -> Iterator[Rack]:
    """The workers labeled as in the book, with one LED color each."""
    for node, color in zip(WORKERS, ("red", "green", "blue"), strict=True):
        rack.kubectl("label", "node", node, f"led={color}", "--overwrite")
    yield rack
    for node in WORKERS:
        rack.kubectl("label", "node", node, "led-")


def node_of(rack: Rack, namespace: str, pod: str) -> str:
    """Wait until a pod runs, and return where."""
    found = until(lambda: [each for each in [rack.get("pod", "-n", namespace, pod)]
                           if each["status"]["phase"] == "Running"], 30, f"{pod} does not run")
    return str(found[0]["spec"]["nodeName"])


def refusal(rack: Rack, namespace: str, pod: str) -> str:
    """Wait until the scheduler has said why a pod stays Pending, and return its words."""
    def words() -> str:
        found: list[dict[str, Any]] = rack.get("pod", "-n", namespace, pod)["status"].get("conditions", [])
        return next((each["message"] for each in found
                     if each["type"] == "PodScheduled" and each["reason"] == "Unschedulable"), "")
    return str(until(words, 20, f"{pod} is not refused"))


def busy(name: str, cpu: str, **spec: Any) -> objects.Json:
    return objects.pod(name, objects.container(resources={"requests": {"cpu": cpu}}), **spec)


def test_requests_are_held_against_what_nodes_have_and_a_freed_place_is_used(rack: Rack, namespace: str) -> None:
    """Three pods fill three workers; the fourth waits, says why, and runs when one goes."""
    objects.apply(rack, namespace, *(busy(f"big-{number}", "1500m") for number in range(3)))
    places = {node_of(rack, namespace, f"big-{number}") for number in range(3)}
    assert places == set(WORKERS)
    objects.apply(rack, namespace, busy("waiting", "1500m"), busy("never", "64"))
    taint = "1 node(s) had untolerated taint {node-role.kubernetes.io/master: }"
    said = refusal(rack, namespace, "waiting")
    assert said.startswith("0/4 nodes are available: ")
    assert taint in said
    assert "3 Insufficient cpu" in said
    assert "Insufficient cpu" in refusal(rack, namespace, "never")
    until(lambda: "FailedScheduling" in rack.kubectl("get", "events", "-n", namespace), 10, "there is no event")
    assert "Insufficient cpu" in rack.kubectl("describe", "pod", "-n", namespace, "waiting")
    where = rack.get("pod", "-n", namespace, "big-1")["spec"]["nodeName"]
    assert "1500m" in next(line for line in rack.kubectl("describe", "node", where).splitlines() if "big-1" in line)
    rack.kubectl("delete", "pod", "-n", namespace, "big-1")
    assert node_of(rack, namespace, "waiting") == where
    assert rack.get("pod", "-n", namespace, "never")["status"]["phase"] == "Pending"


def test_node_selector_takes_the_book_s_labels(ledled: Rack, namespace: str) -> None:
    objects.apply(ledled, namespace, objects.pod("green", nodeSelector={"led": "green"}),
                  objects.pod("purple", nodeSelector={"led": "purple"}))
    assert node_of(ledled, namespace, "green") == "node-2"
    said = refusal(ledled, namespace, "purple")
    assert "3 node(s) didn't match Pod's node affinity/selector" in said
    # A label that comes later is enough; what runs already stays when its label goes.
    ledled.kubectl("label", "node", "node-3", "led=purple", "--overwrite")
    assert node_of(ledled, namespace, "purple") == "node-3"
    ledled.kubectl("label", "node", "node-2", "led=none", "--overwrite")
    assert ledled.get("pod", "-n", namespace, "green")["status"]["phase"] == "Running"
    # The book's question to the API.
    assert ledled.kubectl("get", "nodes", "-l", "led=purple", "-o", "name").split() == ["node/node-3"]


def test_the_master_is_tainted_and_takes_only_who_tolerates_that(rack: Rack, namespace: str) -> None:
    assert rack.get("node", "master")["spec"]["taints"] == [
        {"key": "node-role.kubernetes.io/master", "effect": "NoSchedule"}]
    select = {"kubernetes.io/hostname": "master"}
    tolerating = [{"key": "node-role.kubernetes.io/master", "operator": "Exists", "effect": "NoSchedule"}]
    objects.apply(rack, namespace, objects.pod("refused", nodeSelector=select),
                  objects.pod("welcome", nodeSelector=select, tolerations=tolerating))
    assert "untolerated taint {node-role.kubernetes.io/master: }" in refusal(rack, namespace, "refused")
    assert node_of(rack, namespace, "welcome") == "master"


def test_a_noexecute_taint_drives_pods_away_and_tolerating_ones_stay(rack: Rack, namespace: str) -> None:
    on = {"kubernetes.io/hostname": "node-1"}
    objects.apply(rack, namespace, objects.deployment("moving", 1, affinity={"nodeAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": {"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-1"]}]}}]}}),
        objects.pod("staying", nodeSelector=on, tolerations=[{"key": "broken", "operator": "Exists"}]))
    assert node_of(rack, namespace, "staying") == "node-1"
    until(lambda: rack.ready_pods("app=moving", namespace), 20, "the pod is not ready")
    assert rack.pods("app=moving", namespace)[0]["spec"]["nodeName"] == "node-1"
    rack.kubectl("taint", "node", "node-1", "broken=yes:NoExecute")
    try:
        moved = until(lambda: [each for each in rack.ready_pods("app=moving", namespace)
                               if each["spec"]["nodeName"] != "node-1"], 20, "the pod did not move")
        assert len(moved) == 1
        assert rack.get("pod", "-n", namespace, "staying")["status"]["phase"] == "Running"
    finally:
        rack.kubectl("taint", "node", "node-1", "broken-")


def test_a_cordoned_node_takes_nothing_new_and_keeps_what_it_has(rack: Rack, namespace: str) -> None:
    objects.apply(rack, namespace, objects.pod("before", nodeSelector={"kubernetes.io/hostname": "node-2"}))
    assert node_of(rack, namespace, "before") == "node-2"
    rack.kubectl("cordon", "node-2")
    try:
        assert "SchedulingDisabled" in rack.kubectl("get", "node", "node-2")
        objects.apply(rack, namespace, objects.deployment("spread", 4),
                      objects.pod("stuck", nodeSelector={"kubernetes.io/hostname": "node-2"}))
        until(lambda: len(rack.ready_pods("app=spread", namespace)) == 4, 30, "the pods are not ready")
        assert {each["spec"]["nodeName"] for each in rack.pods("app=spread", namespace)} == {"node-1", "node-3"}
        assert "1 node(s) were unschedulable" in refusal(rack, namespace, "stuck")
        assert rack.get("pod", "-n", namespace, "before")["status"]["phase"] == "Running"
    finally:
        rack.kubectl("uncordon", "node-2")
    assert node_of(rack, namespace, "stuck") == "node-2"


def test_nodes_tell_their_architecture_and_pods_can_ask_for_it(rack: Rack, namespace: str) -> None:
    machine = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm"}[platform.machine()]
    for node in rack.get("nodes")["items"]:
        labels, name = node["metadata"]["labels"], node["metadata"]["name"]
        assert labels["kubernetes.io/arch"] == labels["beta.kubernetes.io/arch"] == machine
        assert labels["kubernetes.io/os"] == labels["beta.kubernetes.io/os"] == "linux"
        assert labels["kubernetes.io/hostname"] == name
        assert node["status"]["nodeInfo"]["architecture"] == machine
    objects.apply(rack, namespace, objects.pod("here", nodeSelector={"kubernetes.io/arch": machine}),
                  objects.pod("elsewhere", nodeSelector={"beta.kubernetes.io/arch": "s390x"}))
    assert node_of(rack, namespace, "here") in WORKERS
    assert "node affinity/selector" in refusal(rack, namespace, "elsewhere")


def test_replicas_spread_over_the_workers_and_a_daemon_set_runs_once_on_each(rack: Rack, namespace: str) -> None:
    objects.apply(rack, namespace, objects.deployment("six", 6, objects.serving(resources=TINY)),
                  objects.deployment("each", 0, objects.serving(resources=TINY), kind="DaemonSet"))
    until(lambda: len(rack.ready_pods("app=six", namespace)) == 6 and len(rack.ready_pods("app=each", namespace)) == 3,
          40, "the pods are not ready")
    assert Counter(each["spec"]["nodeName"] for each in rack.pods("app=six", namespace)) == dict.fromkeys(WORKERS, 2)
    assert sorted(each["spec"]["nodeName"] for each in rack.pods("app=each", namespace)) == list(WORKERS)
    status = rack.get("daemonset", "-n", namespace, "each")["status"]
    assert status["desiredNumberScheduled"] == status["numberReady"] == 3
