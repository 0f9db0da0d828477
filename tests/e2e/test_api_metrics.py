"""kubectl top: what nodes, pods and containers use, counted by the kernel and asked for through the agents."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Rack, until
from tests.e2e.objects import LAB, on
from tests.e2e.within import Within, container, pod

WORKING = "while true; do for i in $(seq 500); do :; done; sleep 0.02; done"
HOLDING = "held=$(head -c 20000000 /dev/zero | tr '\\0' x); touch /held; while true; do sleep 1000; done"
HELD = {"exec": {"command": ["test", "-e", "/held"]}, "periodSeconds": 1}


@pytest.fixture(scope="module")
def used(rack: Rack) -> Iterator[Within]:
    """A pod that computes and holds memory, each in a container of its own, and one that does nothing."""
    rack.kubectl("create", "namespace", "used")
    here = Within(rack, "used")
    try:
        here.apply(pod("busy", container(WORKING, "working"), container(HOLDING, "holding", readinessProbe=HELD),
                       nodeName="node-1"), pod("idle", nodeName="node-3"))
        here.until_ready("busy", "idle")
        until(lambda: len(rows(here, "pods")) == 2 and memory(rows(here, "pods")[0][2]) >= 15, 30,
              "not all pods are measured")
        yield here
    finally:
        rack.kubectl("delete", "namespace", "used", "--wait=false")


def rows(here: Within, *argv: str) -> list[list[str]]:
    return [line.split() for line in here.kubectl("top", *argv, "--no-headers").splitlines()]


def cores(text: str) -> int:
    assert re.fullmatch(r"\d+m", text), text
    return int(text[:-1])


def memory(text: str) -> int:
    assert re.fullmatch(r"\d+Mi", text), text
    return int(text[:-2])


def test_top_pods(used: Within) -> None:
    assert used.kubectl("top", "pods").splitlines()[0].split() == ["NAME", "CPU(cores)", "MEMORY(bytes)"]
    by_memory, by_cpu = rows(used, "pods", "--sort-by=memory"), rows(used, "pods", "--sort-by=cpu")
    assert [row[0] for row in by_memory] == [row[0] for row in by_cpu] == ["busy", "idle"]
    assert cores(by_cpu[0][1]) > cores(by_cpu[1][1])
    assert memory(by_memory[0][2]) >= 15
    assert memory(by_memory[1][2]) < 15
    assert [row[0] for row in rows(used, "pods", "-l", "app=idle")] == ["idle"]
    assert [row[0] for row in rows(used, "pod", "busy")] == ["busy"]
    assert {("used", "busy"), ("used", "idle"), ("default",)} <= {
        tuple(row[:2]) if row[0] == "used" else (row[0],) for row in rows(used, "pods", "-A")}
    assert "sum" not in used.kubectl("top", "pods")
    assert memory(rows(used, "pods", "--sum")[-1][1]) >= 15


def test_top_containers(used: Within) -> None:
    found = {tuple(row[:2]): row[2:] for row in rows(used, "pods", "--containers")}
    assert set(found) == {("busy", "working"), ("busy", "holding"), ("idle", "main")}
    assert memory(found["busy", "holding"][1]) >= 15 > memory(found["busy", "working"][1])
    assert cores(found["busy", "working"][0]) > cores(found["busy", "holding"][0])


def test_top_nodes(used: Within) -> None:
    found = {row[0]: row[1:] for row in rows(used, "nodes")}
    assert set(found) == {"master", "node-1", "node-2", "node-3"}
    for cpu, cpu_percent, bytes_used, bytes_percent in found.values():
        assert cores(cpu) > 0
        assert memory(bytes_used) > 50
        assert cpu_percent.endswith("%")
        assert bytes_percent.endswith("%")
    assert [row[0] for row in rows(used, "nodes", "-l", "kubernetes.io/hostname=node-2")] == ["node-2"]
    sizes = [memory(row[3]) for row in rows(used, "nodes", "--sort-by=memory")]
    assert sizes == sorted(sizes, reverse=True)


def test_the_api_behind_it(used: Within) -> None:
    """Autoscalers read it as metrics.k8s.io, and roles protect it."""
    raw = json.loads(used.kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/used/pods/busy"))
    assert raw["kind"] == "PodMetrics"
    assert {each["name"] for each in raw["containers"]} == {"working", "holding"}
    assert 'pods.metrics.k8s.io "nobody" not found' in used.fails("get", "podmetrics", "nobody")
    assert "cannot list resource \"pods\" in API group \"metrics.k8s.io\"" in used.fails("top", "pods", "--as=jane")


def test_a_node_whose_agent_hangs_is_left_out_at_once(used: Within) -> None:
    """Its socket still takes connections: only a time limit helps."""
    pid = json.loads((LAB.directory("node-2") / "services.json").read_text())["edge-agent"]["pid"]
    assert "<unknown>" not in used.kubectl("top", "nodes")
    on("node-2", "kill", "-STOP", str(pid))
    try:
        slowest = 0.0

        def missing() -> bool:
            nonlocal slowest
            began = time.monotonic()
            found = {row[0] for row in rows(used, "nodes") if row[1] == "<unknown>"}
            slowest = max(slowest, time.monotonic() - began)
            return found == {"node-2"}

        until(missing, 25, "node-2 is still measured")
    finally:
        on("node-2", "kill", "-CONT", str(pid))
    print(f"top with a hanging agent: {slowest:.1f} s")
    assert slowest < 6
