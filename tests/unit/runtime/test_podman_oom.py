"""The kernel's words about a process that was killed for memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.runtime import podman_oom

ID = "60b283c8a5d8"
LINE = (b"6,1021,4385393772,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=libpod-%s,mems_allowed=0,"
        b"oom_memcg=/m/libpod-%s,task_memcg=/m/libpod-%s,task=tail,pid=32080,uid=0\n")


@pytest.mark.parametrize(("record", "about"), [
    (LINE % (b"60b283c8a5d8", b"60b283c8a5d8", b"60b283c8a5d8"), True),
    # Somebody else asked for the memory this one was killed for.
    (LINE % (b"ffff", b"60b283c8a5d8", b"60b283c8a5d8"), True),
    (LINE % (b"60b283c8a5d8", b"60b283c8a5d8", b"ffff"), False),
    (b"6,1,1,-;libpod-60b283c8a5d8 entered promiscuous mode\n", False),
    (b"", False)])
def test_a_record_is_about_the_one_that_was_killed(record: bytes, about: bool) -> None:
    assert podman_oom.is_about(record, ID) is about


def test_a_log_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    assert not podman_oom.killed(ID, str(tmp_path / "none"))
    (tmp_path / "log").write_bytes(LINE % (b"a", b"b", ID.encode()))
    assert podman_oom.killed(ID, str(tmp_path / "log"))
