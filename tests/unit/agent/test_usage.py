"""What containers and the node use: parsing the kernel's files, and rates out of two samples."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from edge.agent import sampling, usage
from edge.agent.streams_directory import ContainerView, PodView

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def sample(cpu: int, memory: int = 8 << 20, working: int = 4 << 20) -> usage.Sample:
    return usage.Sample(cpu_nanoseconds=cpu, memory_bytes=memory, working_set_bytes=working)


def test_rates_come_from_two_rounds() -> None:
    pods = [PodView(namespace="default", name="web", uid="u", containers={
        "a": ContainerView(id="c1", running=True), "init": ContainerView(id="c0", running=False)})]
    last = usage.Round(10.0, NOW, {usage.NODE: sample(0), "c1": sample(1_000_000_000)})
    now = usage.Round(12.0, NOW, {usage.NODE: sample(500_000_000), "c1": sample(1_500_000_000)})
    found = usage.summary("n1", pods, last, now, 1 << 30)
    assert found["node"]["nodeName"] == "n1"
    assert found["node"]["cpu"]["usageNanoCores"] == 250_000_000
    assert found["node"]["memory"]["availableBytes"] == (1 << 30) - (4 << 20)
    [pod] = found["pods"]
    assert pod["podRef"] == {"name": "web", "namespace": "default", "uid": "u"}
    [container] = pod["containers"]
    assert container["name"] == "a"
    assert container["cpu"]["usageNanoCores"] == 250_000_000
    assert container["memory"]["workingSetBytes"] == 4 << 20


def test_a_counter_that_went_back_gives_no_rate() -> None:
    last, now = usage.Round(1.0, NOW, {usage.NODE: sample(10)}), usage.Round(2.0, NOW, {usage.NODE: sample(5)})
    assert "usageNanoCores" not in usage.summary("n", [], last, now, 0)["node"]["cpu"]


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


def test_groups_of_version_1_are_read(tmp_path: Path) -> None:
    proc, root = tmp_path / "proc", tmp_path / "cgroup"
    write(proc / "7" / "cgroup", "4:memory:/pod/c1\n3:cpu,cpuacct:/pod/c1\n0::/\n")
    write(root / "memory/pod/c1/memory.usage_in_bytes", "1000\n")
    write(root / "memory/pod/c1/memory.stat", "cache 5\ntotal_inactive_file 300\n")
    write(root / "cpuacct/pod/c1/cpuacct.usage", "77\n")
    assert sampling.group_sample(7, proc, root) == sample(77, 1000, 700)


def test_groups_of_version_2_are_read(tmp_path: Path) -> None:
    proc, root = tmp_path / "proc", tmp_path / "cgroup"
    write(proc / "7" / "cgroup", "0::/pod/c1\n")
    write(root / "pod/c1/memory.current", "1000\n")
    write(root / "pod/c1/memory.stat", "inactive_file 2000\n")
    write(root / "pod/c1/cpu.stat", "usage_usec 5\nuser_usec 3\n")
    assert sampling.group_sample(7, proc, root) == sample(5000, 1000, 0)


def test_a_process_that_has_gone_has_no_sample(tmp_path: Path) -> None:
    assert sampling.group_sample(7, tmp_path, tmp_path) is None


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
