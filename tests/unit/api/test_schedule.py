"""Schedules: what cron writes, and what is said of what it does not."""

from __future__ import annotations

import pytest

from edge.api import schedule


def test_fields_are_read_as_sets_of_values() -> None:
    found = schedule.parse("*/20 8-10,18 1 jan-mar MON")

    assert found.minutes == {0, 20, 40}
    assert found.hours == {8, 9, 10, 18}
    assert found.days == {1}
    assert not found.any_day
    assert found.months == {1, 2, 3}
    assert found.weekdays == {1}
    assert not found.any_weekday


def test_a_start_with_a_step_goes_on_to_the_end() -> None:
    assert schedule.parse("50/5 * * * *").minutes == {50, 55}
    assert schedule.parse("0-30/15 * * * *").minutes == {0, 15, 30}


def test_a_star_leaves_the_day_open_and_a_step_does_not() -> None:
    assert schedule.parse("0 0 * * ?").any_day
    assert schedule.parse("0 0 * * ?").any_weekday
    assert not schedule.parse("0 0 */2 * *").any_day


@pytest.mark.parametrize(("word", "same"), [
    ("@daily", "0 0 * * *"), ("@midnight", "0 0 * * *"), ("@hourly", "0 * * * *"), ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"), ("@yearly", "0 0 1 1 *"), ("@annually", "0 0 1 1 *")])
def test_words_stand_for_schedules(word: str, same: str) -> None:
    assert schedule.parse(word) == schedule.parse(same)


def test_every_is_a_time_between_runs() -> None:
    assert schedule.parse("@every 1h30m").every_seconds == 5400
    assert schedule.parse("@every 1.5s").every_seconds == 1
    assert schedule.parse("@every 10ms").every_seconds == 1


@pytest.mark.parametrize(("text", "wrong"), [
    ("", "empty spec string"),
    ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
    ("61 * * * *", "end of range (61) above maximum (59): 61"),
    ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
    ("* * * * 7", "end of range (7) above maximum (6): 7"),
    ("9-5 * * * *", "beginning of range (9) beyond end of range (5): 9-5"),
    ("*/0 * * * *", "step of range should be a positive number: */0"),
    ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
    ("1/2/3 * * * *", "too many slashes: 1/2/3"),
    ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
    ("+-1 * * * *", 'failed to parse int from +: strconv.Atoi: parsing "+": invalid syntax'),
    ("9" * 40 + " * * * *", f'failed to parse int from {"9" * 40}: strconv.Atoi: parsing "{"9" * 40}": '
                            "value out of range"),
    ("@noon", "unrecognized descriptor: @noon"),
    ("@every soon", 'failed to parse duration @every soon: time: invalid duration "soon"'),
    ("@every " + "9" * 40 + "h", f'failed to parse duration @every {"9" * 40}h: time: invalid duration '
                                 f'"{"9" * 40}h"'),
])
def test_what_is_no_schedule_is_named(text: str, wrong: str) -> None:
    with pytest.raises(ValueError) as refused:
        schedule.parse(text)
    assert str(refused.value) == wrong


def test_a_huge_field_is_read_in_no_time() -> None:
    assert schedule.parse(",".join(["*/1"] * 20_000) + " * * * *").minutes == set(range(60))
