"""Settings read in a child process: the same values and the same words, and no pydantic in the program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge import config

SERVER = ("edge.server.settings", "ServerSettings")


def test_sections_and_defaults_come_over(tmp_path: Path) -> None:
    path = tmp_path / "server.toml"
    path.write_text('data_dir = "/data"\n[bus]\nhost = "10.0.0.1"\n')
    settings = config.load_apart(path, *SERVER)
    assert (settings.data_dir, settings.bus.host, settings.bus.port) == (Path("/data"), "10.0.0.1", 8883)
    assert settings.network.load_balancer_addresses == ("uplink",)


def test_problems_are_told_in_the_same_words(tmp_path: Path) -> None:
    path = tmp_path / "server.toml"
    path.write_text('[bus]\nhots = "10.0.0.1"\n')
    with pytest.raises(config.ConfigError, match=r"server\.toml: bus\.hots: Extra inputs are not permitted"):
        config.load_apart(path, *SERVER)
    with pytest.raises(config.ConfigError, match="no such file"):
        config.load_apart(tmp_path / "nowhere.toml", *SERVER)


def test_a_child_that_fails_is_an_error_too(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(config.ConfigError, match="the process that reads it failed"):
        config.load_apart(tmp_path / "x.toml", "edge.server.settings", "NoSuchModel")


@pytest.mark.parametrize("program", ["edge.server.main", "edge.agent.main"])
def test_programs_do_not_load_pydantic(program: str) -> None:
    script = f"import sys, {program}; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_devices_come_over_as_plain_values(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text('node_name = "n"\n[devices."edge.pi/zigbee"]\npaths = ["/dev/ttyUSB*"]\nshare = 2\n'
                    '[devices."edge.pi/gpio"]\nenabled = false\n')
    settings = config.load_apart(path, "edge.agent.settings", "Settings")
    zigbee, pins = settings.devices["edge.pi/zigbee"], settings.devices["edge.pi/gpio"]
    assert (zigbee.paths, zigbee.share, zigbee.together, zigbee.enabled) == (("/dev/ttyUSB*",), 2, False, True)
    assert pins.enabled is False
    assert settings.static_pod_dir == Path("/etc/edge/manifests")


@pytest.mark.parametrize(("text", "problem"), [
    ('[devices.zigbee]\npaths = ["/dev/x"]', "is not the name of a resource"),
    ('[devices."edge.pi/zigbee"]', "has no paths"),
    ('[devices."edge.pi/zigbee"]\npaths = ["/etc/passwd"]', "is not below /dev"),
    ('[devices."edge.pi/zigbee"]\npaths = ["/dev/../etc/passwd"]', "is not below /dev"),
    ('[devices."edge.pi/gpio"]\nshare = -1', "greater than or equal to 0"),
    ('[devices."edge.pi/gpio"]\nshared = 1', "Extra inputs are not permitted"),
])
def test_wrong_devices_are_named(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(f'node_name = "n"\n{text}\n')
    with pytest.raises(config.ConfigError, match=problem):
        config.load_apart(path, "edge.agent.settings", "Settings")
