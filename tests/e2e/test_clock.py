"""A board without a clock: its agent believes that it is years ago, joins and runs pods all the same, and learns the
time while they run."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import objects
from tests.e2e.conftest import Rack, is_ready, until
from tests.e2e.objects import LAB, here, switch

NODE = "node-3"
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
pytestmark = pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed: Debian's faketime")

BOOT = """import sys
from dataclasses import replace
from pathlib import Path
from edge.lab import host, machines, power, topology, wires
lab, node, library, shown = topology.Lab(Path(sys.argv[1]), sys.argv[2]), *sys.argv[3:]
wires.plug_in(lab, node, topology.links(node))
machine = machines.describe(lab, node, host.program_directory())
behind = {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": shown, "FAKETIME_CACHE_DURATION": "1",
          "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
services = [replace(each, argv=("setpriv", "--bounding-set=-sys_time", *each.argv),
                    environment={**each.environment, **behind}) if each.name == "edge-agent" else each
            for each in machine.services]
power.switch_on(lab, replace(machine, services=tuple(services)), host.cgroups(Path("/proc/mounts").read_text()))
"""
"""Switches a machine on whose agent has a clock of its own, which it cannot set, as in its unit on a Pi."""


@pytest.fixture
def flashed(rack: Rack) -> Iterator[Rack]:
    """node-3 is off, with a card that was flashed anew; at the end it is a member with the right time."""
    switch(NODE, on=False)
    shutil.rmtree(LAB.directory(NODE) / "data/agent/identity")
    token: str = json.loads(rack.edgectl("token", "create", "-o", "json").stdout)["token"]
    (LAB.directory(NODE) / "etc/bootstrap-token").write_text(token)
    yield rack
    switch(NODE, on=False)
    switch(NODE, on=True)
    rack.until_back(NODE, 90)


def clocks(rack: Rack, level: str) -> str:
    """Return what doctor says of the nodes' clocks at that level."""
    results = json.loads(rack.edgectl("doctor", "-o", "json", check=False).stdout)["results"]
    return "".join(each["says"] for each in results if (each["check"], each["level"]) == ("clocks-of-nodes", level))


def test_a_board_without_a_clock_joins_and_runs_pods(flashed: Rack, namespace: str, tmp_path: Path) -> None:
    rack, since, shown = flashed, len(flashed.log(NODE, "edge-agent")), tmp_path / "shown"
    shown.write_text("-1000d\n")
    here(sys.executable, "-c", BOOT, str(LAB.state), LAB.prefix, NODE, str(LIBRARY), str(shown))
    until(lambda: rack.edgectl("node", "adopt", NODE, "--yes", check=False).returncode == 0, 90, "it does not ask")
    rack.until_back(NODE, 90)
    assert "the clock is behind and cannot be set" in rack.log(NODE, "edge-agent")[since:]
    web = objects.pod("web", objects.container("echo started; exec sleep 1000"), nodeName=NODE)
    objects.apply(rack, namespace, web)
    until(lambda: is_ready(rack.get("pod", "-n", namespace, "web")), 60, "the pod is not ready")
    assert rack.kubectl("logs", "-n", namespace, "web") == "started\n"
    said = until(lambda: clocks(rack, "problem"), 40, "nobody says that the clock is wrong")
    assert NODE in said
    before = rack.get("pod", "-n", namespace, "web")["status"]["containerStatuses"]
    # The rack tells the time, and almost three years go by at once.
    shown.write_text("+0\n")
    until(lambda: clocks(rack, "ok"), 60, "the clock is still said to be wrong")
    rack.until_back(NODE)
    assert rack.get("pod", "-n", namespace, "web")["status"]["containerStatuses"] == before
    assert is_ready(rack.get("pod", "-n", namespace, "web"))
