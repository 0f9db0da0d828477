"""What directories take of the disk, and what the kernel's log says of a machine without memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.agent import disk_use, system_oom
from edge.agent.disk_use import DiskUse
from edge.agent.streams_directory import ContainerView, PodView
from edge.agent.surroundings import Surroundings
from edge.agent.system_oom import SystemOom, Victim
from edge.api import core, meta
from edge.runtime.containers import Container, State
from tests.fakes.clock import FakeClock
from tests.fakes.runtime import FakeRuntime

BLOCK = 4096


def test_a_tree_takes_its_blocks_each_file_once_and_nothing_behind_links(tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/er/file").write_bytes(b"x" * 10 * BLOCK)
    before = disk_use.tree(str(tmp_path))
    assert before.size_bytes >= 10 * BLOCK
    assert before.inodes == 4
    os.link(tmp_path / "deep/er/file", tmp_path / "again")
    (tmp_path / "link").symlink_to("/usr")
    after = disk_use.tree(str(tmp_path))
    assert after.inodes == 5
    assert after.size_bytes - before.size_bytes < 10 * BLOCK


def test_a_hole_in_a_file_takes_nothing(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    assert disk_use.tree(str(tmp_path)).size_bytes < 1 << 20


def test_a_million_files_are_not_all_looked_at(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / str(number)).write_text("")
    assert disk_use.tree(str(tmp_path), most=5).inodes == 5


def test_what_is_not_there_takes_nothing(tmp_path: Path) -> None:
    assert disk_use.tree(str(tmp_path / "no")).size_bytes == 0
    assert disk_use.file_system(str(tmp_path / "no")).capacity_bytes == 0
    assert disk_use.file_system(str(tmp_path)).capacity_bytes > 0


async def test_a_pods_use_is_that_of_its_layers_logs_and_own_volumes(tmp_path: Path) -> None:
    around = Surroundings(node_name="n", data_dir=str(tmp_path / "data"), run_dir=str(tmp_path / "run"))
    runtime = FakeRuntime(FakeClock())
    runtime.containers["c1"] = Container(id="c1", pod_uid="u", name="web", attempt=0, spec_hash="", image="",
                                         image_id="", state=State.RUNNING)
    runtime.layers["c1"] = 12345
    volumes = (core.Volume(name="data", empty_dir=core.EmptyDirVolumeSource()),
               core.Volume(name="host", host_path=core.HostPathVolumeSource(path="/usr")),
               core.Volume(name="memory", empty_dir=core.EmptyDirVolumeSource(medium="Memory")))
    pod = core.Pod(metadata=meta.ObjectMeta(uid="u"), spec=core.PodSpec(volumes=volumes))
    view = PodView(namespace="d", name="p", uid="u", log_dir=str(tmp_path / "log"),
                   containers={"web": ContainerView(id="c1", running=True), "next": ContainerView()})
    for path in ("data/pods/u/volumes/data/file", "log/web/0.log"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_bytes(b"x" * BLOCK)
    found = (await DiskUse(runtime, lambda: around).read([(pod, view)]))["u"]
    assert found.layers == {"web": 12345}
    assert found.volumes["data"].size_bytes >= BLOCK
    assert set(found.volumes) == {"data", "memory"}
    assert found.in_memory == {"memory"}
    assert found.logs["web"].size_bytes >= BLOCK
    runtime.calls.clear()
    await DiskUse(runtime, lambda: around).read([(pod, view)], layers=False)
    assert runtime.calls == []


@pytest.mark.parametrize(("record", "found"), [
    (b"6,1,2,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,"
     b"task_memcg=/a,task=python3,pid=812,uid=0", Victim("python3", 812)),
    (b"6,1,2,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg=/pod,"
     b"task_memcg=/pod/c,task=sh,pid=4,uid=0", None),
    (b"6,1,2,-;usb 1-1: new device", None), (b"", None)])
def test_only_a_machine_without_memory_is_a_system_oom(record: bytes, found: Victim | None) -> None:
    assert system_oom.victim(record) == found


def test_a_log_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    heard = SystemOom(str(tmp_path / "none"))
    assert heard.read() == ()
    heard.close()


def test_only_what_is_said_from_now_on_counts(tmp_path: Path) -> None:
    log, line = tmp_path / "log", "oom-kill:constraint=CONSTRAINT_NONE,global_oom,task=a,pid=1,uid=0"
    log.write_text(line)
    heard = SystemOom(str(log))
    assert heard.read() == ()
    with log.open("a") as file:
        file.write("\n" + line)
    assert heard.read() == (Victim("a", 1),)
    assert heard.read() == ()
    heard.close()
