"""What pods get of a node, what happens when they want more, and how the node and kubectl tell it."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.api import quantity
from tests.e2e.conftest import Rack, is_ready, until
from tests.e2e.objects import LAB
from tests.e2e.within import Within, container, pod

GROUPS = Path("/sys/fs/cgroup")
V2 = (GROUPS / "cgroup.controllers").exists()
MIB = 1024**2
HUNGRY = "x=a; while true; do x=$x$x; done"
PRESSED = "node-3"


@pytest.fixture
def here(rack: Rack, namespace: str) -> Within:
    return Within(rack, namespace)


def group(machine: str, quality: str, uid: str, name: str, v1: str, v2: str) -> str:
    """Return the content of a file of a pod's control group, or of one below it (`name`), on this host."""
    top = GROUPS if V2 else GROUPS / v1.partition(".")[0]
    path = top / LAB.cgroup(machine).lstrip("/") / "kubepods" / quality / f"pod{uid}" / name / (v2 if V2 else v1)
    return path.read_text().strip()


def groups_of(machine: str, *uids: str) -> list[Path]:
    """Return what there is of the control groups of pods."""
    tops = [top / LAB.cgroup(machine).lstrip("/") / "kubepods" for top in ([GROUPS] if V2 else GROUPS.iterdir())]
    return [path for top in tops for quality in ("", "burstable", "besteffort") for uid in uids
            if (path := top / quality / f"pod{uid}").exists()]


def test_requests_and_limits_bind_container_and_pod(here: Within) -> None:
    asked = {"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"cpu": "250m", "memory": "64Mi"}}
    here.apply(pod("web", container(resources=asked), container("sleep 1000", "side", resources=asked),
                   nodeName="node-1"), pod("plain", nodeName="node-1"))
    here.until_ready("web", "plain")
    found = here.get("pod", "web")
    uid = found["metadata"]["uid"]
    assert found["status"]["qosClass"] == "Burstable"
    own = f"libpod-{found['status']['containerStatuses'][0]['containerID'].removeprefix('podman://')}"
    for name, memory, quota in (("", 128 * MIB, "50000"), (own, 64 * MIB, "25000")):
        assert group("node-1", "burstable", uid, name, "memory.limit_in_bytes", "memory.max") == str(memory)
        assert group("node-1", "burstable", uid, name, "cpu.cfs_quota_us", "cpu.max").split()[0] == quota
    # 1000 - 1000 * 32Mi / 2Gi: how ready the kernel is to kill it.
    assert here.kubectl("exec", "web", "-c", "main", "--", "cat", "/proc/1/oom_score_adj").strip() == "985"
    assert here.kubectl("exec", "plain", "--", "cat", "/proc/1/oom_score_adj").strip() == "1000"
    other = here.get("pod", "plain")["metadata"]["uid"]
    assert group("node-1", "besteffort", other, "", "cpu.shares", "cpu.weight") in ("1", "2")
    here.kubectl("delete", "pod", "web", "plain", "--wait=true", "--timeout=30s")
    until(lambda: not groups_of("node-1", uid, other), 20, "control groups are left")


def test_who_takes_more_memory_than_allowed_is_killed_and_says_so(here: Within) -> None:
    limited = {"limits": {"memory": "24Mi"}}
    here.apply(pod("hungry", container(HUNGRY, resources=limited), restartPolicy="Never"),
               pod("parent", container(f"sh -c '{HUNGRY}'; exit 3", resources=limited), restartPolicy="Never"),
               pod("patient", container("sleep 1000", resources=limited)))
    here.until_shown("hungry", "OOMKilled")
    here.until_shown("parent", "OOMKilled")
    ended = here.get("pod", "hungry")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    assert "OOMKilled" in here.kubectl("describe", "pod", "hungry")
    here.until_ready("patient")
    killed = here.rack.try_kubectl("exec", "-n", here.namespace, "patient", "--", "sh", "-c", HUNGRY)
    assert killed.returncode == 137
    if not V2:
        # Version 1 kills the one process; with version 2 a container goes as a whole, as from the kubelet.
        assert here.get("pod", "patient")["status"]["containerStatuses"][0]["restartCount"] == 0


def evicted(here: Within, name: str) -> dict[str, Any]:
    """Return the status of a pod once its node has ended it."""
    def ended() -> Any:
        status = here.get("pod", name)["status"]
        return status if status["phase"] == "Failed" else None

    status: dict[str, Any] = until(ended, 60, f"{name} is not evicted")
    assert status["reason"] == "Evicted"
    said = next(each for each in status["conditions"] if each["type"] == "DisruptionTarget")
    assert (said["status"], said["reason"], said["message"]) == ("True", "TerminationByKubelet", status["message"])
    return status


def test_who_writes_more_than_allowed_is_evicted(here: Within) -> None:
    writing = "dd if=/dev/zero of=/big bs=1048576 count=20; sleep 1000"
    filling = "dd if=/dev/zero of=/data/big bs=1048576 count=5; sleep 1000"
    here.apply(pod("layer", container(writing, resources={"limits": {"ephemeral-storage": "10Mi"}})),
               pod("volume", container(filling, volumeMounts=[{"name": "data", "mountPath": "/data"}]),
                   volumes=[{"name": "data", "emptyDir": {"sizeLimit": "1Mi"}}]),
               pod("modest", container(writing, resources={"limits": {"ephemeral-storage": "100Mi"}})))
    assert evicted(here, "layer")["message"] == \
        "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. "
    assert evicted(here, "volume")["message"] == 'Usage of EmptyDir volume "data" exceeds the limit "1Mi". '
    assert "Evicted" in here.reasons("layer")
    here.until_ready("modest")
    uid = here.get("pod", "volume")["metadata"]["uid"]
    until(lambda: not list(Path(LAB.state).glob(f"machines/*/data/agent/pods/{uid}/volumes/data")), 20,
          "what it wrote is still on the disk")


def test_a_node_promises_less_than_it_has(rack: Rack) -> None:
    status = rack.get("node", "node-1")["status"]
    assert (status["capacity"]["cpu"], status["capacity"]["pods"]) == ("2", "110")
    assert status["allocatable"]["cpu"] == "1900m"
    memory = {kind: quantity.whole(status[kind]["memory"]) for kind in ("capacity", "allocatable")}
    # 192Mi and 3 % for the system, and 100Mi that eviction keeps free.
    assert memory["capacity"] - memory["allocatable"] == pytest.approx((192 + 61 + 100) * MIB, abs=2 * MIB)
    disk = {kind: quantity.whole(status[kind]["ephemeral-storage"]) for kind in ("capacity", "allocatable")}
    assert 0 < disk["allocatable"] < disk["capacity"]
    limit = GROUPS / ("" if V2 else "memory") / LAB.cgroup("node-1").lstrip("/") / "kubepods" / (
        "memory.max" if V2 else "memory.limit_in_bytes")
    if limit.exists():
        assert int(limit.read_text()) == pytest.approx(memory["allocatable"] + 100 * MIB, abs=MIB)


def test_the_stats_summary_and_the_same_for_prometheus(here: Within) -> None:
    rack = here.rack
    here.apply(pod("web", container("echo hello > /data/file; sleep 1000",
                                    volumeMounts=[{"name": "data", "mountPath": "/data"}]),
                   nodeName="node-2", volumes=[{"name": "data", "emptyDir": {}}]))
    here.until_ready("web")

    def raw(path: str) -> str:
        return rack.kubectl("get", "--raw", f"/api/v1/nodes/node-2/proxy/{path}")

    def measured() -> Any:
        found = json.loads(raw("stats/summary"))
        mine = [each for each in found["pods"] if each["podRef"]["namespace"] == here.namespace]
        return (found, mine[0]) if mine and mine[0]["containers"] and "ephemeral-storage" in mine[0] else None

    summary, web = until(measured, 90, "the pod is not in the summary")
    node = summary["node"]
    assert node["nodeName"] == "node-2"
    for part in ("cpu", "memory", "network", "fs", "runtime", "rlimit"):
        assert part in node, node
    (main,) = web["containers"]
    assert main["memory"]["workingSetBytes"] > 0
    assert main["cpu"]["usageCoreNanoSeconds"] > 0
    assert {"rootfs", "logs", "startTime"} <= main.keys()
    assert web["network"]["name"] == "eth0"
    assert web["memory"]["workingSetBytes"] >= main["memory"]["workingSetBytes"] // 2
    assert web["process_stats"]["process_count"] >= 1
    assert "data" in {each["name"] for each in web["volume"]}
    few = json.loads(raw("stats/summary?only_cpu_and_memory=true"))
    assert all("volume" not in each for each in few["pods"])
    resource = raw("metrics/resource")
    assert f'container_memory_working_set_bytes{{container="main",namespace="{here.namespace}",pod="web"}}' in resource
    assert "node_cpu_usage_seconds_total" in resource
    assert "machine_memory_bytes" in raw("metrics/cadvisor")


def condition(rack: Rack, name: str, kind: str) -> str:
    conditions = rack.get("node", name)["status"]["conditions"]
    return next((each["status"] for each in conditions if each["type"] == kind), "")


@contextlib.contextmanager
def set_up(rack: Rack, machine: str, least: str) -> Iterator[None]:
    """Have a machine that keeps so much memory free, and forgets soon that it was short of it."""
    path = LAB.directory(machine) / "etc/agent.toml"
    before = path.read_text()
    settings = f'eviction_hard = {{ "memory.available" = "{least}" }}\neviction_transition_seconds = 5\n'
    path.write_text(re.sub(r"^eviction_hard = .*\n", settings, before, flags=re.MULTILINE))
    rack.kill(machine, "edge-agent")
    try:
        yield
    finally:
        path.write_text(before)
        rack.kill(machine, "edge-agent")
        until(lambda: condition(rack, machine, "MemoryPressure") == "False" and is_ready(rack.get("node", machine))
              and not rack.get("node", machine)["spec"].get("taints"), 60, f"{machine} is not well again")


def test_a_node_that_is_short_of_memory_says_so_and_ends_pods(here: Within) -> None:
    asking = {"requests": {"memory": "1Gi"}}
    here.apply(pod("beyond", container("sleep 1000"), nodeName=PRESSED),
               pod("within", container("sleep 1000", resources=asking), nodeName=PRESSED))
    here.until_ready("beyond", "within")
    rack = here.rack
    with set_up(rack, PRESSED, "100%"):
        status = evicted(here, "beyond")
        assert re.match(r"The node was low on resource: memory\. Threshold quantity: \d+\w*, available: \d+\w*\. "
                        r"Container main was using \d+\w*, request is 0, has larger consumption of memory\. $",
                        status["message"]), status["message"]
        until(lambda: condition(rack, PRESSED, "MemoryPressure") == "True", 30, "the node does not say so")
        taint = until(lambda: [each for each in rack.get("node", PRESSED)["spec"].get("taints", [])
                               if each["key"] == "node.kubernetes.io/memory-pressure"], 30, "the node has no taint")
        assert taint[0]["effect"] == "NoSchedule"
        assert "KubeletHasInsufficientMemory" in rack.kubectl("describe", "node", PRESSED)
        here.apply(pod("late", container("sleep 1000"), nodeName=PRESSED))
        until(lambda: here.get("pod", "late")["status"].get("reason") == "Evicted", 30, "the node took another pod")
        assert here.get("pod", "late")["status"]["message"] == \
            "Pod was rejected: The node had condition: [MemoryPressure]. "


def test_pods_that_take_all_that_pods_may_have_are_ended_before_the_kernel_has_to(here: Within) -> None:
    """The node's other programs have their own memory, however much the pods want."""
    filling = "dd if=/dev/zero of=/memory/big bs=1048576 count=1720; sleep 1000"
    with set_up(here.rack, "node-2", "100Mi"):
        here.apply(pod("filling", container(filling, volumeMounts=[{"name": "memory", "mountPath": "/memory"}]),
                       nodeName="node-2", volumes=[{"name": "memory", "emptyDir": {"medium": "Memory"}}]))
        status = evicted(here, "filling")
        low = "The node was low on resource: memory. Threshold quantity: 100Mi, available: "
        assert status["message"].startswith(low), status["message"]
        here.kubectl("delete", "pod", "filling", "--wait=true", "--timeout=30s")
