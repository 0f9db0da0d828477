"""Ansible on this machine: the collection of this checkout, a home of its own, no SSH."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
ANSIBLE = ROOT / "ansible"
Run = Callable[..., "subprocess.CompletedProcess[str]"]
Module = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs one of Ansible's programs in the checkout's folder `ansible`."""
    programs = Path(sys.executable).parent
    if not (programs / "ansible").exists():
        pytest.skip("Ansible is not installed here: pip install ansible-core")
    environment = {**os.environ, "HOME": str(tmp_path), "ANSIBLE_HOME": str(tmp_path / ".ansible"),
                   "ANSIBLE_NOCOLOR": "1", "NO_COLOR": "1", "PATH": f"{programs}:{os.environ['PATH']}"}

    def run_program(program: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(programs / program), *arguments], cwd=ANSIBLE, env={**environment, **more},
                              capture_output=True, text=True, check=False, timeout=300, stdin=subprocess.DEVNULL)

    return run_program


@pytest.fixture
def module(run: Run) -> Module:
    """Return a function that runs a module of the collection on this machine and returns what it answers."""

    def run_module(name: str, /, check: bool = False, **arguments: Any) -> dict[str, Any]:
        result = run("ansible", "-i", "localhost,", "-c", "local", "localhost", "-m", f"edge.cluster.{name}",
                     "-e", f"ansible_python_interpreter={sys.executable}", "-a", json.dumps(arguments),
                     *(["--check"] if check else []), ANSIBLE_CALLBACK_RESULT_FORMAT="json",
                     ANSIBLE_LOAD_CALLBACK_PLUGINS="1", ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal")
        text = result.stdout[result.stdout.rindex("=> {") + 3:]
        answer: dict[str, Any] = json.loads(text)
        return answer | {"failed": "FAILED" in result.stdout}

    return run_module
