"""A master in a network namespace: a switch with a worker on one side, a home network on the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

MASTER, WORKER, HOME = "edge-try-master", "edge-try-worker", "edge-try-home"
CHILD_SECONDS = 60


@dataclass(slots=True)
class Site:
    """Three namespaces and the master's directory."""

    directory: Path

    @property
    def settings(self) -> Path:
        return self.directory / "rack.toml"

    def configure(self, more: str = "", dhcp: str = "") -> None:
        """Write the settings: everything in this directory, and no network manager."""
        names = ("pki", "state", "run", "wishes", "config", "etc")
        self.settings.write_text("\n".join((
            'interface = "eth0"', 'manager = "none"', 'broker_user = "root"', 'server_user = "root"',
            "serve_time = false", *(f'{name}_dir = "{self.directory / name}"' for name in names), more,
            "[dhcp]", dhcp)))

    def rack(self, *arguments: str, code: int | None = 0) -> str:
        """Run edge-rack on the master and return what it printed."""
        ran = self.inside(MASTER, sys.executable, "-m", "edge.rack.main", arguments[0], "--config", str(self.settings),
                          *arguments[1:])
        if code is not None:
            assert ran.returncode == code, ran.stdout + ran.stderr
        return ran.stdout + ran.stderr

    def problems(self) -> list[str]:
        """Return the reasons `edge-rack check` names."""
        return [each["reason"] for each in json.loads(self.rack("check", "-o", "json", code=None))["problems"]]

    def inside(self, namespace: str, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["ip", "netns", "exec", namespace, *argv], capture_output=True, text=True, check=False,
                              timeout=CHILD_SECONDS, cwd=Path(__file__).parents[3])

    def ip(self, namespace: str, *argv: str) -> str:
        ran = subprocess.run(["ip", "-n", namespace, *argv], capture_output=True, text=True, check=False, timeout=30)
        assert ran.returncode == 0, (argv, ran.stderr)
        return ran.stdout

    def reaches(self, namespace: str, address: str) -> bool:
        """Return whether a ping is answered."""
        return self.inside(namespace, "busybox", "ping", "-c", "1", "-W", "1", address).returncode == 0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    made = Site(tmp_path)
    made.configure()
    names = (MASTER, WORKER, HOME)
    remove(names)
    try:
        for name in names:
            subprocess.run(["ip", "netns", "add", name], check=True)
            made.ip(name, "link", "set", "lo", "up")
        wire(made)
        yield made
    finally:
        remove(names)


def wire(site: Site) -> None:
    """Plug in the switch's cable and the uplink."""
    for link, other, theirs, address in (("eth0", WORKER, "eth0", "10.0.0.2/24"),
                                         ("wlan0", HOME, "lan0", "192.168.77.1/24")):
        site.ip(MASTER, "link", "add", link, "type", "veth", "peer", "name", theirs, "netns", other)
        site.ip(other, "address", "add", address, "dev", theirs)
        site.ip(other, "link", "set", theirs, "up")
    site.ip(WORKER, "route", "add", "default", "via", "10.0.0.1")
    connect(site)


def connect(site: Site, address: str = "192.168.77.7/24") -> None:
    """Give the uplink its address and the way to the home router."""
    site.ip(MASTER, "address", "add", address, "dev", "wlan0")
    site.ip(MASTER, "link", "set", "wlan0", "up")
    site.ip(MASTER, "route", "add", "default", "via", "192.168.77.1", "metric", "600")


def remove(names: tuple[str, ...]) -> None:
    for name in names:
        if Path("/run/netns", name).exists():
            subprocess.run(["ip", "netns", "delete", name], check=False)
