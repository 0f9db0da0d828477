"""The kernel's log as systemd hands it to the agent: an open file instead of the right to open it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOG = Path("/dev/kmsg")
READ = "from edge.agent.system_oom import SystemOom; log = SystemOom('/nonexistent'); print(log.read(), log.listens)"


def child(stdin: Path) -> str:
    with stdin.open("rb", buffering=0) as file:
        return subprocess.run([sys.executable, "-c", READ], stdin=file, capture_output=True, text=True, check=True,
                              timeout=30).stdout.strip()


@pytest.mark.skipif(not os.access(LOG, os.R_OK), reason="this user may not read the kernel's log")
def test_a_log_that_is_handed_over_is_read_without_waiting_for_more() -> None:
    assert child(LOG) == "() True"


def test_any_other_input_is_not_taken_for_the_log(tmp_path: Path) -> None:
    assert child(Path("/dev/null")) == "() False"
    (tmp_path / "file").write_text("oom-kill:constraint=CONSTRAINT_NONE,task=x,pid=1,uid=0")
    assert child(tmp_path / "file") == "() False"
