"""What containers leave in their volumes to trap the node that measures and removes it as root."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.agent import disk_use, files, removal
from edge.agent.volumes import Layout, Ownership

FAR = 3000
"""Levels: more than a stack, a path or the open files of this program have."""


@pytest.fixture
def few_open_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def dig(directory: Path, levels: int, name: str = "d" * 100) -> None:
    """Make directories below each other, with a file of 1 MiB in the lowest."""
    here = os.open(directory, removal.ENTER)
    for _ in range(levels):
        os.mkdir(name, dir_fd=here)
        os.mkdir("beside", dir_fd=here)
        there = os.open(name, removal.ENTER, dir_fd=here)
        os.close(here)
        here = there
    file = os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(file, b"x" * (1 << 20))
    os.close(file)
    os.close(here)


def test_a_very_deep_volume_is_measured_and_removed(tmp_path: Path, few_open_files: None) -> None:
    pod = tmp_path / "pods/u"
    (pod / "volumes/v").mkdir(parents=True)
    dig(pod / "volumes/v", FAR)
    found = disk_use.tree(str(pod / "volumes/v"))
    assert found.size_bytes >= 1 << 20
    assert found.inodes >= 2 * FAR
    files.remove((str(pod),))
    assert not pod.exists()


def test_a_very_deep_volume_that_is_to_be_given_to_a_group_is_refused_in_words(tmp_path: Path) -> None:
    volume = tmp_path / "v"
    volume.mkdir()
    dig(volume, FAR)
    try:
        with pytest.raises(files.FilesError, match="cannot write the pod's volumes"):
            files.write(Layout(owned=(Ownership(str(volume), str(tmp_path / "done")),), group=4242))
    finally:
        removal.tree(volume)


def test_what_lies_behind_links_and_in_odd_files_is_left_alone(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    pod = tmp_path / "pods/u"
    volume = pod / "volumes/v"
    volume.mkdir(parents=True)
    for name in ("link", "new\nline", "\x1b[31m", "..0"):
        (volume / name).symlink_to(outside)
    os.mkfifo(volume / "fifo")
    (volume / os.fsdecode(b"\xff\xfe")).mkdir()
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(volume / "s"))
    (volume / "file").write_text("")
    for number in range(200):
        os.link(volume / "file", volume / f"name-{number}")
    assert disk_use.tree(str(volume)).size_bytes < 1 << 20
    files.remove((str(pod),))
    assert not pod.exists()
    assert (outside / "kept").read_text() == "kept"


def test_a_name_that_is_taken_at_the_top_stops_nothing(tmp_path: Path) -> None:
    volume = tmp_path / "v"
    volume.mkdir()
    for number in range(5):
        (volume / f"..{number}").write_text("file") if number % 2 else (volume / f"..{number}/full").mkdir(parents=True)
    dig(volume, removal.LEVELS * 3)
    removal.tree(volume)
    assert not volume.exists()


def test_what_is_no_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(NotADirectoryError):
        removal.tree(tmp_path / "link")
    assert disk_use.tree(str(tmp_path / "link")).inodes == 0
    with pytest.raises(FileNotFoundError):
        removal.tree(tmp_path / "none")
    assert (tmp_path / "real/file").read_text() == "kept"
