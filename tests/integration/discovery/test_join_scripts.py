"""What `edgectl join` does on a machine, in a real shell and in a folder of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edge.edgectl import joining


def sh(script: str, text: str = "", path: str = "") -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{path}:/usr/bin:/bin" if path else "/usr/bin:/bin"}
    return subprocess.run(["sh", "-c", script], input=text, capture_output=True, text=True, check=False,
                          env=environment)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/edge-agent").write_text("#!/bin/sh\n")
    (tmp_path / "bin/edge-agent").chmod(0o755)
    (tmp_path / "agent.toml").write_text(
        f'node_name = "node-9"  # a comment\nbootstrap_token_file = "{tmp_path}/token"\n'
        f"ca_cert_hash_file = '{tmp_path}/hash'\ndata_dir = \"{tmp_path}/data\"\n")
    return tmp_path


def test_a_look_tells_the_name_and_changes_nothing(machine: Path) -> None:
    before = sorted(machine.rglob("*"))
    done = sh(joining.look_script(f"{machine}/agent.toml"), path=f"{machine}/bin")
    assert joining.read_look(done.stdout).node == "node-9"
    assert joining.read_look(done.stdout).ca == b""
    assert sorted(machine.rglob("*")) == before


def test_a_look_brings_the_authority_a_machine_has_joined(machine: Path) -> None:
    (machine / "data/identity").mkdir(parents=True)
    (machine / "data/identity/node.crt").write_text("x")
    (machine / "data/identity/ca.crt").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    done = sh(joining.look_script(f"{machine}/agent.toml"), path=f"{machine}/bin")
    assert joining.read_look(done.stdout).ca.startswith(b"-----BEGIN CERTIFICATE-----\nAAAA")


def test_a_machine_without_edge_says_so(machine: Path) -> None:
    assert sh(joining.look_script(f"{machine}/nothing.toml"), path=f"{machine}/bin").returncode == joining.NO_AGENT


def test_the_token_is_for_root_alone_and_twice_is_once(machine: Path) -> None:
    for token in ("abcdef.0123456789abcdef", "fedcba.0123456789abcdef"):
        done = sh(joining.give_script(f"{machine}/agent.toml"), f"{token}\nsha256:00\n", f"{machine}/bin")
        assert done.returncode == 0, done.stderr
    assert (machine / "token").read_text() == "fedcba.0123456789abcdef\n"
    assert (machine / "token").stat().st_mode & 0o777 == 0o600
    assert (machine / "hash").read_text() == "sha256:00\n"
    assert {path.name for path in machine.iterdir()} == {"bin", "agent.toml", "token", "hash"}


def test_half_of_the_input_leaves_nothing(machine: Path) -> None:
    done = sh(joining.give_script(f"{machine}/agent.toml"), "abcdef.0123456789abcdef\n", f"{machine}/bin")
    assert done.returncode != 0
    assert not (machine / "token").exists()


def test_an_identity_of_another_rack_is_put_aside_and_not_lost(machine: Path) -> None:
    (machine / "data/identity").mkdir(parents=True)
    (machine / "data/identity/node.key").write_text("key")
    done = sh(joining.give_script(f"{machine}/agent.toml", put_aside=True), "a.b\nsha256:00\n", f"{machine}/bin")
    assert done.returncode == 0, done.stderr
    assert not (machine / "data/identity").exists()
    assert (machine / "data/identity.before/node.key").read_text() == "key"
