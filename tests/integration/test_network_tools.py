"""Tools of the network that are missing, or hang: a failure in words, and never a loop that stands still."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.network import linux
from edge.network.interface import NetworkFailure


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


async def test_a_tool_that_hangs_is_ended(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux, "TOOL_SECONDS", 0.2)
    (programs / "nft").write_text(f"#!/bin/sh\necho $$ >{programs}/pid\nexec /bin/sleep 1000\n")
    (programs / "nft").chmod(0o755)
    with pytest.raises(NetworkFailure, match="`nft -f -` did not end within"):
        await linux.LinuxNetwork().apply_ruleset("table ip edge {}")
    assert not Path("/proc", (programs / "pid").read_text().strip()).exists()


async def test_a_tool_that_is_missing_is_said(programs: Path) -> None:
    with pytest.raises(NetworkFailure, match="nft cannot be started"):
        await linux.LinuxNetwork().apply_ruleset("table ip edge {}")
