"""The units as systemd reads them: no mistakes, sandboxes that hold, restarts that never give up, nothing that waits
for the network; and that the places which name units agree."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SYSTEMD = ROOT / "systemd"
UNITS = sorted(path for path in (SYSTEMD / "system").glob("edge*") if path.is_file())
LONG_RUNNING = ("edge-agent", "edge-broker", "edge-dhcp", "edge-names", "edge-server")
PRESETS = {role: (SYSTEMD / "system-preset" / f"edge-{role}.preset").read_text().splitlines()
           for role in ("master", "worker")}
LEAST_EXPOSURE_NOT_OK = 50
"""systemd-analyze calls less than this OK."""

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def values(path: Path) -> dict[str, list[str]]:
    """Return `Section.Key` -> its values, in order."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(f"{section}.{key}", []).append(value)
    return found


def listed(role: str, verb: str) -> list[str]:
    return [line.split()[1] for line in PRESETS[role] if line.startswith(f"{verb} ")]


def words(unit: dict[str, list[str]], *keys: str) -> Iterator[str]:
    for key in keys:
        for value in unit.get(key, ()):
            yield from value.split()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a machine on which everything is installed that the units name."""
    root = tmp_path_factory.mktemp("machine")
    system = root / "usr/lib/systemd/system"
    shutil.copytree(SYSTEMD / "system", system)
    for name in ("podman.service", "podman.socket"):
        (system / name).write_text(f"[{name.rpartition('.')[2].capitalize()}]\n" + (
            "ListenStream=/run/podman/podman.sock\n" if name.endswith("socket")
            else "Delegate=true\nType=exec\nExecStart=/usr/bin/podman $LOGGING system service\n"))
    for name in ("basic", "sysinit", "shutdown", "sockets", "timers", "paths", "slices", "multi-user"):
        (system / f"{name}.target").write_text("[Unit]\nDefaultDependencies=no\n")
    programs = [word.lstrip("-+") for unit in UNITS for key, lines in values(unit).items()
                if key.startswith("Service.Exec") for word in (line.split()[0] for line in lines)]
    for program in ("/usr/bin/podman", *programs):
        path = root / program.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    return root


@needs_systemd
def test_systemd_finds_nothing_wrong(machine: Path) -> None:
    units = [f"/usr/lib/systemd/system/{unit.name.replace('@', '@edge-rack')}" for unit in UNITS]
    checked = subprocess.run(["systemd-analyze", "verify", "--man=no", "--generators=no", f"--root={machine}", *units],
                             capture_output=True, text=True, check=False)
    complaints = [line for line in checked.stderr.splitlines() if "edge" in line or "Unknown" in line]
    assert complaints == []
    assert checked.returncode == 0, checked.stderr


@needs_systemd
@pytest.mark.parametrize("name", LONG_RUNNING)
def test_what_runs_for_long_is_confined(name: str) -> None:
    checked = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", f"--threshold={LEAST_EXPOSURE_NOT_OK - 1}",
         str(SYSTEMD / "system" / f"{name}.service")], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout.splitlines()[-1:] + checked.stderr.splitlines()
    assert " OK " in checked.stdout.splitlines()[-1] or " SAFE " in checked.stdout.splitlines()[-1]


def test_the_agents_mounts_are_the_machines() -> None:
    # Each of these would give it a mount namespace of its own: Podman would not see the volumes and namespaces of pods.
    unit = values(SYSTEMD / "system" / "edge-agent.service")
    apart = ("PrivateTmp", "PrivateDevices", "PrivateMounts", "ProtectSystem", "ProtectHome", "ProtectKernelTunables",
             "ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups", "ProtectProc", "ProcSubset",
             "ReadOnlyPaths", "ReadWritePaths", "InaccessiblePaths", "TemporaryFileSystem", "BindPaths",
             "BindReadOnlyPaths", "RootDirectory", "PrivateNetwork", "PrivateUsers", "DynamicUser", "StateDirectory",
             "RuntimeDirectory", "LogNamespace", "LoadCredential")
    assert [name for name in apart if f"Service.{name}" in unit] == []


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.suffix == ".service"], ids=lambda unit: unit.name)
def test_no_unit_gives_up_or_takes_another_down(unit: Path) -> None:
    found = values(unit)
    assert found["Unit.StartLimitIntervalSec"] == ["0"] if unit.name != "edge-pods.service" else True
    for key in ("Unit.Requires", "Unit.BindsTo", "Unit.Requisite", "Unit.PartOf"):
        assert key not in found
    waits = set(words(found, "Unit.After", "Unit.Wants"))
    if unit.name == "edge-link.service":
        waits -= {"networking.service"}  # It takes over from there, and nobody waits for it.
    assert waits & {"network-online.target", "network.target", "networking.service", "time-sync.target",
                    "nss-lookup.target"} == set(), "a rack whose uplink is missing has to come up"


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_programs_come_back_and_stay_within_bounds(name: str) -> None:
    unit = values(SYSTEMD / "system" / f"{name}.service")
    assert unit["Service.Restart"] == ["always"] or name == "edge-names"
    assert int(unit["Service.RestartSec"][0]) >= 2
    assert "Service.MemoryMax" in unit
    assert int(unit["Service.OOMScoreAdjust"][0]) < 0
    assert unit["Service.Slice"] == ["edge.slice"]
    assert "Service.CPUQuota" not in unit


@pytest.mark.parametrize("name", ["edge-agent", "edge-server"])
def test_a_program_that_hangs_is_noticed(name: str) -> None:
    unit = values(SYSTEMD / "system" / f"{name}.service")
    assert (unit["Service.Type"], unit["Service.NotifyAccess"]) == (["notify"], ["main"])
    assert int(unit["Service.WatchdogSec"][0]) >= 30
    assert int(unit["Service.TimeoutStartSec"][0]) >= 300


def test_no_secret_is_in_a_unit() -> None:
    for unit in UNITS:
        text = unit.read_text().lower()
        assert not any(word in text for word in ("token", "password", "secret", "passphrase")), unit.name


@pytest.mark.parametrize("role", ["master", "worker"])
def test_a_preset_names_units_that_are_there_and_can_be_enabled(role: str) -> None:
    names = {unit.name for unit in UNITS}
    ours = [name for name in listed(role, "enable") if name.startswith("edge")]
    assert set(ours) - names == set()
    for name in ours:
        assert "Install.WantedBy" in values(SYSTEMD / "system" / name), f"{name} cannot be enabled"
    assert set(listed(role, "enable")) & set(listed(role, "disable")) == set()


def test_a_master_enables_everything_that_can_be_enabled() -> None:
    installable = {unit.name for unit in UNITS if "Install.WantedBy" in values(unit)}
    assert installable - set(listed("master", "enable")) == set()
    assert set(listed("worker", "enable")) - set(listed("master", "enable")) == set()


def test_programs_are_where_the_installation_puts_them() -> None:
    for unit in UNITS:
        for key, lines in values(unit).items():
            for line in lines if key.startswith("Service.Exec") else ():
                program = line.split()[0].lstrip("-+")
                assert program.startswith(("/opt/edge/bin/", "/usr/local/lib/edge/", "/usr/bin/", "/usr/sbin/",
                                           "/bin/"))
                if program.startswith("/usr/local/lib/edge/"):
                    assert (SYSTEMD / "edge" / Path(program).name).stat().st_mode & 0o111


def test_drop_ins_and_settings_are_well_formed() -> None:
    for path in (*SYSTEMD.glob("journald.conf.d/*"), *SYSTEMD.glob("system/*.d/*.conf")):
        parser = configparser.RawConfigParser(strict=False)
        parser.read_string(path.read_text())
        assert parser.sections(), path
