"""What a node says of its board: labels, conditions and events from what was measured."""

from __future__ import annotations

import pytest

from edge.agent import board_facts
from edge.agent.board_facts import HIGH_TEMPERATURE, THROTTLED, UNDER_VOLTAGE, Health, Identity, Reading


def run(*readings: tuple[float, Reading]) -> tuple[Health, list[str]]:
    """Observe readings at times, and return the last health and the reasons of all events."""
    health, reasons = Health(), []
    for at, reading in readings:
        health, news = board_facts.observe(health, reading, at)
        reasons += [each.reason for each in news]
    return health, reasons


def statuses(health: Health) -> dict[str, str]:
    return {condition.type: condition.status for condition in board_facts.conditions(health)}


@pytest.mark.parametrize(("model", "slug", "kind"), [
    ("Raspberry Pi 4 Model B Rev 1.4", "raspberry-pi-4-model-b-rev-1.4", "raspberry-pi-4-model-b"),
    ("Raspberry Pi Zero 2 W Rev 1.0", "raspberry-pi-zero-2-w-rev-1.0", "raspberry-pi-zero-2-w"),
    ("Raspberry Pi Compute Module 4 Rev 1.1", "raspberry-pi-compute-module-4-rev-1.1",
     "raspberry-pi-compute-module-4"),
    ("Raspberry Pi Model B Plus Rev 1.2", "raspberry-pi-model-b-plus-rev-1.2", "raspberry-pi-model-b-plus"),
    ("Pine64 RockPro64 v2.1", "pine64-rockpro64-v2.1", "pine64-rockpro64-v2.1"),
    ("x" * 80, "x" * 63, "x" * 63),
])
def test_labels(model: str, slug: str, kind: str) -> None:
    assert board_facts.labels(Identity(model, "c03114")) == {
        "edge.pi/model": slug, "edge.pi/board": kind, "node.kubernetes.io/instance-type": kind,
        "edge.pi/revision": "c03114"}


def test_a_machine_without_a_model_has_no_labels() -> None:
    assert board_facts.labels(Identity()) == {}
    assert board_facts.labels(Identity("  \u2014 ")) == {}


@pytest.mark.parametrize(("text", "word"), [("50005", 0x50005), ("0x50005", 0x50005), ("throttled=0x0\n", 0),
                                            ("", None), ("error", None), ("throttled=", None)])
def test_the_firmwares_word(text: str, word: int | None) -> None:
    assert board_facts.throttled_word(text) == word


@pytest.mark.parametrize(("text", "degrees"), [("temp=48.3'C\n", 48300), ("temp=-3'C", -3000), ("48.3", None),
                                               ("", None)])
def test_the_programs_temperature(text: str, degrees: int | None) -> None:
    assert board_facts.vcgencmd_degrees(text) == degrees


def test_what_a_board_does_not_tell_has_no_condition() -> None:
    health, reasons = run((0, Reading()))
    assert board_facts.conditions(health) == ()
    assert reasons == []


def test_a_healthy_board() -> None:
    health, reasons = run((0, Reading(throttled=0, millidegrees=45_000)))
    assert statuses(health) == {HIGH_TEMPERATURE: "False", THROTTLED: "False", UNDER_VOLTAGE: "False"}
    assert reasons == []
    assert {condition.reason for condition in board_facts.conditions(health)} == {
        "PowerSupplySufficient", "ProcessorNotThrottled", "BoardIsCool"}


def test_under_voltage_begins_at_once_and_is_said_once() -> None:
    bad = Reading(throttled=0x10001)
    health, reasons = run((0, Reading(throttled=0)), (30, bad), (60, bad), (90, bad))
    assert statuses(health)[UNDER_VOLTAGE] == "True"
    assert reasons == ["UnderVoltageDetected"]


def test_under_voltage_that_flickers_is_one_condition() -> None:
    low, fine = Reading(throttled=0x50001), Reading(throttled=0x50000)
    health, reasons = run(*((30 * n, low if n % 2 else fine) for n in range(40)))
    assert statuses(health)[UNDER_VOLTAGE] == "True"
    assert reasons == ["UnderVoltageDetected"]
    health, news = board_facts.observe(health, fine, 39 * 30 + 299)
    assert (statuses(health)[UNDER_VOLTAGE], news) == ("True", ())
    health, news = board_facts.observe(health, fine, 39 * 30 + 300)
    assert statuses(health)[UNDER_VOLTAGE] == "False"
    assert [(each.reason, each.type) for each in news] == [("PowerSupplySufficient", "Normal")]


def test_what_came_and_went_between_two_looks_counts() -> None:
    health, reasons = run((0, Reading(throttled=0)), (300, Reading(throttled=0x10000)))
    assert statuses(health)[UNDER_VOLTAGE] == "True"
    assert reasons == ["UnderVoltageDetected"]


def test_what_came_and_went_before_the_agent_began_does_not() -> None:
    health, reasons = run((0, Reading(throttled=0x50000)), (30, Reading(throttled=0x50000)))
    assert statuses(health) == {THROTTLED: "False", UNDER_VOLTAGE: "False"}
    assert reasons == []


def test_throttling_says_what_it_is_and_does_not_change_its_words() -> None:
    health, reasons = run((0, Reading(throttled=0x2)), (30, Reading(throttled=0xE)))
    (throttled,) = (each for each in board_facts.conditions(health) if each.type == THROTTLED)
    assert (throttled.status, throttled.message) == ("True", "the frequency is capped")
    assert reasons == ["ProcessorThrottled"]


def test_heat_has_two_thresholds() -> None:
    marks = [(79_900, "False"), (80_000, "True"), (76_000, "True"), (75_000, "True"), (74_900, "False"),
             (79_000, "False"), (85_000, "True")]
    health, reasons = Health(), []
    for number, (degrees, status) in enumerate(marks):
        health, news = board_facts.observe(health, Reading(millidegrees=degrees), 30.0 * number)
        reasons += [each.reason for each in news]
        assert statuses(health) == {HIGH_TEMPERATURE: status}, degrees
    assert reasons == ["BoardIsHot", "BoardIsCool", "BoardIsHot"]


def test_no_number_stands_in_a_condition() -> None:
    seen = {board_facts.conditions(board_facts.observe(Health(), Reading(millidegrees=degrees), 0)[0])
            for degrees in range(20_000, 75_000, 5_000)}
    assert len(seen) == 1


def test_the_alarm_of_the_power_supply_alone() -> None:
    health, reasons = run((0, Reading(under_voltage=False)), (30, Reading(under_voltage=True)))
    assert statuses(health) == {UNDER_VOLTAGE: "True"}
    assert reasons == ["UnderVoltageDetected"]


def test_a_reading_that_fails_changes_nothing() -> None:
    health, reasons = run((0, Reading(throttled=0x1)), (3000, Reading()))
    assert statuses(health)[UNDER_VOLTAGE] == "True"
    assert reasons == ["UnderVoltageDetected"]
