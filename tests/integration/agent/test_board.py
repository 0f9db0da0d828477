"""The board as the agent looks at it: made-up boards in a directory, whose devices come and go."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.agent.board import Board
from edge.agent.device_claims import Claims
from edge.agent.devices import Rule
from edge.agent.reporter import Reporter
from edge.api import core
from edge.bus import messages, topics
from tests.fakes import board
from tests.fakes.board import FakeBoard
from tests.fakes.bus import FakeBroker
from tests.fakes.clock import FakeClock


class Looked:
    """A board with an agent's part that looks at it."""

    def __init__(self, machine: FakeBoard, *given: Rule, program: str | None = None) -> None:
        self.machine, self.claims, self.clock = machine, Claims(), FakeClock()
        self.broker = FakeBroker()
        self.bus = self.broker.bus()
        self.reporter = Reporter(self.bus, self.clock, "node-1", "boot")
        self.changes = 0
        self.asked: list[str] = []
        self._program = program
        self.board = Board(given, self.claims, self.reporter, self.clock, changed=self._changed, root=machine.root,
                           is_device=machine.is_device, find_program=self._find)

    def _find(self, name: str) -> str | None:
        self.asked.append(name)
        return self._program

    def _changed(self) -> None:
        self.changes += 1

    async def events(self) -> list[tuple[str, str]]:
        await self.bus.start()
        await self.reporter.flush()
        found = [messages.decode(messages.ReportedEvent, each.payload) for each in self.broker.published
                 if each.topic == topics.events("node-1")]
        return [(event.reason, event.uid) for event in found]

    def statuses(self) -> dict[str, str]:
        return {condition.type: condition.status for condition in self.board.facts().conditions}


def program(directory: Path, script: str) -> str:
    path = directory / "vcgencmd"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(stat.S_IRWXU)
    return str(path)


def test_facts_are_there_from_the_beginning(tmp_path: Path) -> None:
    facts = Looked(board.pi_4(tmp_path / "root")).board.facts()
    assert facts.labels["edge.pi/board"] == "raspberry-pi-4-model-b"
    assert facts.labels["edge.pi/revision"] == "c03114"
    assert facts.capacity["edge.pi/camera"] == "1"


@pytest.mark.parametrize("make", [board.pi_3, board.pi_4, board.pi_5])
async def test_the_kernel_tells_how_a_board_fares(make: Callable[[Path], FakeBoard], tmp_path: Path) -> None:
    looked = Looked(make(tmp_path / "root"))
    await looked.board.look_at_health(ask_program=True)
    assert looked.statuses() == {"HighTemperature": "False", "Throttled": "False", "UnderVoltage": "False"}
    assert looked.asked == [], "the firmware's program is not even looked for"
    assert await looked.events() == []


async def test_a_machine_that_is_no_board_is_left_alone(tmp_path: Path) -> None:
    looked = Looked(board.pc(tmp_path / "root"))
    await looked.board.look_at_health(ask_program=True)
    assert (looked.statuses(), looked.asked) == ({}, [])
    assert looked.board.facts().capacity == {}
    assert looked.board.facts().labels == {}


async def test_trouble_is_told_once(tmp_path: Path) -> None:
    machine = board.pi_5(tmp_path / "root")
    looked = Looked(machine)
    await looked.board.look_at_health(ask_program=False)
    machine.throttled(0x50005, "soc@107c000000/soc@107c000000:firmware")
    machine.temperature(81.5)
    for _ in range(3):
        await looked.board.look_at_health(ask_program=False)
    assert looked.statuses() == {"HighTemperature": "True", "Throttled": "True", "UnderVoltage": "True"}
    assert sorted(await looked.events()) == [("BoardIsHot", ""), ("ProcessorThrottled", ""),
                                             ("UnderVoltageDetected", "")]


async def test_the_alarm_of_the_power_supply(tmp_path: Path) -> None:
    machine = board.zero_2(tmp_path / "root")
    looked = Looked(machine)
    await looked.board.look_at_health(ask_program=False)
    assert looked.statuses() == {"HighTemperature": "False", "UnderVoltage": "False"}
    machine.write("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n")
    await looked.board.look_at_health(ask_program=False)
    assert looked.statuses()["UnderVoltage"] == "True"


async def test_the_firmwares_program_is_asked_where_the_kernel_is_silent(tmp_path: Path) -> None:
    machine = board.zero_2(tmp_path / "root")
    asked = tmp_path / "asked"
    looked = Looked(machine, program=program(tmp_path, f"echo $1 >> {asked}; echo throttled=0x4"))
    await looked.board.look_at_health(ask_program=False)
    assert not asked.exists()
    await looked.board.look_at_health(ask_program=True)
    assert looked.statuses()["Throttled"] == "True"
    assert asked.read_text() == "get_throttled\n", "the kernel tells the temperature"


@pytest.mark.parametrize("script", ["exit 1", "echo VCHI initialization failed", "kill -9 $$"])
async def test_a_program_that_fails_says_nothing(script: str, tmp_path: Path) -> None:
    looked = Looked(board.zero_2(tmp_path / "root"), program=program(tmp_path, script))
    await looked.board.look_at_health(ask_program=True)
    assert looked.statuses() == {"HighTemperature": "False", "UnderVoltage": "False"}


async def test_a_program_that_cannot_be_started_is_not_asked_again(tmp_path: Path) -> None:
    looked = Looked(board.zero_2(tmp_path / "root"), program=str(tmp_path / "none"))
    for _ in range(2):
        await looked.board.look_at_health(ask_program=True)
    assert "Throttled" not in looked.statuses()


@pytest.mark.parametrize("content", ["", "nonsense", "99999999999999999999999999", "-5"])
async def test_nonsense_from_the_kernel(content: str, tmp_path: Path) -> None:
    machine = board.pi_4(tmp_path / "root")
    machine.write("sys/class/thermal/thermal_zone0/temp", content)
    machine.write("sys/devices/platform/soc/soc:firmware/get_throttled", "zz")
    looked = Looked(machine)
    await looked.board.look_at_health(ask_program=False)
    assert "Throttled" not in looked.statuses()


def test_a_device_that_is_plugged_in_and_out(tmp_path: Path) -> None:
    machine = board.pi_3(tmp_path / "root")
    looked = Looked(machine)
    looked.board.look_at_devices()
    assert looked.board.facts().capacity["edge.pi/serial"] == "1"
    machine.nodes("ttyUSB0")
    assert looked.board.look_at_devices()
    assert looked.board.facts().capacity["edge.pi/serial"] == "2"
    assert [unit.name for unit in looked.claims.offers["edge.pi/serial"]] == ["ttyS0", "ttyUSB0"]
    machine.pull("ttyUSB0")
    assert looked.board.look_at_devices()
    assert looked.board.facts().capacity["edge.pi/serial"] == "1"
    assert not looked.board.look_at_devices()


def test_a_group_that_is_given_a_moment_later_is_seen(tmp_path: Path) -> None:
    """The kernel makes the node, and udev gives it its group when that has been told."""
    machine = board.pi_3(tmp_path / "root")
    looked = Looked(machine)
    machine.nodes("ttyUSB0")
    assert looked.board.look_at_devices()
    node = machine.root / "dev/ttyUSB0"
    try:
        os.chown(node, -1, 4242)
    except PermissionError as error:
        pytest.skip(f"only root gives files away: {error}")
    assert looked.board.look_at_devices()
    assert looked.claims.offers["edge.pi/serial"][1].nodes[0].group == 4242


def test_a_stick_with_a_name_of_its_own_in_a_directory_that_comes_later(tmp_path: Path) -> None:
    machine = board.pc(tmp_path / "root")
    looked = Looked(machine, Rule(resource="edge.pi/zigbee", paths=("/dev/serial/by-id/*Zigbee*",)))
    assert looked.board.facts().capacity == {"edge.pi/zigbee": "0"}
    machine.nodes("ttyUSB0")
    machine.link("dev/serial/by-id/usb-Zigbee", "dev/ttyUSB0")
    assert looked.board.look_at_devices()
    assert looked.board.facts().capacity == {"edge.pi/zigbee": "1"}


def test_facts_are_no_more_than_a_node_may_say(tmp_path: Path) -> None:
    facts = Looked(board.pi_4(tmp_path / "root")).board.facts()
    assert facts.annotations == {}
    assert isinstance(core.NodeStatus(capacity=dict(facts.capacity)), core.NodeStatus)
