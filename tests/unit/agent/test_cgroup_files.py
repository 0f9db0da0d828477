"""The kernel's files of control groups, on trees that look like them; systemd's part needs systemd."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.agent import cgroup_files, cgroups
from edge.agent.cgroup_files import GroupError, PodGroups
from edge.agent.cgroups import Amounts, PodGroup
from tests.fakes.clock import FakeClock
from tests.fakes.runtime import FakeRuntime

NODE = cgroups.top(3900, 900 * 1024**2)


class Kernel:
    """A directory that behaves like a hierarchy of groups: a new one has its files at once, an empty one can go."""

    def __init__(self, root: Path, version: int) -> None:
        self.root, self.version = root, version
        if version == 2:
            (root / "cgroup.controllers").write_text("cpu cpuset io memory pids hugetlb\n")
            (root / "cgroup.subtree_control").write_text("cpu\n")
        else:
            for controller in ("cpu", "memory", "pids", "devices"):
                (root / controller).mkdir()
            (root / "cpu,cpuacct").symlink_to("cpu")
        self.changes = 0

    def groups(self, runtime: FakeRuntime, parent: str = "rack") -> PodGroups:
        return PodGroups(runtime, parent, lambda: NODE, self._changed, root=self.root)

    def _changed(self) -> None:
        self.changes += 1

    def text(self, path: str) -> str:
        return (self.root / path).read_text().strip()


@pytest.fixture
def appearing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the files of a group be there as soon as it is, and not stand in the way when it goes."""
    assert tmp_path.exists()  # made before groups are
    real_mkdir, real_rmdir = Path.mkdir, Path.rmdir

    def mkdir(path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        new = [each for each in (path, *path.parents) if not each.exists()]
        real_mkdir(path, mode, parents, exist_ok)
        for each in new:
            for name in ("cgroup.controllers", "cgroup.subtree_control", "cpu.weight", "cpu.max", "memory.max",
                         "pids.max", "cpu.shares", "cpu.cfs_period_us", "cpu.cfs_quota_us", "memory.limit_in_bytes"):
                text = "cpu memory pids\n" if name == "cgroup.controllers" else ""
                (each / name).write_text(text)

    def rmdir(path: Path) -> None:
        for entry in list(path.iterdir()) if path.exists() else []:
            if entry.is_file():
                entry.unlink()
        real_rmdir(path)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    monkeypatch.setattr(Path, "rmdir", rmdir)


def group(uid: str = "uid-1", quality: str = "Burstable", **amounts: int) -> PodGroup:
    return PodGroup(uid, quality, Amounts(**amounts))


@pytest.mark.usefixtures("appearing")
class TestVersion2:
    async def test_a_pods_group_has_its_amounts_and_all_above_it_hand_the_controllers_on(self, tmp_path: Path) -> None:
        kernel = Kernel(tmp_path, 2)
        groups = kernel.groups(FakeRuntime(FakeClock()))
        assert not groups.exists("uid-1")
        await groups.make(group(cpu_shares=1024, memory_bytes=4096, cpu_quota_microseconds=50_000, pids=9))
        pod = "rack/kubepods/burstable/poduid-1"
        assert [kernel.text(f"{pod}/{name}") for name in ("cpu.weight", "cpu.max", "memory.max", "pids.max")] == [
            "39", "50000 100000", "4096", "9"]
        assert {"+cpuset", "+io", "+memory", "+pids"} <= set(kernel.text("cgroup.subtree_control").split())
        for above in ("rack", "rack/kubepods", "rack/kubepods/burstable", pod):
            assert kernel.text(f"{above}/cgroup.subtree_control") == "+cpu +memory +pids"
        assert kernel.text("rack/kubepods/memory.max") == str(NODE.memory_bytes)
        assert kernel.text("rack/kubepods/burstable/cpu.weight") == "39"
        assert kernel.text("rack/kubepods/besteffort/cpu.weight") == "1"
        assert groups.exists("uid-1")
        assert await groups.found() == {"uid-1"}
        assert groups.all_pods() == tmp_path / "rack/kubepods"
        assert kernel.changes == 1

    async def test_removing_takes_what_the_engine_left_below_and_nothing_else(self, tmp_path: Path) -> None:
        kernel = Kernel(tmp_path, 2)
        groups = kernel.groups(FakeRuntime(FakeClock()))
        await groups.make(group("a", cpu_shares=1000))
        await groups.make(group("b", cpu_shares=24))
        assert kernel.text("rack/kubepods/burstable/cpu.weight") == str(cgroups.weight(1024))
        (tmp_path / "rack/kubepods/burstable/poda/libpod-1/container").mkdir(parents=True)
        await groups.remove("a")
        assert not groups.exists("a")
        assert groups.exists("b")
        assert kernel.text("rack/kubepods/burstable/cpu.weight") == str(cgroups.weight(24))
        await groups.remove("a")

    async def test_a_new_agent_finds_and_removes_what_is_left_of_a_pod(self, tmp_path: Path) -> None:
        kernel = Kernel(tmp_path, 2)
        await kernel.groups(FakeRuntime(FakeClock())).make(group("a", "BestEffort"))
        later = kernel.groups(FakeRuntime(FakeClock()))
        assert await later.found() == {"a"}
        await later.remove("a")
        assert await later.found() == set()

    async def test_what_the_node_has_changes_with_it(self, tmp_path: Path) -> None:
        kernel, amounts = Kernel(tmp_path, 2), [NODE]
        groups = PodGroups(FakeRuntime(FakeClock()), "", lambda: amounts[-1], lambda: None, root=tmp_path)
        await groups.refresh()
        assert not (tmp_path / "kubepods").exists()
        await groups.make(group())
        amounts.append(cgroups.top(1000, 5 * 4096))
        await groups.refresh()
        assert kernel.text("kubepods/memory.max") == str(5 * 4096)


@pytest.mark.usefixtures("appearing")
class TestVersion1:
    async def test_a_pods_group_is_in_each_hierarchy_that_limits_something(self, tmp_path: Path) -> None:
        kernel = Kernel(tmp_path, 1)
        groups = kernel.groups(FakeRuntime(FakeClock()))
        await groups.make(group(quality="Guaranteed", cpu_shares=512, memory_bytes=8192, pids=3))
        pod = "rack/kubepods/poduid-1"
        assert kernel.text(f"cpu/{pod}/cpu.shares") == "512"
        assert kernel.text(f"cpu/{pod}/cpu.cfs_quota_us") == "-1"
        assert kernel.text(f"memory/{pod}/memory.limit_in_bytes") == "8192"
        assert kernel.text(f"pids/{pod}/pids.max") == "3"
        (tmp_path / "devices" / pod / "libpod-1").mkdir(parents=True)
        await groups.remove("uid-1")
        assert not any((tree / pod).exists() for tree in tmp_path.iterdir())


async def test_a_tree_that_cannot_be_written_is_an_error_in_the_kubelets_words(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("memory\n")
    groups = PodGroups(FakeRuntime(FakeClock()), "", lambda: NODE, lambda: None, root=tmp_path)
    with pytest.raises(GroupError, match="failed to create container for kubepods"):
        await groups.make(group())


async def test_a_group_that_is_busy_is_an_error_and_stays(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path, 2)
    groups = kernel.groups(FakeRuntime(FakeClock()))
    await groups.found()
    (tmp_path / "rack/kubepods/poduid-1").mkdir(parents=True)
    # As a process in a group does, this keeps it from going.
    (tmp_path / "rack/kubepods/poduid-1/busy").write_text("")
    with pytest.raises(GroupError, match="failed to remove cgroup rack/kubepods/poduid-1"):
        await groups.remove("uid-1")
    assert groups.exists("uid-1")


async def test_where_there_is_no_systemd_it_cannot_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cgroup.controllers").write_text("memory\n")
    monkeypatch.setattr(cgroup_files, "_BUS", (str(tmp_path / "nothing"),))
    runtime = FakeRuntime(FakeClock())
    runtime.manager = "systemd"
    groups = PodGroups(runtime, "", lambda: NODE, lambda: None, root=tmp_path)
    with pytest.raises(GroupError, match="busctl cannot be started"):
        await groups.make(group())


SYSTEMD = """#!/bin/sh
echo "$1 $3" >> {log}
[ "$1 $3" = "StartTransientUnit kubepods.slice" ] && echo "Call failed: Unit $3 was already loaded" && exit 1
[ "$1" = StopUnit ] && echo "Unit $3 not loaded." && exit 1
exit 0
"""


async def test_a_slice_that_is_there_is_changed_and_one_that_is_gone_is_no_error(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, log, root = tmp_path / "busctl", tmp_path / "log", tmp_path / "root"
    program.write_text(SYSTEMD.format(log=log))
    program.chmod(0o755)
    (root / "kubepods.slice/kubepods-podab_c.slice").mkdir(parents=True)
    (root / "cgroup.controllers").write_text("memory\n")
    monkeypatch.setattr(cgroup_files, "_BUS", (str(program),))
    runtime = FakeRuntime(FakeClock())
    runtime.manager = "systemd"
    groups = PodGroups(runtime, "", lambda: NODE, lambda: None, root=root)
    await groups.make(group("ab-c", "Guaranteed"))
    assert log.read_text().splitlines() == [
        "StartTransientUnit kubepods.slice", "SetUnitProperties kubepods.slice",
        "StartTransientUnit kubepods-besteffort.slice", "StartTransientUnit kubepods-burstable.slice",
        "StartTransientUnit kubepods-podab_c.slice"]
    assert groups.exists("ab-c")
    await groups.remove("ab-c")
    assert not groups.exists("ab-c")
    assert "StopUnit kubepods-podab_c.slice" in log.read_text().splitlines()
