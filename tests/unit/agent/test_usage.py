"""What containers and the node use: parsing the kernel's files, and rates out of two samples."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.agent import sampling, usage, usage_metrics
from edge.agent.streams_directory import ContainerView, PodView
from edge.agent.usage import Details, Disk, Interface, PodDisk, Tree

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PODS = [PodView(namespace="default", name="web", uid="u", containers={
    "a": ContainerView(id="c1", running=True), "init": ContainerView(id="c0", running=False)})]


def sample(cpu: int, memory: int = 8 << 20, working: int = 4 << 20, **more: int) -> usage.Sample:
    return usage.Sample(cpu_nanoseconds=cpu, memory_bytes=memory, working_set_bytes=working, **more)


LAST = usage.Round(10.0, NOW, {usage.NODE: sample(0), "c1": sample(1_000_000_000), "pod/u": sample(0)})
LATER = usage.Round(12.0, NOW, {usage.NODE: sample(500_000_000), "c1": sample(1_500_000_000, rss_bytes=7, swap_bytes=3),
                                "pod/u": sample(1_000_000_000, processes=4)},
                    {"u": (Interface("eth0", 10, 0, 20, 1),), usage.NODE: (Interface("wlan0", 1, 0, 1, 0),
                                                                           Interface("eth0", 5, 0, 6, 0))})
DETAILS = Details(
    memory_bytes=1 << 30,
    node_disk=Disk(available_bytes=60, capacity_bytes=100, used_bytes=40, inodes=9, inodes_free=4),
    image_disk=Disk(available_bytes=6, capacity_bytes=10), pids=77, pids_limit=1000, started={
        "c1": "2029-12-31T23:00:00Z", "u": "2029-12-31T22:00:00Z"},
    pods={"u": PodDisk(layers={"a": 5}, logs={"a": Tree(7, 2)}, volumes={"data": Tree(11, 3), "token": Tree(99, 9)},
                       in_memory=frozenset({"token"}))})


def test_rates_come_from_two_rounds() -> None:
    found = usage.summary("n1", PODS, LAST, LATER, DETAILS)
    assert found["node"]["nodeName"] == "n1"
    assert found["node"]["cpu"]["usageNanoCores"] == 250_000_000
    assert found["node"]["memory"]["availableBytes"] == (1 << 30) - (4 << 20)
    [pod] = found["pods"]
    assert pod["podRef"] == {"name": "web", "namespace": "default", "uid": "u"}
    [container] = pod["containers"]
    assert container["name"] == "a"
    assert container["cpu"]["usageNanoCores"] == 250_000_000
    assert container["memory"]["workingSetBytes"] == 4 << 20


def test_a_summary_tells_of_disks_networks_processes_and_times() -> None:
    found = usage.summary("n1", PODS, LAST, LATER, DETAILS)
    node, (pod,) = found["node"], found["pods"]
    assert (node["fs"]["usedBytes"], node["fs"]["capacityBytes"], node["fs"]["inodesFree"]) == (40, 100, 4)
    assert node["runtime"]["imageFs"]["capacityBytes"] == 10
    assert (node["rlimit"]["maxpid"], node["rlimit"]["curproc"]) == (1000, 77)
    assert (node["network"]["name"], len(node["network"]["interfaces"])) == ("eth0", 2)
    assert (pod["network"]["rxBytes"], pod["network"]["txBytes"]) == (10, 20)
    assert pod["process_stats"] == {"process_count": 4}
    assert pod["cpu"]["usageNanoCores"] == 500_000_000
    assert pod["startTime"] == "2029-12-31T22:00:00Z"
    assert {each["name"]: each["usedBytes"] for each in pod["volume"]} == {"data": 11, "token": 99}
    # What is in memory takes no disk.
    assert (pod["ephemeral-storage"]["usedBytes"], pod["ephemeral-storage"]["inodesUsed"]) == (5 + 7 + 11, 5)
    [container] = pod["containers"]
    assert (container["rootfs"]["usedBytes"], container["logs"]["usedBytes"]) == (5, 7)
    assert container["startTime"] == "2029-12-31T23:00:00Z"
    assert container["swap"]["swapUsageBytes"] == 3


def test_only_cpu_and_memory_leave_the_disks_out() -> None:
    [pod] = usage.summary("n1", PODS, LAST, LATER, Details(memory_bytes=1))["pods"]
    assert "volume" not in pod
    assert "rootfs" not in pod["containers"][0]


def test_a_counter_that_went_back_gives_no_rate() -> None:
    last, now = usage.Round(1.0, NOW, {usage.NODE: sample(10)}), usage.Round(2.0, NOW, {usage.NODE: sample(5)})
    assert "usageNanoCores" not in usage.summary("n", [], last, now, Details())["node"]["cpu"]


def test_a_round_is_stale_when_it_is_old_too_young_or_lacks_a_container() -> None:
    last = usage.Round(100.0, NOW, {usage.NODE: sample(0)})
    assert not usage.stale(last, 115.0, [usage.NODE])
    assert usage.stale(last, 100.1, [usage.NODE])
    assert usage.stale(last, 300.0, [usage.NODE])
    assert usage.stale(last, 115.0, [usage.NODE, "new"])
    assert usage.stale(None, 0.0, [])


def test_the_node_is_busy_in_all_but_idle_and_waiting() -> None:
    text = "cpu  100 0 50 900 30 5 5 0 0 0\ncpu0 1 1 1 1 1 1 1 1\n"
    assert usage.parse_node_cpu(text, 100) == 160 * 10_000_000
    assert usage.parse_node_cpu("", 100) == 0


def test_interfaces_but_the_loopback() -> None:
    text = ("Inter-|   Receive                |  Transmit\n face |bytes    packets errs drop fifo frame compressed "
            "multicast|bytes    packets errs drop fifo colls carrier compressed\n"
            "    lo:  9 1 0 0 0 0 0 0  9 1 0 0 0 0 0 0\n  eth0: 100 2 1 0 0 0 0 0 200 3 4 0 0 0 0 0\n  bad: 1\n")
    assert usage.parse_interfaces(text) == (Interface("eth0", 100, 1, 200, 4),)


@pytest.mark.parametrize(("path", "uid", "group"), [
    ("/kubepods/burstable/podab-c/libpod-1", "ab-c", "/kubepods/burstable/podab-c"),
    ("/kubepods.slice/kubepods-podab_c.slice/libpod-1.scope/container", "ab-c",
     "/kubepods.slice/kubepods-podab_c.slice"),
    ("/machine.slice/libpod-1.scope", "ab-c", ""), ("/", "ab-c", "")])
def test_the_group_of_a_pod_is_above_that_of_its_container(path: str, uid: str, group: str) -> None:
    assert usage.pod_group(path, uid) == group


def test_the_group_of_a_container_is_above_those_it_made_itself() -> None:
    assert usage.container_group("/pod/libpod-abc.scope/container", "abc") == "/pod/libpod-abc.scope"
    assert usage.container_group("/elsewhere", "abc") == "/elsewhere"


def test_groups_of_version_1_are_read(tmp_path: Path) -> None:
    proc, root = tmp_path / "proc", tmp_path / "cgroup"
    write(proc / "7" / "cgroup", "4:memory:/pod/c1\n3:cpu,cpuacct:/pod/c1\n0::/\n")
    write(root / "memory/pod/c1/memory.usage_in_bytes", "1000\n")
    write(root / "memory/pod/c1/memory.stat", "cache 5\ntotal_inactive_file 300\ntotal_rss 20\ntotal_pgfault 9\n")
    write(root / "cpuacct/pod/c1/cpuacct.usage", "77\n")
    assert sampling.group_sample(7, proc, root) == sample(77, 1000, 700, rss_bytes=20, page_faults=9)
    assert sampling.memory_of(root / "memory/pod/c1") == 700


def test_groups_of_version_2_are_read(tmp_path: Path) -> None:
    proc, root = tmp_path / "proc", tmp_path / "cgroup"
    write(proc / "7" / "cgroup", "0::/pod/c1\n")
    write(root / "pod/c1/memory.current", "1000\n")
    write(root / "pod/c1/memory.stat", "inactive_file 2000\nanon 20\n")
    write(root / "pod/c1/cpu.stat", "usage_usec 5\nuser_usec 3\n")
    write(root / "pod/c1/pids.current", "6\n")
    write(root / "pod/c1/memory.swap.current", "4\n")
    assert sampling.group_sample(7, proc, root) == sample(5000, 1000, 0, rss_bytes=20, processes=6, swap_bytes=4)
    assert sampling.memory_of(root / "pod/c1") == 0


def test_a_process_that_has_gone_has_no_sample(tmp_path: Path) -> None:
    assert sampling.group_sample(7, tmp_path, tmp_path) is None
    assert sampling.memory_of(tmp_path) is None


def test_metrics_for_prometheus() -> None:
    found = usage.summary("n1", PODS, LAST, LATER, DETAILS)
    lines = usage_metrics.resource(found).splitlines()
    assert 'container_cpu_usage_seconds_total{container="a",namespace="default",pod="web"} 1.5' in lines
    assert 'container_memory_working_set_bytes{container="a",namespace="default",pod="web"} 4194304' in lines
    assert 'container_start_time_seconds{container="a",namespace="default",pod="web"} 1893452400' in lines
    assert 'pod_cpu_usage_seconds_total{namespace="default",pod="web"} 1' in lines
    assert "node_cpu_usage_seconds_total 0.5" in lines
    assert "resource_scrape_error 0" in lines
    advised = usage_metrics.cadvisor(found, 4000, 1 << 30).splitlines()
    assert 'container_memory_rss{container="a",namespace="default",pod="web"} 7' in advised
    assert 'container_memory_usage_bytes{container="",namespace="default",pod="web"} 8388608' in advised
    assert 'container_network_receive_bytes_total{interface="eth0",namespace="default",pod="web"} 10' in advised
    assert "machine_cpu_cores 4" in advised
    for text in (lines, advised):
        kinds = [line for line in text if line.startswith("# TYPE")]
        assert len(kinds) == len(set(kinds))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
