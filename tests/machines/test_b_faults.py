"""The book's closing exercise: reboot machines, pull cables, pull plugs; after each the rack heals by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.machines import image
from tests.machines.conftest import NAMES, Rack, is_ready, until
from tests.machines.home import PAGE, get
from tests.machines.laptop import MASTER
from tests.machines.machine import WORKERS
from tests.machines.wires import HOME_ROUTER

OTHER_ADDRESS = "192.168.43.77"
READY_NODES = "edgectl get nodes --no-headers | grep -c ' Ready'"


@pytest.fixture(autouse=True)
def mended(rack: Rack) -> Iterator[None]:
    """Whatever a test has found, the next one begins with machines that are on and cables that are in."""
    yield
    rack.machines.mend()


def spread(rack: Rack) -> None:
    """Have pods of the sample on every worker; those of a lost machine have gathered elsewhere."""
    rack.laptop.kubectl("rollout", "restart", "deployment/hello")
    rack.laptop.kubectl("rollout", "status", "deployment/hello", "--timeout=60s")
    until(lambda: all(running(rack, board.name) for board in WORKERS), 30, "a worker has no pod", rack.report)


def running(rack: Rack, name: str) -> list[str]:
    """Return the containers that run on a machine, asked at its own keyboard."""
    return rack.machines.shell(name, "podman ps --quiet", check=False).split()


def test_a_worker_reboots(rack: Rack) -> None:
    before, began = rack.machines.boot(name := "node-1"), time.monotonic()
    rack.machines.shell(name, "systemctl reboot", check=False)
    until(lambda: rack.machines.boot(name) not in ("", before), 90, f"{name} has not rebooted", rack.report)
    until(lambda: rack.machines.shell(name, "systemctl is-active edge-agent", check=False).strip() == "active", 60,
          "its agent does not run", rack.report)
    rack.healed("a worker is rebooted", began)


def test_the_master_reboots_and_the_workers_go_on(rack: Rack) -> None:
    before = {board.name: running(rack, board.name) for board in WORKERS}
    began = time.monotonic()
    rack.machines.shell("master", "systemctl reboot", check=False)
    until(lambda: not rack.sample_answers(), 60, "the master did not go away", rack.report)
    rack.healed("the master is rebooted", began)
    after = {board.name: running(rack, board.name) for board in WORKERS}
    assert {name: set(before[name]) & set(after[name]) for name in before} == {
        name: set(ids) for name, ids in before.items()}, "containers were started anew"


def test_a_workers_network_cable_is_pulled_and_put_back(rack: Rack) -> None:
    began = time.monotonic()
    rack.machines.unplug("node-2")
    until(lambda: "node-2" not in rack.ready(), 60, "node-2 was not missed", rack.report)
    rack.times["a pulled cable is noticed"] = time.monotonic() - began
    until(rack.sample_answers, 60, "the sample does not answer without node-2", rack.report)
    began = time.monotonic()
    rack.machines.plug("node-2")
    rack.healed("a worker's cable is put back", began)


def test_the_masters_rack_cable_is_pulled_and_put_back(rack: Rack) -> None:
    before = {board.name: running(rack, board.name) for board in WORKERS}
    rack.machines.unplug("master")
    until(lambda: rack.ready() <= {"master"}, 60, "the workers were not missed", rack.report)
    assert {board.name: running(rack, board.name) for board in WORKERS} == before
    began = time.monotonic()
    rack.machines.plug("master")
    rack.healed("the master's cable to the switch is put back", began)


def test_a_workers_plug_is_pulled(rack: Rack) -> None:
    began = time.monotonic()
    rack.machines.cut("node-3")
    until(lambda: "node-3" not in rack.ready(), 60, "node-3 was not missed", rack.report)
    until(lambda: len([pod for pod in rack.laptop.get("pods", "-l", "app=hello")["items"]
                       if is_ready(pod) and pod["spec"]["nodeName"] != "node-3"]) >= 3, 60,
          "its pods did not move", rack.report)
    rack.times["a dead worker's pods run elsewhere"] = time.monotonic() - began
    began = time.monotonic()
    rack.machines.power_on("node-3")
    rack.healed("a worker is powered on again", began)


def test_the_whole_rack_loses_power_and_comes_back_in_a_bad_order(rack: Rack) -> None:
    """The master last and late: the workers have been asking for an address all the time."""
    spread(rack)
    for name in NAMES:
        rack.machines.cut(name)
    began = time.monotonic()
    for board in reversed(WORKERS):
        rack.machines.power_on(board.name)
    until(lambda: all(running(rack, board.name) for board in WORKERS), 90, "a worker runs nothing without the master",
          rack.report)
    rack.times["workers run their pods without master and network"] = time.monotonic() - began
    began = time.monotonic()
    rack.machines.power_on("master")
    rack.healed("the whole rack is powered on, the master last", began, seconds=400)


def test_the_whole_rack_comes_back_at_once(rack: Rack) -> None:
    for name in NAMES:
        rack.machines.cut(name)
    began = time.monotonic()
    for name in NAMES:
        rack.machines.power_on(name)
    rack.healed("the whole rack is powered on at once", began, seconds=400)


def test_the_uplink_is_unplugged_and_nothing_in_the_rack_minds(rack: Rack) -> None:
    service = rack.laptop.get("service", "hello")["spec"]["clusterIP"]
    rack.machines.unplug("master", "wlan0")
    try:
        until(lambda: rack.laptop.run("ping", "-c", "1", "-W", "1", MASTER, check=False).returncode != 0, 30,
              "the uplink still works")
        assert "10.0.0.1" in rack.machines.shell("node-1", "getent ahostsv4 master")
        assert rack.machines.shell("node-1", "getent ahostsv4 node-2")
        assert rack.machines.shell("node-1", get(service)).startswith("hello from")
        assert rack.machines.shell("master", READY_NODES).strip() == "4"
    finally:
        began = time.monotonic()
        rack.machines.plug("master", "wlan0")
    rack.healed("the uplink is put back", began)


def test_the_uplink_gets_another_address(rack: Rack) -> None:
    rack.home.stop()
    rack.home.start(master=OTHER_ADDRESS)
    began = time.monotonic()
    rack.machines.unplug("master", "wlan0")
    rack.machines.plug("master", "wlan0")
    try:
        until(rack.sample_answers, 150, "the sample does not answer at the new address", rack.report)
        rack.times["the uplink has another address"] = time.monotonic() - began
        assert rack.machines.shell("master", READY_NODES).strip() == "4"
    finally:
        rack.home.stop()
        rack.home.start()
        rack.machines.unplug("master", "wlan0")
        rack.machines.plug("master", "wlan0")
    until(rack.sample_answers, 150, "the sample does not answer at the old address", rack.report)
    until(lambda: rack.ready() == set(NAMES), 60, "not all nodes are Ready", rack.report)


KILLED = ("edge-server", "edge-broker", "edge-dhcp")


@pytest.mark.parametrize("unit", KILLED)
def test_a_program_of_the_master_is_killed(rack: Rack, unit: str) -> None:
    began = time.monotonic()
    rack.machines.shell("master", f"systemctl kill --signal KILL {unit}.service")
    until(lambda: rack.machines.shell("master", f"systemctl is-active {unit}", check=False).strip() == "active", 30,
          f"{unit} is not back", rack.report)
    rack.healed(f"{unit} is killed", began)


def test_a_frozen_server_is_started_anew_by_the_watchdog(rack: Rack) -> None:
    def pid() -> str:
        return rack.machines.shell("master", "systemctl show --property MainPID --value edge-server").strip()

    before, began = pid(), time.monotonic()
    rack.machines.shell("master", "systemctl kill --signal STOP edge-server.service")
    until(lambda: pid() not in (before, "0"), 180, "the watchdog did nothing", rack.report)
    rack.healed("edge-server hangs", began)


def test_an_agent_restart_leaves_containers_alone(rack: Rack) -> None:
    before = running(rack, "node-1")
    for command in ("systemctl restart edge-agent", "systemctl restart podman.service",
                    "systemctl kill --signal KILL edge-agent"):
        rack.machines.shell("node-1", command, timeout=200)
    rack.healed("a worker's agent and Podman are started anew", time.monotonic())
    assert set(before) <= set(running(rack, "node-1"))


FOREIGN: tuple[tuple[str, Callable[[Rack], object]], ...] = (
    ("nft flush ruleset", lambda rack: rack.machines.shell("master", "nft flush ruleset")),
    ("our table is deleted", lambda rack: rack.machines.shell("master", "nft delete table inet edge-rack")),
)


@pytest.mark.parametrize(("what", "do"), FOREIGN, ids=[name for name, _ in FOREIGN])
def test_foreign_firewalls_are_survived(rack: Rack, what: str, do: Callable[[Rack], object]) -> None:
    began = time.monotonic()
    do(rack)
    until(lambda: PAGE in rack.machines.shell("node-2", get(HOME_ROUTER), check=False), 150,
          f"{what}: workers do not reach the internet again", rack.report)
    rack.healed(f"packet rules are flushed on the master ({what})", began)
    assert rack.laptop.ssh("node-1", "id -un").stdout.strip() == image.USER
