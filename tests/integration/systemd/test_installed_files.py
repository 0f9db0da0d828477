"""What an installation puts on a machine: directories with the right owners, settings the programs take, and what is
kept of a program that crashed."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from edge import config
from edge.agent.settings import Settings
from edge.client import kubeconfig
from edge.rack.settings import Rack
from edge.server.settings import ServerSettings

ROOT = Path(__file__).resolve().parents[3]
SYSTEMD = ROOT / "systemd"
KEEP = SYSTEMD / "edge" / "keep-crash-log"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users, which needs root")
needs_tools = pytest.mark.skipif(shutil.which("systemd-tmpfiles") is None or shutil.which("systemd-sysusers") is None,
                                 reason="systemd's tools are not installed")


@needs_root
@needs_tools
def test_users_and_directories_are_made_with_the_right_owners(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (tmp_path / "etc/group").write_text("root:x:0:\n")
    for _ in range(2):  # it can be done again
        subprocess.run(["systemd-sysusers", f"--root={tmp_path}", str(SYSTEMD / "sysusers.d/edge.conf")], check=True)
        subprocess.run(["systemd-tmpfiles", "--create", f"--root={tmp_path}", str(SYSTEMD / "tmpfiles.d/edge.conf")],
                       check=True)
    users = dict(line.split(":")[:3:2] for line in (tmp_path / "etc/passwd").read_text().splitlines())

    def found(path: str) -> tuple[str, int]:
        state = (tmp_path / path).stat()
        name = next(user for user, number in users.items() if int(number) == state.st_uid)
        return name, stat.S_IMODE(state.st_mode)

    assert found("var/lib/edge/pki") == ("root", 0o755)
    assert found("var/lib/edge/server") == ("edge", 0o750)
    assert found("var/lib/edge/server/rack") == ("edge", 0o750)
    assert found("var/lib/edge/agent") == ("root", 0o700)
    assert found("run/edge") == ("root", 0o711)
    assert found("run/edge-rack") == ("root", 0o755)


def test_the_settings_a_fresh_machine_gets_are_taken_by_its_programs() -> None:
    rack = config.load(SYSTEMD / "etc/master/rack.toml", Rack)
    server = config.load(SYSTEMD / "etc/master/server.toml", ServerSettings)
    master = config.load(SYSTEMD / "etc/master/agent.toml", Settings)
    config.load(SYSTEMD / "etc/worker/agent.toml", Settings)
    own = str(rack.address.ip)
    assert (server.advertise_address, master.server, master.interface) == (own, own, rack.interface)
    assert master.taints == ("node-role.kubernetes.io/master:NoSchedule",)
    access = kubeconfig.parse(yaml.safe_load((SYSTEMD / "etc/master/admin.conf").read_text()), "")
    assert access.server == f"https://{own}:{server.port}"


def test_what_server_and_ground_leave_for_each_other_is_at_the_same_places() -> None:
    rack, server = Rack(), ServerSettings()
    assert (server.rack.state_dir, server.rack.run_dir, server.rack.wishes_dir) == (
        rack.state_dir, rack.run_dir, rack.wishes_dir)
    path = (SYSTEMD / "system/edge-rack.path").read_text()
    assert f"PathChanged={rack.wishes_dir}\n" in path
    assert server.audit.path.startswith("/run/edge-server/")


def test_podman_is_told_in_its_own_language() -> None:
    told = tomllib.loads((SYSTEMD / "containers.conf.d/50-edge.conf").read_text())
    assert told["engine"]["cgroup_manager"] == "systemd"
    assert all(soft == hard for limit in told["containers"]["default_ulimits"]
               for soft, hard in [limit.partition("=")[2].split(":")]), "Podman 4.3 swaps the two"


def crash(folder: Path, result: str, said: str) -> None:
    """End a unit that said this."""
    (folder / "bin").mkdir(exist_ok=True)
    journalctl = folder / "bin/journalctl"
    journalctl.write_text(f"#!/bin/sh\necho '{said}'\n")
    journalctl.chmod(0o755)
    subprocess.run(["sh", str(KEEP), "edge-server"], check=True, env={
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "SERVICE_RESULT": result, "EXIT_CODE": "killed",
        "EXIT_STATUS": "ABRT", "EDGE_CRASHES": str(folder / "crashes")})


def test_the_last_words_of_a_crash_are_kept_for_its_owner_alone(tmp_path: Path) -> None:
    crash(tmp_path, "watchdog", "stuck in select")
    kept = tmp_path / "crashes/edge-server-watchdog.log"
    assert kept.read_text() == "edge-server: watchdog, killed ABRT\nstuck in select\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


def test_a_clean_end_writes_nothing(tmp_path: Path) -> None:
    crash(tmp_path, "success", "goodbye")
    assert not (tmp_path / "crashes").exists()


def test_a_program_that_fails_for_ever_writes_once_an_hour_and_hides_no_other_end(tmp_path: Path) -> None:
    crash(tmp_path, "exit-code", "first")
    crash(tmp_path, "exit-code", "second")
    kept = tmp_path / "crashes/edge-server-exit-code.log"
    assert "first" in kept.read_text()
    crash(tmp_path, "oom-kill", "too big")
    assert "too big" in (tmp_path / "crashes/edge-server-oom-kill.log").read_text()
    an_hour_ago = kept.stat().st_mtime - 3700
    os.utime(kept, (an_hour_ago, an_hour_ago))
    crash(tmp_path, "exit-code", "third")
    assert "third" in kept.read_text()
    assert "first" in (tmp_path / "crashes/edge-server-exit-code.log.1").read_text()


@pytest.mark.parametrize("arguments", [[], ["apprentice"], ["worker", "--fast"], ["master", "--prefix", "opt"]])
def test_the_installer_refuses_what_it_does_not_know(arguments: list[str]) -> None:
    done = subprocess.run(["sh", str(ROOT / "scripts/install"), *arguments], capture_output=True, text=True,
                          check=False)
    assert done.returncode != 0
    assert "scripts/install" in done.stderr or "absolute path" in done.stderr


def test_the_wheel_carries_the_units() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]["systemd"] == "share/edge/systemd"


def test_a_build_needs_nothing_that_is_not_locked() -> None:
    lab, build = ((ROOT / "requirements" / name).read_text().splitlines() for name in ("lab.lock", "build.lock"))
    assert set(build) - set(lab) == set(), "requirements/build.lock is a part of requirements/lab.lock"
    assert any(line.startswith("hatchling==") for line in build)
