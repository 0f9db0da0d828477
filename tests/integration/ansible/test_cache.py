"""scripts/cache as far as it goes without the internet."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]


def cache(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(ROOT / "scripts/cache"), *arguments], capture_output=True, text=True, check=False,
                          cwd=cwd, timeout=60, stdin=subprocess.DEVNULL)


def test_help_tells_how_it_is_used() -> None:
    result = cache("--help")
    assert result.returncode == 0
    assert "edge_offline_cache" in result.stdout


@pytest.mark.parametrize(("arguments", "words"), [
    ((), "./scripts/cache DIR"), (("a", "b"), "one directory only"), (("--arch",), "needs a value"),
    (("x", "--arch", "mips"), "arm64 or amd64"), (("x", "--release", "buster"), "bookworm"), (("--what",), "--help")])
def test_what_it_does_not_understand_is_told_and_nothing_is_made(tmp_path: Path, arguments: tuple[str, ...],
                                                                words: str) -> None:
    result = cache(*arguments, cwd=tmp_path)
    assert result.returncode != 0
    assert words in result.stderr
    assert not list(tmp_path.iterdir())


def test_every_package_a_machine_gets_is_fetched() -> None:
    text = (ROOT / "ansible/packages.yml").read_text()
    wanted = {name for names in yaml.safe_load(text).values() for name in names}
    assert set(re.findall(r"^ *- ([a-z0-9][a-z0-9.+-]*)$", text, re.MULTILINE)) == wanted
    # As the script that installs one machine by hand has it.
    needed = re.findall(r'needed="([^"]*)"', (ROOT / "scripts/install").read_text())
    by_hand = {name for line in needed for name in line.split() if not name.startswith("$")}
    assert by_hand - wanted - {"mount", "util-linux"} == set()
