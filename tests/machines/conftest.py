"""Four machines with systemd, made a rack by Ansible over SSH from a laptop, and broken in the ways racks break.

Machines are containers that boot Debian's systemd from a card (a container's file system) and have a network stack, a
switch, cables and a home network of their own. They have no way to the internet: everything they get comes from the
laptop's cache.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.api import times as api_times
from edge.clock import SystemClock
from tests.machines import image, playbooks, reliability
from tests.machines.home import Home
from tests.machines.laptop import ROOT, Laptop
from tests.machines.machine import BOARDS, WORKERS, Machines
from tests.machines.wires import Wires

NAME = os.environ.get("EDGE_MACHINES_NAME", "edgem")
KEEP = bool(os.environ.get("EDGE_MACHINES_KEEP"))
"""Use the machines that are up already and leave them up: for working on tests."""
STATE = Path(f"/var/lib/{NAME}-machines")
TIMES = STATE / "times.json"
NEEDED = ("podman", "mmdebstrap", "ssh", "ssh-keygen", "dnsmasq", "busybox", "nsenter")
NAMES = tuple(BOARDS)
SAMPLE_REPLICAS = 3


@dataclass(slots=True)
class Rack:
    """The rack under test, driven as a person drives it: from the laptop, and by its plugs and cables."""

    machines: Machines
    laptop: Laptop
    home: Home
    times: dict[str, float] = field(default_factory=dict)
    """Seconds from each fault until the sample answered again and every node was Ready."""
    first_run: str = ""
    """What the first run of site.yml has printed."""

    def ready(self) -> set[str]:
        """Return the names of the nodes that are Ready."""
        return {node["metadata"]["name"] for node in self.laptop.get("nodes")["items"] if is_ready(node)}

    def heard(self, since: datetime) -> set[str]:
        """Return the names of the nodes that are Ready and have been heard since: of others the API only remembers."""
        leases = self.laptop.get("leases", "-n", "kube-node-lease")["items"]
        fresh = {lease["metadata"]["name"] for lease in leases if api_times.parse(lease["spec"]["renewTime"]) > since}
        return fresh & self.ready()

    def sample_answers(self) -> bool:
        """Return whether the sample answers a browser in the home network."""
        return self.laptop.fetch(f"http://{self.home.master_address()}/").startswith("hello from")

    def healed(self, fault: str, began: float, seconds: float = 180, nodes: tuple[str, ...] = NAMES) -> None:
        """Wait until all is well again, and note how long that took: every node was heard and every pod answers."""
        since = SystemClock().now() - timedelta(seconds=time.monotonic() - began)
        until(lambda: self.heard(since) >= set(nodes), seconds, f"after {fault}: not all nodes are Ready", self.report)
        # Each request meets one of the pods by chance.
        until(lambda: all(self.sample_answers() for _ in range(2 * SAMPLE_REPLICAS)), seconds,
              f"after {fault}: the sample does not answer", self.report)
        self.times[fault] = time.monotonic() - began

    def report(self) -> str:
        """Return what a person would look at, for the message of a failed test."""
        parts = [self.laptop.run("kubectl", "get", "nodes,pods,csr", "-A", "-o", "wide", check=False).stdout]
        for name in NAMES:
            parts.append(f"--- {name}\n" + self.machines.shell(
                name, "systemctl --failed --no-legend; ip -br address; "
                "journalctl -q -u 'edge-*' -n 25 --no-pager -o short-monotonic", check=False, timeout=20))
        return "\n".join(parts)


def is_ready(obj: dict[str, Any]) -> bool:
    """Return whether a node or pod has the condition Ready."""
    return any(condition["type"] == "Ready" and condition["status"] == "True"
               for condition in obj.get("status", {}).get("conditions", []))


def until(condition: Callable[[], Any], seconds: float, what: str, report: Callable[[], str] = str) -> Any:
    """Wait until the condition gives something true, and return that; fail with `what` and a report after `seconds`."""
    deadline = time.monotonic() + seconds
    problem = ""
    while True:
        try:
            if result := condition():
                return result
        except (AssertionError, msgspec.DecodeError, subprocess.TimeoutExpired) as error:
            problem = str(error)[-2000:]
        if time.monotonic() > deadline:
            pytest.fail(f"after {seconds:.0f} s: {what}\n{problem}\n{report()}")
        time.sleep(0.5)


@pytest.fixture(scope="session")
def rack() -> Iterator[Rack]:
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if not (Path(sys.executable).parent / "ansible-playbook").exists():
        missing.append("ansible-playbook")
    if os.geteuid() != 0 or missing:
        pytest.skip(f"needs root and {', '.join(missing) or 'nothing else'}")
    STATE.mkdir(exist_ok=True, mode=0o700)
    if not (KEEP and (STATE / "kept").exists()):
        _remove(_rack())
    rack = _rack()
    if KEEP and (STATE / "kept").exists():
        rack.machines.take_over()
        rack.machines.mend()
        rack.home.start()
        until(rack.sample_answers, 150, "the sample of the machines that were kept does not answer", rack.report)
        rack.times.update(msgspec.json.decode(TIMES.read_bytes()) if TIMES.exists() else {})
        yield rack
        _report(rack)
        rack.home.stop()
        return
    try:
        _set_up(rack)
        yield rack
        _report(rack)
    finally:
        if KEEP:
            rack.home.stop()
        else:
            _remove(rack)


def _report(rack: Rack) -> None:
    TIMES.write_bytes(msgspec.json.encode(rack.times))
    if os.environ.get("EDGE_WRITE_DOCS"):
        (ROOT / "docs/reliability.md").write_text(reliability.page(rack.times))


def _rack() -> Rack:
    wires = Wires(NAME)
    return Rack(Machines(wires, STATE), Laptop(wires, STATE), Home(wires, STATE))


def _set_up(rack: Rack) -> None:
    """The book's order: flash all cards, the master alone first, the others once it hands out addresses."""
    image.ready()
    cache = playbooks.cache()
    rack.machines.wires.make_bridges()
    rack.laptop.set_up()
    rack.home.start()
    for name in BOARDS:
        rack.machines.flash(name, rack.laptop.public_key)
    rack.machines.power_on("master")
    until(lambda: rack.laptop.ssh("master", "true", check=False).returncode == 0, 60, "no SSH on the master")
    began = time.monotonic()
    with rack.machines.on_dhcp(board.name for board in WORKERS):
        rack.first_run = playbooks.play(rack.laptop, "site.yml", f"edge_offline_cache={cache}", timeout=1500)
    rack.times["four flashed cards become a rack (site.yml)"] = time.monotonic() - began
    (STATE / "site.log").write_text(rack.first_run)
    _sample(rack)
    (STATE / "kept").touch()


def _sample(rack: Rack) -> None:
    archive = STATE / "hello.tar"
    subprocess.run(["sh", str(ROOT / "examples/hello/build"), str(archive)], check=True, capture_output=True,
                   env={**os.environ, "CONTAINERS_CONF": str(STATE / "containers.conf")})
    rack.laptop.edgectl("image", "load", str(archive))
    rack.laptop.kubectl("apply", "-f", str(ROOT / "examples/hello/hello.yaml"))
    rack.laptop.kubectl("rollout", "status", "deployment/hello", "--timeout=90s")
    until(rack.sample_answers, 60, "the sample does not answer", rack.report)


def _remove(rack: Rack) -> None:
    rack.home.stop()
    rack.machines.remove()
    shutil.rmtree(STATE / "laptop", ignore_errors=True)
    (STATE / "kept").unlink(missing_ok=True)
