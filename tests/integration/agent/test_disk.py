"""What the agent writes: trees swap as a whole, the checkpoint survives damage, removal leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.agent import files, log_files
from edge.agent.checkpoint import Checkpoint, Statuses
from edge.agent.desired import Known
from edge.agent.volumes import Directory, File, HostPath, Layout, Tree
from edge.api import core
from edge.bus import messages


def known(epoch: str) -> Known:
    return Known(index=messages.DesiredIndex(epoch=epoch))


def test_a_checkpoint_is_read_back_and_written_only_on_change(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    assert checkpoint.load() == Known()
    assert checkpoint.save(known("a"))
    assert not checkpoint.save(known("a"))
    assert Checkpoint(tmp_path).load().epoch == "a"
    assert (tmp_path / "desired.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", [b"", b"half", b"0" * 64 + b"\n{}", b"\xff\xfe"])
def test_a_damaged_checkpoint_gives_the_one_before(tmp_path: Path, damage: bytes) -> None:
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save(known("a"))
    checkpoint.save(known("b"))
    (tmp_path / "desired.json").write_bytes(damage)
    assert Checkpoint(tmp_path).load().epoch == "a"


def test_damaged_statuses_are_forgotten(tmp_path: Path) -> None:
    statuses = Statuses(tmp_path)
    statuses.save({"u": core.PodStatus(phase="Running")})
    assert statuses.load()["u"].phase == "Running"
    (tmp_path / "statuses.json").write_bytes(b"{")
    assert statuses.load() == {}


def test_a_tree_is_swapped_as_a_whole(tmp_path: Path) -> None:
    root = tmp_path / "v"
    files.write(Layout(trees=(Tree(str(root), (File("a", b"1"), File("d/b", b"2", 0o400))),)))
    assert (root / "a").readlink() == Path("..data/a")
    assert (root / "d/b").read_bytes() == b"2"
    assert (root / "d/b").stat().st_mode & 0o777 == 0o400
    first = (root / "..data").readlink()
    files.write(Layout(trees=(Tree(str(root), (File("a", b"1"), File("d/b", b"2", 0o400))),)))
    assert (root / "..data").readlink() == first
    files.write(Layout(trees=(Tree(str(root), (File("a", b"3"),)),)))
    assert (root / "..data").readlink() != first
    assert (root / "a").read_bytes() == b"3"
    assert sorted(entry.name for entry in root.iterdir() if entry.name.startswith("..d") or entry.name[0] != ".") == [
        "..data", "a"]


def test_mounted_files_stay_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "etc" / "hosts"
    files.write(Layout(plain=(File(str(path), b"1"),)))
    number = path.stat().st_ino
    files.write(Layout(plain=(File(str(path), b"2"),)))
    assert path.read_bytes() == b"2"
    assert path.stat().st_ino == number


@pytest.mark.parametrize("kind", ["Directory", "File", "Socket"])
def test_host_paths_are_checked(tmp_path: Path, kind: str) -> None:
    with pytest.raises(files.FilesError, match="hostPath type check failed"):
        files.write(Layout(host_paths=(HostPath("v", str(tmp_path / "nope"), kind),)))
    files.write(Layout(host_paths=(HostPath("v", str(tmp_path / "made"), "DirectoryOrCreate"),)))
    assert (tmp_path / "made").is_dir()


def test_removal_leaves_nothing(tmp_path: Path) -> None:
    directory = str(tmp_path / "pods" / "u")
    files.write(Layout(directories=(Directory(directory + "/volumes/e"),)))
    assert files.exists((directory,))
    files.remove((directory, str(tmp_path / "never")))
    assert not files.exists((directory,))


def test_a_link_a_container_made_leads_nowhere(tmp_path: Path) -> None:
    pod, elsewhere = tmp_path / "pods/u", tmp_path / "elsewhere"
    volume = pod / "volumes/shared"
    volume.mkdir(parents=True)
    elsewhere.mkdir()
    (volume / "inside").mkdir()
    (volume / "fine").symlink_to("inside")
    (volume / "out").symlink_to(elsewhere)
    own = (str(pod),)
    files.check_inside(own, (str(volume), str(volume / "fine"), str(elsewhere), str(volume / "not/there/yet")))
    with pytest.raises(files.FilesError, match="leads out of the pod's volumes"):
        files.check_inside(own, (str(volume / "out"),))
    with pytest.raises(files.FilesError):
        files.write(Layout(private=(Directory(str(pod)),), directories=(Directory(str(volume / "out/made")),)))
    assert not (elsewhere / "made").exists()


def test_logs_are_found_and_removed_by_uid(tmp_path: Path) -> None:
    for name in ("default_web_uid-1", "default_web_uid-2", "lost+found", "a_b"):
        (tmp_path / name / "main").mkdir(parents=True)
    assert files.pods_with_logs(str(tmp_path)) == ("uid-1", "uid-2")
    assert files.pods_with_logs(str(tmp_path / "none")) == ()
    log_files.remove_pod(str(tmp_path), str(tmp_path / "links"), "uid-1")
    log_files.remove_pod(str(tmp_path), str(tmp_path / "links"), "*")
    assert files.pods_with_logs(str(tmp_path)) == ("uid-2",)
