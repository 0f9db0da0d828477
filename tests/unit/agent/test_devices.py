"""Which devices boards offer: as a Pi 3, 4, 5, a Zero 2 and a PC show them, and with a person's own rules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.agent import device_listing, devices
from edge.agent.devices import Rule
from tests.fakes import board
from tests.fakes.board import FakeBoard


def offers(machine: FakeBoard, *given: Rule) -> devices.Offers:
    rules = devices.rules(given)
    return devices.offers(device_listing.read(machine.root, devices.patterns(rules), machine.is_device), rules)


def counts(machine: FakeBoard, *given: Rule) -> dict[str, int]:
    found = devices.capacity(offers(machine, *given))
    return {name.removeprefix("edge.pi/"): int(amount) for name, amount in found.items()}


def paths(unit: devices.Unit) -> list[str]:
    return [path.removeprefix("/dev/") for node in unit.nodes for path in (node.path, *node.aliases)]


@pytest.mark.parametrize(("make", "expected"), [
    (board.pi_3, {"gpio": 10, "i2c": 10, "spi": 10, "serial": 1}),
    (board.pi_4, {"gpio": 10, "i2c": 10, "spi": 10, "gpu": 10, "serial": 1, "camera": 1, "video": 1}),
    (board.pi_5, {"gpio": 10, "i2c": 10, "spi": 10, "serial": 1, "camera": 2}),
    (board.zero_2, {"gpio": 10, "i2c": 10, "spi": 10}),
    (board.pc, {}),
])
def test_what_a_board_offers(make: Callable[[Path], FakeBoard], expected: dict[str, int], tmp_path: Path) -> None:
    assert counts(make(tmp_path / "root")) == expected


def test_nothing_at_all(tmp_path: Path) -> None:
    assert counts(FakeBoard(tmp_path / "root")) == {}


def test_shared_devices_come_with_all_their_nodes(tmp_path: Path) -> None:
    (pins,) = offers(board.pi_5(tmp_path / "root"))[devices.GPIO]
    assert paths(pins) == ["gpiochip0", "gpiochip10", "gpiochip11", "gpiochip12", "gpiochip13", *(
        f"gpiomem{n}" for n in range(5))]


def test_bluetooth_keeps_its_port_and_the_header_port_has_two_names(tmp_path: Path) -> None:
    (port,) = offers(board.pi_3(tmp_path / "root"))[devices.SERIAL]
    assert paths(port) == ["ttyS0", "serial0"]
    assert port.shown == ("/dev/ttyS0",)


def test_the_console_is_not_given_away(tmp_path: Path) -> None:
    (port,) = offers(board.pi_4(tmp_path / "root"))[devices.SERIAL]
    assert paths(port) == ["ttyUSB0"]


def test_plugged_ports_are_offered_on_any_machine(tmp_path: Path) -> None:
    machine = board.pc(tmp_path / "root")
    machine.nodes("ttyACM0", "ttyUSB0", "ttyUSB10", "ttyUSB9")
    found = offers(machine)[devices.SERIAL]
    assert [unit.name for unit in found] == ["ttyACM0", "ttyUSB0", "ttyUSB9", "ttyUSB10"]


def test_a_camera_comes_with_the_picture_processors(tmp_path: Path) -> None:
    (camera,) = offers(board.pi_4(tmp_path / "root"))[devices.CAMERA]
    assert camera.shown == ("/dev/video0",)
    assert {"video0", "video1", "media0", "video13", "media1", "vchiq", "dma_heap/system", "v4l-subdev0"} \
        <= set(paths(camera))
    assert {"video2", "media5"} & set(paths(camera)) == set()


def test_two_cameras_do_not_share_their_own_nodes(tmp_path: Path) -> None:
    first, second = offers(board.pi_5(tmp_path / "root"))[devices.CAMERA]
    assert (first.name, second.name) == ("video0", "video8")
    assert set(paths(first)) & set(paths(second)) == {
        "video19", "video20", "media2", "dma_heap/system", "v4l-subdev0", "v4l-subdev1"}


def test_a_webcam_is_one_device_with_several_nodes(tmp_path: Path) -> None:
    (webcam,) = offers(board.pi_4(tmp_path / "root"))[devices.VIDEO]
    assert (webcam.name, paths(webcam)) == ("video2", ["media5", "video2", "video3"])


class TestRules:
    def test_a_resource_of_ones_own_takes_its_device_from_the_others(self, tmp_path: Path) -> None:
        machine = board.pi_4(tmp_path / "root")
        rule = Rule(resource="edge.pi/zigbee", paths=("/dev/serial/by-id/*Zigbee*",))
        found = offers(machine, rule)
        (stick,) = found["edge.pi/zigbee"]
        assert stick.name == "ttyUSB0"
        assert stick.shown == ("/dev/serial/by-id/usb-ITead_Sonoff_Zigbee-if00-port0",)
        assert stick.share == 1
        assert devices.SERIAL not in found

    def test_a_resource_of_ones_own_that_is_not_there_counts_nothing(self, tmp_path: Path) -> None:
        rule = Rule(resource="edge.pi/zigbee", paths=("/dev/ttyUSB7",))
        assert counts(board.pc(tmp_path / "root"), rule) == {"zigbee": 0}

    def test_switched_off(self, tmp_path: Path) -> None:
        found = counts(board.pi_3(tmp_path / "root"), Rule(resource=devices.GPIO, enabled=False))
        assert "gpio" not in found
        assert "i2c" in found

    def test_shared_among_more(self, tmp_path: Path) -> None:
        found = counts(board.pi_3(tmp_path / "root"), Rule(resource=devices.I2C, share=3),
                       Rule(resource=devices.SERIAL, share=2))
        assert (found["i2c"], found["serial"], found["gpio"]) == (3, 2, 10)

    def test_other_nodes_for_a_known_resource(self, tmp_path: Path) -> None:
        machine = board.pc(tmp_path / "root")
        found = offers(machine, Rule(resource=devices.I2C, paths=("/dev/i2c-1",), share=4))
        assert [(unit.name, unit.share) for unit in found[devices.I2C]] == [("i2c-1", 4)]

    def test_several_nodes_as_one_device(self, tmp_path: Path) -> None:
        machine = board.pc(tmp_path / "root")
        machine.nodes("snd/controlC0", "snd/pcmC0D0p")
        found = offers(machine, Rule(resource="edge.pi/sound", paths=("/dev/snd/*",), share=2, together=True))
        assert [(unit.name, unit.share, len(unit.nodes)) for unit in found["edge.pi/sound"]] == [("all", 2, 2)]

    def test_a_link_that_leads_out_of_dev_is_no_device(self, tmp_path: Path) -> None:
        machine = board.pc(tmp_path / "root")
        machine.write("etc/secret", "")
        machine.link("dev/mine", "etc/secret")
        machine.link("dev/none", "dev/nothing")
        assert counts(machine, Rule(resource="edge.pi/mine", paths=("/dev/mine", "/dev/none"))) == {"mine": 0}

    def test_what_is_no_device_node_is_left_out(self, tmp_path: Path) -> None:
        machine = board.pi_3(tmp_path / "root")
        rules = devices.rules(())
        found = device_listing.read(machine.root, devices.patterns(rules))
        assert (found.nodes, found.is_board) == ((), True)

    @pytest.mark.parametrize(("name", "has_paths", "problem"), [
        ("edge.pi/zigbee", True, ""), ("edge.pi/gpio", False, ""), ("zigbee", True, "is not the name"),
        ("edge.pi/", True, "is not the name"), ("kubernetes.io/x", True, "Kubernetes' own"),
        ("a.kubernetes.io/x", True, "Kubernetes' own"), ("requests.x/y", True, "Kubernetes' own"),
        ("edge.pi/zigbee", False, "has no paths"), ("edge.pi/a,b", True, "is not the name"),
        ("e" * 250 + "/x", True, "is not the name")])
    def test_names(self, name: str, has_paths: bool, problem: str) -> None:
        if not problem:
            devices.check_resource(name, has_paths=has_paths)
            return
        with pytest.raises(ValueError, match=problem):
            devices.check_resource(name, has_paths=has_paths)
