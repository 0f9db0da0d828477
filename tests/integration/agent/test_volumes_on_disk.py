"""What the node makes of a pod's volumes: trees, modes, groups, paths inside volumes, mounts; and what it leaves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.agent import files, mounting, ownership, subpaths, trees
from edge.agent.patience import Patience
from edge.agent.volumes import LOCAL, Directory, File, HostPath, Layout, NetworkMount, Ownership, SubPath, Tree

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts and owners need root")


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "run/pods/u"
    made.mkdir(parents=True)
    yield made
    files.remove((str(made),))


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to pass")


def mode(path: Path) -> str:
    return f"{stat.S_IMODE(path.stat().st_mode):o}"


# Trees.

def test_a_tree_changes_with_its_modes_owners_and_group_too(tmp_path: Path) -> None:
    root, tree = tmp_path / "v", Tree(str(tmp_path / "v"), (File("d/a", b"1"),))
    trees.write(tree, None)
    seen = (root / "..data").readlink()
    trees.write(tree, None)
    assert (root / "..data").readlink() == seen
    for changed, group in ((replace(tree, files=(File("d/a", b"1", 0o400),)), None),
                           (replace(tree, files=(File("d/a", b"1", 0o400, 7),)), None),
                           (replace(tree, files=(File("d/a", b"1", 0o400, 7),)), 9)):
        trees.write(changed, group)
        assert (root / "..data").readlink() != seen
        seen = (root / "..data").readlink()
    found = (root / "d/a").stat()
    assert (mode(root / "d/a"), found.st_uid, found.st_gid) == ("440", 7, 9)
    assert {mode(path) for path in (root, root / "..data", root / "..data/d")} == {"2755"}
    assert {path.stat().st_gid for path in (root, root / "..data", root / "..data/d")} == {9}


def test_a_reader_sees_all_of_the_old_or_all_of_the_new(tmp_path: Path) -> None:
    def of(number: int) -> Tree:
        return Tree(str(tmp_path / "v"), tuple(File(name, str(number).encode()) for name in "abcdefgh"))
    trees.write(of(0), None)
    done, mixed = threading.Event(), []

    def read() -> None:
        while not done.is_set():
            try:
                here = os.open(tmp_path / "v/..data", os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:
                mixed.append("nothing there")
                continue
            try:
                seen = set()
                for name in "abcdefgh":
                    descriptor = os.open(name, os.O_RDONLY, dir_fd=here)
                    seen.add(os.read(descriptor, 100))
                    os.close(descriptor)
                if len(seen) != 1:
                    mixed.append(str(seen))
            except FileNotFoundError:
                pass  # The old one was removed while it was read, as a whole.
            finally:
                os.close(here)
    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 200):
        trees.write(of(number), None)
    done.set()
    reader.join()
    assert mixed == []
    assert (tmp_path / "v/h").read_bytes() == b"199"


def test_a_write_that_was_cut_off_is_taken_up(tmp_path: Path) -> None:
    root = tmp_path / "v"
    trees.write(Tree(str(root), (File("a", b"1"),)), None)
    (root / "..2").mkdir()
    (root / "..2/half").write_bytes(b"")
    (root / "..data_tmp").symlink_to("..2")
    trees.write(Tree(str(root), (File("a", b"2"), File("b", b"3"))), None)
    assert sorted(entry.name for entry in root.iterdir()) == ["..2", "..data", "a", "b"]
    assert sorted(entry.name for entry in (root / "..2").iterdir()) == ["a", "b"]


def test_a_directory_made_for_a_key_that_was_missing_gives_way_to_the_key(tmp_path: Path) -> None:
    root = tmp_path / "v"
    trees.write(Tree(str(root), (File("a", b"1"),)), None)
    (root / "late").mkdir()
    trees.write(Tree(str(root), (File("a", b"2"),)), None)
    assert (root / "late").is_dir()
    trees.write(Tree(str(root), (File("late", b"3"),)), None)
    assert (root / "late").read_bytes() == b"3"


# Directories, groups, paths of the node.

def test_an_empty_dir_is_everybodys_and_its_groups(pod: Path) -> None:
    one, other = Directory(f"{pod}/one"), Directory(f"{pod}/memory", memory=True, size_bytes=1 << 20)
    files.write(Layout(directories=(one, other)))
    assert (mode(pod / "one"), mode(pod / "memory")) == ("777", "777")
    assert os.statvfs(pod / "memory").f_blocks * os.statvfs(pod / "memory").f_frsize == 1 << 20
    files.write(Layout(directories=(one, other), group=7))
    assert (mode(pod / "one"), mode(pod / "memory")) == ("2777", "2777")
    assert {(pod / name).stat().st_gid for name in ("one", "memory")} == {7}
    (pod / "memory/file").write_text("stays")
    files.write(Layout(directories=(one, other), group=7))
    assert (pod / "memory/file").read_text() == "stays"


def test_a_directory_appears_with_its_mode_also_after_a_kill_in_between(pod: Path, monkeypatch: pytest.MonkeyPatch,
                                                                        ) -> None:
    layout = Layout(private=(Directory(f"{pod}/own", mode=0o700),), directories=(Directory(f"{pod}/volumes/v"),))
    change = Path.chmod

    def killed(path: Path, mode: int) -> None:
        raise OSError("killed")
    monkeypatch.setattr(Path, "chmod", killed)
    for _ in range(2):
        with pytest.raises(files.FilesError, match="killed"):
            files.write(layout)
    assert {mode(path) for path in pod.iterdir()} == {"700"}
    monkeypatch.setattr(Path, "chmod", change)
    files.write(layout)
    assert (mode(pod / "own"), mode(pod / "volumes/v")) == ("700", "777")


def test_a_volume_is_given_to_its_group_but_not_what_its_links_lead_to(tmp_path: Path) -> None:
    root, outside = tmp_path / "disk", tmp_path / "outside"
    (root / "deep").mkdir(parents=True)
    for path in (outside, root / "deep/file"):
        path.write_text("")
        path.chmod(0o600)
    (root / "deep/link").symlink_to(outside)
    os.mkfifo(root / "pipe")
    ownership.give(str(root), 7)
    assert (mode(root), mode(root / "deep"), mode(root / "deep/file"), mode(outside)) == ("2775", "2775", "660", "600")
    assert {path.lstat().st_gid for path in (root, root / "deep", root / "deep/file", root / "deep/link",
                                             root / "pipe")} == {7}
    assert outside.stat().st_gid == 0


def test_a_volume_that_is_its_groups_already_can_be_left_alone(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    root.mkdir()
    ownership.give(str(root), 7)
    (root / "file").write_text("")
    os.chown(root / "file", 0, 0)
    ownership.give(str(root), 7, on_root_mismatch=True)
    assert (root / "file").stat().st_gid == 0
    ownership.give(str(root), 8, on_root_mismatch=True)
    assert (root / "file").stat().st_gid == 8


def test_a_volume_is_given_once_for_each_pod(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    root.mkdir()
    layout = Layout(owned=(Ownership(str(root), str(tmp_path / "done")),), group=7)
    files.write(layout)
    (root / "file").write_text("")
    os.chown(root / "file", 0, 0)
    files.write(layout)
    assert (root / "file").stat().st_gid == 0


@pytest.mark.parametrize(("kind", "words"), [
    ("Directory", "a directory"), ("File", "a file"), ("Socket", "a socket file"),
    ("CharDevice", "a character device"), ("BlockDevice", "a block device"), ("DirectoryOrCreate", "a directory"),
    ("FileOrCreate", "a file")])
def test_host_paths_are_what_they_are_said_to_be(tmp_path: Path, kind: str, words: str) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    wrong = tmp_path / ("file" if "Directory" in kind else "directory")
    with pytest.raises(files.FilesError) as caught:
        files.write(Layout(host_paths=(HostPath("v", str(wrong), kind),)))
    assert str(caught.value) == (f'MountVolume.SetUp failed for volume "v" : hostPath type check failed: {wrong} is '
                                 f"not {words}")
    if "OrCreate" not in kind:
        with pytest.raises(files.FilesError, match=f"none is not {words}"):
            files.write(Layout(host_paths=(HostPath("v", str(tmp_path / "none"), kind),)))


def test_host_paths_that_are_made(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        files.write(Layout(host_paths=(
            HostPath("v", str(tmp_path / "a/b"), ""), HostPath("v", str(tmp_path / "c/d"), "DirectoryOrCreate"),
            HostPath("v", str(tmp_path / "c/e"), "DirectoryOrCreate", 0o777),
            HostPath("v", str(tmp_path / "c/file"), "FileOrCreate"), HostPath("v", "/dev/null", "CharDevice"),
            HostPath("v", str(tmp_path / "socket"), "Socket"))))
    assert [mode(tmp_path / path) for path in ("a/b", "c/d", "c/e", "c/file")] == ["755", "755", "777", "644"]
    with pytest.raises(files.FilesError, match="No such file or directory"):
        files.write(Layout(host_paths=(HostPath("v", str(tmp_path / "none/file"), "FileOrCreate"),)))
    with pytest.raises(files.FilesError, match="Odd is an invalid volume type"):
        files.write(Layout(host_paths=(HostPath("v", str(tmp_path), "Odd"),)))


def test_a_local_volume_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(files.FilesError) as caught:
        files.write(Layout(host_paths=(HostPath("pv", str(tmp_path / "none"), LOCAL),)))
    assert str(caught.value) == (f'MountVolume.NewMounter initialization failed for volume "pv" : path '
                                 f'"{tmp_path}/none" does not exist')
    files.write(Layout(host_paths=(HostPath("pv", str(tmp_path), LOCAL),)))
    assert not (tmp_path / "none").exists()


# Paths inside volumes.

@pytest.fixture
def volume(tmp_path: Path) -> Path:
    made = tmp_path / "volume"
    (made / "dir").mkdir(parents=True)
    (made / "dir/file").write_text("content")
    return made


def path_in(volume: Path, pod: Path, path: str) -> SubPath:
    return SubPath(str(volume), path, f"{pod}/_subpaths/v/c/0", "v", "c")


def test_a_file_and_a_directory_are_bound(volume: Path, pod: Path) -> None:
    wanted = path_in(volume, pod, "dir/file")
    subpaths.bind(wanted)
    assert Path(wanted.target).read_text() == "content"
    assert mounting.mount_points().count(wanted.target) == 1
    subpaths.bind(wanted)
    assert mounting.mount_points().count(wanted.target) == 1
    subpaths.bind(path_in(volume, pod, "dir"))
    assert (Path(wanted.target) / "file").read_text() == "content"
    assert mounting.mount_points().count(wanted.target) == 1


def test_a_file_that_was_replaced_is_bound_anew(volume: Path, pod: Path) -> None:
    wanted = path_in(volume, pod, "dir/file")
    subpaths.bind(wanted)
    (volume / "new").write_text("new")
    (volume / "new").rename(volume / "dir/file")
    assert Path(wanted.target).read_text() == "content"
    subpaths.bind(wanted)
    assert Path(wanted.target).read_text() == "new"


def test_a_missing_path_is_made_like_the_root_of_its_volume(volume: Path, pod: Path) -> None:
    os.chown(volume, 0, 7)
    volume.chmod(0o2770)
    subpaths.bind(path_in(volume, pod, "new/er"))
    assert (mode(volume / "new"), mode(volume / "new/er"), (volume / "new/er").stat().st_gid) == ("2770", "2770", 7)


@pytest.mark.parametrize("link", ["/etc", "../outside", "dir/../../outside"])
def test_links_lead_nowhere_outside(volume: Path, pod: Path, link: str) -> None:
    (volume.parent / "outside").mkdir()
    (volume / "link").symlink_to(link)
    for path in ("link", "link/made"):
        with pytest.raises(files.FilesError, match=r'failed to prepare subPath for volumeMount "v" of container "c": '
                                                   "subpath .* leads out of the volume"):
            subpaths.bind(path_in(volume, pod, path))
    assert not list((volume.parent / "outside").iterdir())
    assert not (pod / "_subpaths").exists()


def test_links_inside_a_volume_are_followed(volume: Path, pod: Path) -> None:
    (volume / "link").symlink_to("dir")
    subpaths.bind(path_in(volume, pod, "link/file"))
    assert (pod / "_subpaths/v/c/0").read_text() == "content"


def test_a_link_that_appears_at_the_last_moment_is_not_followed(volume: Path, pod: Path) -> None:
    """A container swaps a directory for a link as fast as it can, while the node binds what is below."""
    secret = volume.parent / "outside"
    secret.mkdir()
    (secret / "file").write_text("outside")
    (volume / "trap").symlink_to(secret)
    done, wanted = threading.Event(), path_in(volume, pod, "dir/file")

    def move(first: str, second: str) -> None:
        while not done.is_set():
            try:
                (volume / first).rename(volume / second)
                return
            except OSError:  # The node has made a directory there, as the path was missing for a moment.
                with contextlib.suppress(OSError):
                    (volume / second / "file").rmdir()
                with contextlib.suppress(OSError):
                    (volume / second).rmdir()

    def swap() -> None:
        while not done.is_set():
            for first, second in (("dir", "real"), ("trap", "dir"), ("dir", "trap"), ("real", "dir")):
                move(first, second)
    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = set()
    try:
        for _ in range(150):
            try:
                subpaths.bind(wanted)
            except files.FilesError:
                continue
            target = Path(wanted.target)
            seen.add(target.read_text() if target.is_file() else "a directory")
            mounting.unmount(wanted.target)
    finally:
        done.set()
        swapper.join()
    assert "outside" not in seen
    assert (secret / "file").read_text() == "outside"


def test_what_the_node_mounts_later_is_seen_and_not_taken_from_it(volume: Path, pod: Path) -> None:
    below, wanted = volume / "dir/disk", path_in(volume, pod, "dir")
    below.mkdir()
    mounting.mount_memory(volume, 1 << 20, 0o755)  # A mount of its own, whose peers are known.
    try:
        (volume / "dir/disk").mkdir(parents=True)
        subpaths.bind(wanted)
        mounting.mount_memory(below, 1 << 20, 0o755)
        (below / "file").write_text("node")
        files.remove((str(pod),))
        assert (below / "file").read_text() == "node"
    finally:
        mounting.unmount_below(str(volume.parent))
        pod.mkdir(parents=True, exist_ok=True)


# Removal.

def test_removal_takes_binds_and_memory_and_leaves_what_was_bound(volume: Path, pod: Path) -> None:
    files.write(Layout(directories=(Directory(f"{pod}/volumes/m", memory=True, size_bytes=1 << 20),)))
    (pod / "volumes/m/file").write_text("x")
    subpaths.bind(path_in(volume, pod, "dir"))
    subpaths.bind(replace(path_in(volume, pod, "dir/file"), target=f"{pod}/_subpaths/v/c/1"))
    files.remove((str(pod),))
    files.remove((str(pod),))
    assert not pod.exists()
    assert (volume / "dir/file").read_text() == "content"
    assert not [point for point in mounting.mount_points() if str(pod) in point]


def test_a_mount_in_use_does_not_stop_removal(pod: Path) -> None:
    files.write(Layout(directories=(Directory(f"{pod}/volumes/m", memory=True, size_bytes=1 << 20),)))
    with (pod / "volumes/m/file").open("w") as used:
        files.remove((str(pod),))
        used.write("still")
    assert not pod.exists()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is searched for programs first."""
    made = tmp_path / "bin"
    made.mkdir()
    monkeypatch.setenv("PATH", f"{made}:{os.environ['PATH']}")
    return made


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_bind_that_cannot_be_taken_off_keeps_what_it_leads_to(volume: Path, pod: Path, programs: Path) -> None:
    subpaths.bind(path_in(volume, pod, "dir"))
    program(programs / "umount", 'echo "umount: $4: target is busy." >&2; exit 32')
    for _ in range(2):
        with pytest.raises(files.FilesError, match=r"cannot unmount .*/_subpaths/v/c/0: .*target is busy"):
            files.remove((str(pod),))
    program(programs / "umount", "exit 0")  # It says so, and it is not true.
    with pytest.raises(files.FilesError, match="cannot remove"):
        files.remove((str(pod),))
    (programs / "umount").unlink()
    assert (volume / "dir/file").read_text() == "content"
    files.remove((str(pod),))
    assert not pod.exists()
    assert (volume / "dir/file").read_text() == "content"


def test_paths_with_odd_letters_are_unmounted(tmp_path: Path) -> None:
    odd = tmp_path / "pods/a b\té"
    files.write(Layout(directories=(Directory(f"{odd}/v", memory=True, size_bytes=1 << 20),)))
    assert str(odd / "v") in mounting.mount_points()
    files.remove((str(odd),))
    assert not odd.exists()


# File servers. This machine's kernel may know none, so a program of the test's own stands for mount(8).

NFS = NetworkMount("data", "10.0.0.9:/exp", "", ("ro", "soft"))


async def test_a_file_server_is_mounted_with_its_options(pod: Path, programs: Path) -> None:
    program(programs / "mount", f'echo "$*" > {programs}/arguments')
    network = replace(NFS, target=f"{pod}/_mounts/data")
    await mounting.mount_network(network)
    assert (programs / "arguments").read_text() == f"-t nfs -o ro,soft -- 10.0.0.9:/exp {pod}/_mounts/data\n"
    assert (pod / "_mounts/data").is_dir()
    assert mounting.arguments(replace(network, options=())) == ("-t", "nfs", "10.0.0.9:/exp", network.target)


@pytest.mark.parametrize("trick", ["--fstab={}", "-T{}", "-oremount,bind,{}"])
async def test_a_file_server_with_the_name_of_an_option_is_a_file_server(pod: Path, tmp_path: Path, trick: str) -> None:
    target = pod / "_mounts/data"
    fstab = tmp_path / "volume/fstab:/x"  # As a pod could write it into a volume of its own.
    fstab.parent.mkdir(parents=True)
    fstab.write_text(f"/ {target} none bind 0 0\n")
    source = trick.format(str(fstab).removesuffix(":/x")) + ":/x"
    with pytest.raises(files.FilesError, match="mount failed"):
        await mounting.mount_network(NetworkMount("data", source, str(target)), 10.0)
    assert str(target) not in mounting.mount_points()


async def test_what_is_mounted_already_is_left_alone(pod: Path, programs: Path) -> None:
    target = pod / "_mounts/data"
    target.mkdir(parents=True)
    mounting.mount_memory(target, 1 << 20, 0o755)
    program(programs / "mount", "exit 1")
    await mounting.mount_network(replace(NFS, target=str(target)))


async def test_a_refusal_is_told_as_kubernetes_does(pod: Path, programs: Path) -> None:
    program(programs / "mount", 'echo "mount.nfs: access denied by server" >&2; exit 32')
    with pytest.raises(files.FilesError) as caught:
        await mounting.mount_network(replace(NFS, target=f"{pod}/_mounts/data"))
    assert str(caught.value) == (
        'MountVolume.SetUp failed for volume "data" : mount failed: exit status 32\nMounting command: mount\n'
        f"Mounting arguments: -t nfs -o ro,soft 10.0.0.9:/exp {pod}/_mounts/data\n"
        "Output: mount.nfs: access denied by server")


async def test_a_dead_server_is_given_up_and_its_program_ended(pod: Path, programs: Path) -> None:
    program(programs / "mount", f"echo $$ > {programs}/pid; exec sleep 1000")
    with pytest.raises(files.FilesError, match="no answer within 0 s"):
        await mounting.mount_network(replace(NFS, target=f"{pod}/_mounts/data"), 0.3)
    pid = int((programs / "pid").read_text())
    await until(lambda: not Path(f"/proc/{pid}").exists())


async def test_a_missing_program_is_said(pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(files.FilesError, match="No such file"):
        await mounting.mount_network(replace(NFS, target=f"{pod}/_mounts/data"))
    with pytest.raises(files.FilesError, match="cannot mount"):
        mounting.mount_memory(pod, 0, 0o755)


async def test_a_call_that_hangs_keeps_nobody_waiting_and_is_not_made_twice() -> None:
    patience, answer = Patience(), threading.Event()

    def look() -> None:
        answer.wait()
    with pytest.raises(files.FilesError, match="no answer within 0 s"):
        await patience.call("look", look, 0.1)
    with pytest.raises(files.FilesError, match="an earlier attempt still hangs"):
        await patience.call("look", lambda: None, 5)
    await patience.call("other", lambda: None, 5)
    answer.set()
    await until(lambda: not any(thread.name == "look" for thread in threading.enumerate()))
    await patience.call("look", lambda: None, 5)


async def test_a_calls_own_error_is_told() -> None:
    def fail() -> None:
        raise files.FilesError("no")
    with pytest.raises(files.FilesError, match=r"^no$"):
        await Patience().call("fail", fail, 5)
