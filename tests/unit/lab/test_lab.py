from pathlib import Path

import pytest

from edge.lab import groups, host, kubeconfig, machines, topology
from edge.lab.topology import Lab

LAB = Lab(Path("/var/lib/edge-lab"))


@pytest.mark.parametrize(("mounts", "mode"), [
    ("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "v2"),
    ("tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n", "hybrid"),
    ("tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n", "v1"),
    ("", "v1"),
])
def test_the_cgroup_tree_is_recognized(mounts: str, mode: str) -> None:
    assert host.cgroups(mounts).mode == mode


@pytest.mark.parametrize(("available", "enabled", "wanted"), [
    ("cpuset cpu io memory pids\n", "", "+cpu +memory +pids"),
    ("cpuset cpu io memory pids\n", "memory pids\n", "+cpu"),
    ("cpu memory pids\n", "cpu memory pids\n", ""),
    ("cpu pids\n", "\n", "+cpu +pids"),
    ("", "", ""),
])
def test_controllers_that_limits_need_are_enabled_where_the_kernel_has_them(
        available: str, enabled: str, wanted: str) -> None:
    assert groups.to_enable(available, enabled) == wanted


@pytest.mark.parametrize("mode", ["v1", "hybrid"])
def test_without_a_unified_tree_no_group_is_made(mode: str) -> None:
    assert groups.prepare(LAB, host.Cgroups(mode)) == ""
    assert groups.programs(LAB, "node-1", host.Cgroups(mode)) is None


def test_workers_are_given_a_token_and_a_hash_and_no_address() -> None:
    files = {file.path.name: file.text for file in machines.files(LAB, "node-1", "overlay")}
    assert "10.0.0.1" not in files["agent.toml"]
    assert "bootstrap_token_file" in files["agent.toml"]
    assert "taints = []" in files["agent.toml"]


def test_only_the_master_runs_the_control_plane() -> None:
    programs = Path("/venv/bin")
    names = {name: [service.name for service in machines.describe(LAB, name, programs).services]
             for name in topology.ALL}
    assert names["master"] == ["edge-rack", "dnsmasq", "mosquitto", "edge-server", "podman", "edge-agent"]
    assert names["node-2"] == ["udhcpc", "podman", "edge-agent"]
    assert names["laptop"] == []


def test_every_machine_has_its_own_hardware_addresses() -> None:
    macs = [link.mac for name in topology.ALL for link in topology.links(name)]
    assert len(macs) == len(set(macs))


def test_the_rack_joins_and_leaves_a_kubeconfig_without_touching_the_rest() -> None:
    ours = kubeconfig.build("https://127.0.0.1:6443", b"ca", b"cert", b"key", "edge-lab")
    theirs = {"apiVersion": "v1", "kind": "Config", "current-context": "work",
              "clusters": [{"name": "work", "cluster": {}}], "users": [{"name": "work", "user": {}}],
              "contexts": [{"name": "work", "context": {}}]}
    merged = kubeconfig.merge(kubeconfig.merge(theirs, ours), ours)
    assert merged["current-context"] == "edge-lab"
    assert [cluster["name"] for cluster in merged["clusters"]] == ["work", "edge-lab"]
    assert kubeconfig.remove(merged, "edge-lab") == theirs


def test_an_empty_kubeconfig_becomes_ours_and_empty_again() -> None:
    ours = kubeconfig.build("https://127.0.0.1:6443", b"ca", b"cert", b"key", "edge-lab")
    merged = kubeconfig.merge({}, ours)
    assert merged["apiVersion"] == "v1"
    assert kubeconfig.is_empty(kubeconfig.remove(merged, "edge-lab"))
