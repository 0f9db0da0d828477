"""When something is due, as cron writes it: `*/5 8-18 * * mon-fri`, or a word such as `@daily`.

What is wrong with a schedule is said in the words of the parser Kubernetes uses, as people look them up.
https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_MONTHS = {name: number for number, name in enumerate(
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)}
_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = ((0, 59, {}), (0, 23, {}), (1, 31, {}), (1, 12, _MONTHS),
                                                        (0, 6, _DAYS))
_WORDS = {"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
          "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *"}
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST_SECONDS = 2**63 / 1e9
_DURATION = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")


@dataclass(frozen=True, slots=True)
class Schedule:
    """The minutes at which something is due."""

    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    """0 is Sunday."""
    any_day: bool = False
    """The day of the month was left open; if neither was, one of day and weekday is enough."""
    any_weekday: bool = False
    every_seconds: int = 0
    """Not zero for `@every`: the time between two runs, instead of all the rest."""


def parse(text: str) -> Schedule:
    """Return the schedule. Raises ValueError, in the words people know, when it is none."""
    if not text:
        raise ValueError("empty spec string")
    if text.startswith(("TZ=", "CRON_TZ=")):
        text = text.partition(" ")[2].strip()  # who validates says that there is a field for the zone
    if text.startswith("@every "):
        return Schedule(every_seconds=_seconds(text, text.removeprefix("@every ")))
    if text.startswith("@"):
        if text not in _WORDS:
            raise ValueError(f"unrecognized descriptor: {text}")
        text = _WORDS[text]
    fields = text.split()
    if len(fields) != 5:
        raise ValueError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    found = [_field(field, *bounds) for field, bounds in zip(fields, _FIELDS, strict=True)]
    minutes, hours, days, months, weekdays = (values for values, _ in found)
    return Schedule(minutes, hours, days, months, weekdays, any_day=found[2][1], any_weekday=found[4][1])


def _field(text: str, low: int, high: int, names: dict[str, int]) -> tuple[frozenset[int], bool]:
    """Return the values a field allows, and whether it leaves them open."""
    values: set[int] = set()
    is_open = False
    for part in text.split(","):
        if part:
            some, whole = _range(part, low, high, names)
            values.update(some)
            is_open = is_open or whole
    return frozenset(values), is_open


def _range(text: str, low: int, high: int, names: dict[str, int]) -> tuple[range, bool]:
    """Return the values of `5`, `5-9`, `*/5` or `5/10`, and whether that is an open star."""
    span, *steps = text.split("/")
    begin, *rest = span.split("-")
    is_star = begin in ("*", "?")
    if is_star:
        first, last = low, high
    else:
        first = last = _number(begin, names)
        if len(rest) == 1:
            last = _number(rest[0], names)
        elif rest:
            raise ValueError(f"too many hyphens: {text}")
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {text}")
    step = _plain(steps[0]) if steps else 1
    if steps and len(rest) == 0 and not is_star:
        last = high
    if first < low:
        raise ValueError(f"beginning of range ({first}) below minimum ({low}): {text}")
    if last > high:
        raise ValueError(f"end of range ({last}) above maximum ({high}): {text}")
    if first > last:
        raise ValueError(f"beginning of range ({first}) beyond end of range ({last}): {text}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {text}")
    return range(first, last + 1, step), is_star and step == 1


def _number(text: str, names: dict[str, int]) -> int:
    named = names.get(text.lower())
    return _plain(text) if named is None else named


def _plain(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text, re.ASCII):
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if len(text) > 18:
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": value out of range')
    if int(text) < 0:
        raise ValueError(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)


def _seconds(text: str, duration: str) -> int:
    """Return the length of `1h30m`, cut to whole seconds and at least one."""
    parts = _DURATION.findall(duration.removeprefix("+"))
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    whole = bool(parts) and "".join(number + unit for number, unit in parts) == duration.removeprefix("+")
    if not whole or seconds > _LONGEST_SECONDS:
        raise ValueError(f'failed to parse duration {text}: time: invalid duration "{duration}"')
    return max(1, int(seconds))
