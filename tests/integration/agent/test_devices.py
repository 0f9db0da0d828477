"""Pods that ask for devices, on a made-up board: who gets which, and what happens when they come and go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.agent.board import Board
from edge.agent.loop import Agent
from edge.api import core, meta
from edge.component import Supervisor
from edge.runtime.containers import ContainerSpec, Device, RuntimeFailure, State
from tests.fakes import board
from tests.fakes.node import FakeNode, pod


class Node(FakeNode):
    """A Pi 3 with one serial port on its header."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.machine = board.pi_3(directory / "root")
        self.prepare = self._prepare

    def _prepare(self, agent: Agent, supervisor: Supervisor) -> None:
        made = Board((), agent.claims, agent.reporter, self.clock, changed=agent.devices_changed,
                     root=self.machine.root, is_device=self.machine.is_device)
        agent.watch.ask(made)
        supervisor.start("board", made.run)

    async def ask(self, name: str, resource: str = "serial", amount: str = "1") -> None:
        asked: dict[str, meta.Quantity] = {f"edge.pi/{resource}": amount}
        await self.want(pod(name, f"uid-{name}", resources=core.ResourceRequirements(limits=asked, requests=asked)))

    def has(self) -> dict[str, str]:
        """Return the devices of the containers that run, by pod."""
        return {self.runtime.specs[each.id].pod_name: each.labels.get("edge.devices", "").replace("edge.pi/", "")
                for each in self.runtime.containers.values() if each.state is State.RUNNING}

    def spec(self, name: str) -> ContainerSpec:
        return self.runtime.specs[self.runtime.by_name(name).id]

    def waits(self, name: str) -> tuple[str, str]:
        statuses = self.status(f"uid-{name}").container_statuses
        waiting = statuses[0].state.waiting if statuses else None
        return (waiting.reason, waiting.message) if waiting is not None else ("", "")

    def capacity(self) -> dict[str, meta.Quantity]:
        assert self.agent.watch.status is not None
        return self.agent.watch.status.allocatable


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    made = Node(tmp_path)
    yield made
    await made.stop()


async def test_a_pod_gets_its_device(node: Node) -> None:
    await node.ask("a")
    await node.start()
    await node.until(lambda: node.has() == {"a": "serial=ttyS0"})
    spec = node.spec("a")
    assert spec.devices == (Device("/dev/ttyS0", "/dev/ttyS0"), Device("/dev/ttyS0", "/dev/serial0"))
    assert dict(spec.env)["EDGE_PI_SERIAL"] == "/dev/ttyS0"
    await node.until(lambda: node.capacity().get("edge.pi/serial") == "1")
    assert node.capacity()["edge.pi/gpio"] == "10"


async def test_only_one_of_two_gets_it_and_the_other_waits(node: Node) -> None:
    await node.ask("a")
    await node.ask("b")
    await node.start()
    await node.until(lambda: len(node.has()) == 1)
    (winner,) = node.has()
    loser = "b" if winner == "a" else "a"
    text = "requested number of devices unavailable for edge.pi/serial. Requested: 1, Available: 0"
    await node.until(lambda: node.waits(loser) == ("CreateContainerConfigError", text))
    await node.pass_time(30)
    assert node.has() == {winner: "serial=ttyS0"}
    assert [each for each in node.events() if text in each[1]] == [("Failed", f"Error: {text}")]
    del node.pods[f"uid-{winner}"]
    await node.serve()
    await node.until(lambda: node.has() == {loser: "serial=ttyS0"}, seconds=90)


async def test_many_share_the_pins(node: Node) -> None:
    for number in range(11):
        await node.ask(f"p{number}", "gpio")
    await node.start()
    await node.until(lambda: len(node.has()) == 10)
    await node.pass_time(20)
    assert len(node.has()) == 10


async def test_a_restart_of_the_agent_loses_nothing(node: Node) -> None:
    await node.ask("a")
    await node.start()
    await node.until(lambda: node.has() == {"a": "serial=ttyS0"})
    await node.stop()
    await node.ask("b")
    await node.start()
    await node.pass_time(30)
    assert node.has() == {"a": "serial=ttyS0"}
    assert node.waits("b")[0] == "CreateContainerConfigError"


async def test_a_container_that_crashes_gets_its_device_back(node: Node) -> None:
    node.machine.nodes("ttyUSB0")
    await node.ask("a")
    await node.start()
    await node.until(lambda: node.has() == {"a": "serial=ttyS0"})
    await node.ask("b")
    await node.until(lambda: node.has() == {"a": "serial=ttyS0", "b": "serial=ttyUSB0"})
    for _ in range(3):
        node.runtime.exit("b", 1)
        await node.until(lambda: "b" not in node.has())
        await node.until(lambda: node.has().get("b") == "serial=ttyUSB0", seconds=120)


async def test_a_device_that_is_plugged_in_lets_a_pod_start(node: Node) -> None:
    await node.ask("a", amount="2")
    await node.start()
    await node.until(lambda: node.waits("a")[0] == "CreateContainerConfigError")
    node.machine.nodes("ttyUSB0")
    await node.until(lambda: node.has() == {"a": "serial=ttyS0,serial=ttyUSB0"}, seconds=20)
    await node.until(lambda: node.capacity()["edge.pi/serial"] == "2")


async def test_a_device_that_goes_is_told_once_and_its_container_runs_on(node: Node) -> None:
    node.machine.nodes("ttyUSB0")
    await node.ask("a", amount="2")
    await node.start()
    await node.until(lambda: len(node.has()) == 1)
    node.machine.pull("ttyUSB0")
    said = ("DeviceLost", "Device ttyUSB0 (edge.pi/serial) of container a is gone")
    await node.until(lambda: said in node.events(), seconds=20)
    await node.pass_time(60)
    assert node.events().count(said) == 1
    assert node.has() == {"a": "serial=ttyS0,serial=ttyUSB0"}
    await node.until(lambda: node.capacity()["edge.pi/serial"] == "1")


async def test_a_refused_creation_frees_the_device(node: Node) -> None:
    node.runtime.fail = lambda call: RuntimeFailure("no") if call == "create a" else None
    await node.ask("a")
    await node.start()
    await node.until(lambda: node.waits("a")[0] == "CreateContainerError")
    await node.ask("b")
    await node.until(lambda: node.has() == {"b": "serial=ttyS0"})
