"""The playbooks as Ansible and its linter read them, and what they ask of the computer they run on."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.integration.ansible.conftest import ANSIBLE, ROOT, Module, Run

PLAYBOOKS = sorted(path.name for path in ANSIBLE.glob("*.yml") if "hosts:" in path.read_text()
                   and "inventory" not in path.name)
MODULES = sorted(path.stem for path in (ANSIBLE / "collections").rglob("plugins/modules/*.py"))
EXAMPLE = "inventory.example.yml"


def test_the_linter_finds_nothing_in_its_strictest_profile(run: Run) -> None:
    if not (Path(sys.executable).parent / "ansible-lint").exists():
        pytest.skip("ansible-lint is not installed here")
    result = run("ansible-lint", "--offline", "--nocolor", "-q", ".")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_playbook_is_read_without_a_warning(run: Run, playbook: str) -> None:
    result = run("ansible-playbook", "-i", EXAMPLE, "--syntax-check", playbook)
    assert result.returncode == 0, result.stderr
    assert "WARNING" not in result.stderr


@pytest.mark.parametrize("module", MODULES)
def test_a_module_tells_its_options(run: Run, module: str) -> None:
    result = run("ansible-doc", "--json", f"edge.cluster.{module}")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)[f"edge.cluster.{module}"]["doc"]["options"]


def test_the_example_is_an_inventory_of_the_books_rack(run: Run) -> None:
    found = json.loads(run("ansible-inventory", "-i", EXAMPLE, "--list").stdout)
    assert found["edge_master"]["hosts"] == ["master"]
    assert found["edge_workers"]["hosts"] == ["node-1", "node-2", "node-3"]


def test_a_reset_that_nobody_confirmed_touches_nothing(run: Run) -> None:
    result = run("ansible-playbook", "-i", "localhost,", "-c", "local", "-i", EXAMPLE, "reset.yml")
    assert result.returncode != 0
    assert "-e edge_reset=true" in result.stdout
    assert "Take everything away" not in result.stdout


MASTER = {"ansible_host": "pi.home", "edge_ready": True, "edge_model": "raspberry-pi-5"}
FOUND = {"_meta": {"hostvars": {"master": MASTER, "node-1": {"ansible_host": "10.0.0.2", "edge_ready": False}}},
         "all": {"children": ["ungrouped", "edge_master", "edge_workers", "edge_not_joined"]},
         "edge_master": {"hosts": ["master"]}, "edge_workers": {"hosts": ["node-1"]}, "edge_not_joined": {"hosts": []}}
SETTINGS = """plugin: edge.cluster.edge
context: two words
groups: {not_ready: not edge_ready}
keyed_groups: [{key: edge_model, prefix: model}]
compose: {ansible_user: "'pi'"}
"""


def fake_edgectl(path: Path, script: str) -> str:
    """Return a program in the place of edgectl; it writes down what it was called with."""
    path.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >> {path}.calls\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_the_inventory_plugin_shows_the_rack(run: Run, tmp_path: Path) -> None:
    (tmp_path / "home.edge.yml").write_text(SETTINGS)
    program = fake_edgectl(tmp_path / "edgectl", f"cat <<'END'\n{json.dumps(FOUND)}\nEND")
    result = run("ansible-inventory", "-i", str(tmp_path / "home.edge.yml"), "--list", EDGECTL=program,
                 KUBECONFIG="/k/config")
    found = json.loads(result.stdout)
    # What came from outside is marked, so that it is never taken for a template.
    master = {key: value["__ansible_unsafe"] if isinstance(value, dict) else value
              for key, value in found["_meta"]["hostvars"]["master"].items()}
    assert master == {**MASTER, "ansible_user": "pi"}
    assert found["not_ready"]["hosts"] == ["node-1"]
    assert found["model_raspberry_pi_5"]["hosts"] == ["master"]
    assert Path(f"{program}.calls").read_text().splitlines() == [
        "--kubeconfig", "/k/config", "--context", "two words", "inventory", "--list"]


@pytest.mark.parametrize(("script", "words"), [
    ("echo 'error: cannot reach https://pi.home:6443' >&2; exit 1", "cannot reach https://pi.home:6443"),
    ("echo not JSON", "edgectl inventory"), ("sleep 60", "has not answered within 1 s")])
def test_a_rack_that_does_not_answer_is_told(run: Run, tmp_path: Path, script: str, words: str) -> None:
    (tmp_path / "edge.yml").write_text("plugin: edge.cluster.edge\ntimeout_seconds: 1\n")
    result = run("ansible-inventory", "-i", str(tmp_path / "edge.yml"), "--list",
                 EDGECTL=fake_edgectl(tmp_path / "edgectl", f"exec sh -c \"{script}\""))
    assert words in " ".join(result.stderr.split())


def test_the_same_checkout_makes_the_same_bundle(module: Module, tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="hatchling is not installed here")
    checkout = tmp_path / "checkout"
    for name in ("edge", "systemd", "scripts", "requirements"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    answers = [module("bundle", source=str(checkout), path=str(tmp_path / name)) for name in ("a.tar", "b.tar")]
    assert [answer.get("version") for answer in answers] == ["0.1.0", "0.1.0"], answers
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_a_kubeconfig_is_written_for_its_owner_alone(module: Module, tmp_path: Path) -> None:
    path = tmp_path / "kube/config"
    given = {"path": str(path), "context": "edge", "server": "https://pi.home:6443", "ca": "Y2E=",
             "certificate": "Y3J0", "key": "a2V5"}
    assert module("kubeconfig", check=True, **given)["changed"]
    assert not path.exists()
    assert module("kubeconfig", **given)["changed"]
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert module("kubeconfig", **given)["changed"] is False
    assert module("kubeconfig", path=str(path), context="edge", state="absent")["changed"]
    assert "a2V5" not in path.read_text()


def test_a_kubeconfig_that_is_none_is_left_alone(module: Module, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("[1, 2]\n")
    answer = module("kubeconfig", path=str(path), context="edge", server="s", ca="x", certificate="y", key="z")
    assert "left alone" in answer["msg"]
    assert path.read_text() == "[1, 2]\n"


@pytest.mark.skipif(not Path("/usr/bin/dpkg-query").exists(), reason="this is no Debian")
def test_packages_that_are_installed_are_not_missing(module: Module) -> None:
    answer = module("packages", name=["dpkg", "no-such-package-of-ours"], look=True)
    assert (answer["missing"], answer["changed"]) == (["no-such-package-of-ours"], False)
