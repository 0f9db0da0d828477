"""Decides what a node says of its board: labels, and conditions and events from what was measured.

Every change of a condition is a write on the master's card, so no number stands in one: a condition begins at once,
and ends only when what caused it has been over for a while.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from edge.api import meta

UNDER_VOLTAGE, THROTTLED, HIGH_TEMPERATURE = "UnderVoltage", "Throttled", "HighTemperature"
HOT_MILLIDEGREES, COOL_MILLIDEGREES = 80_000, 75_000
"""At 80 °C the firmware begins to slow the processor down."""
QUIET_SECONDS = 300.0
"""For how long the cause of a condition has to be over: under-voltage comes and goes with the load."""
_SLOWED = {1: "the frequency is capped", 2: "the processor is throttled", 3: "the soft temperature limit is active"}
_SINCE_BOOT = 16
"""Such bits say that something has happened since the board was switched on."""
_LONGEST_LABEL = 63


@dataclass(frozen=True, slots=True)
class Identity:
    """What a board says it is, in the words of its device tree."""

    model: str = ""
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was measured; None where the board does not tell. `throttled` has the bits of the firmware's word."""

    throttled: int | None = None
    under_voltage: bool | None = None
    millidegrees: int | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """One condition: whether it holds, why, and when its cause was seen last (monotonic)."""

    holds: bool = False
    message: str = ""
    seen_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of the board. Only what it tells of has an entry."""

    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    throttled: int | None = None


@dataclass(frozen=True, slots=True)
class News:
    """An event of the node."""

    reason: str
    message: str
    type: str


_REASONS = {UNDER_VOLTAGE: ("UnderVoltageDetected", "PowerSupplySufficient"),
            THROTTLED: ("ProcessorThrottled", "ProcessorNotThrottled"),
            HIGH_TEMPERATURE: ("BoardIsHot", "BoardIsCool")}
_GOOD = {UNDER_VOLTAGE: "the power supply is sufficient", THROTTLED: "the processor runs at full speed",
         HIGH_TEMPERATURE: "the temperature is below 75 °C"}
_BAD = {UNDER_VOLTAGE: "the voltage is below 4.63 V: the power supply or its cable is too weak",
        HIGH_TEMPERATURE: "the temperature has reached 80 °C: the board needs cooling"}


def labels(identity: Identity) -> dict[str, str]:
    """Return the labels of a board; none for a machine that is no board."""
    model = slug(identity.model)
    if not model:
        return {}
    board = re.sub(r"-rev(ision)?-?[0-9a-f.-]*$", "", model)
    found = {"edge.pi/model": model, "edge.pi/board": board, "node.kubernetes.io/instance-type": board}
    return found | ({"edge.pi/revision": slug(identity.revision)} if identity.revision else {})


def slug(text: str) -> str:
    """Return a text as the value of a label: `Raspberry Pi 5 Model B Rev 1.0` as `raspberry-pi-5-model-b-rev-1.0`."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower())[:_LONGEST_LABEL].strip("-.")


def throttled_word(text: str) -> int | None:
    """Return the firmware's word from `50005`, `0x50005` or `throttled=0x50005`; None for anything else."""
    try:
        return int(text.strip().rpartition("=")[2], 16)
    except ValueError:
        return None


def vcgencmd_degrees(text: str) -> int | None:
    """Return the thousandths of degrees in `temp=48.3'C`; None for anything else."""
    found = re.fullmatch(r"temp=(-?[0-9]{1,3}(?:\.[0-9]+)?)'C", text.strip())
    return round(float(found[1]) * 1000) if found else None


def observe(health: Health, reading: Reading, monotonic: float) -> tuple[Health, tuple[News, ...]]:
    """Return what is known after a reading, and what there is to tell of it."""
    causes = _causes(health, reading)
    troubles, news = dict(health.troubles), []
    for kind, (is_cause, message) in causes.items():
        before = troubles.get(kind, Trouble())
        after = _after(kind, before, is_cause, message, monotonic)
        troubles[kind] = after
        if after.holds != before.holds:
            reason = _REASONS[kind][0 if after.holds else 1]
            news.append(News(reason, after.message or _GOOD[kind], "Warning" if after.holds else "Normal"))
    word = reading.throttled if reading.throttled is not None else health.throttled
    return replace(health, troubles=troubles, throttled=word), tuple(news)


def _causes(health: Health, reading: Reading) -> dict[str, tuple[bool, str]]:
    found: dict[str, tuple[bool, str]] = {}
    if reading.under_voltage is not None:
        found[UNDER_VOLTAGE] = (reading.under_voltage, _BAD[UNDER_VOLTAGE])
    if (word := reading.throttled) is not None:
        # What came and went between two readings has left its other bit.
        fresh = word & ~health.throttled if health.throttled is not None else 0
        word |= fresh >> _SINCE_BOOT
        slowed = [text for bit, text in _SLOWED.items() if word >> bit & 1]
        found[UNDER_VOLTAGE] = (bool(word & 1) or bool(reading.under_voltage), _BAD[UNDER_VOLTAGE])
        found[THROTTLED] = (bool(slowed), "; ".join(slowed))
    if reading.millidegrees is not None:
        hot = health.troubles.get(HIGH_TEMPERATURE, Trouble()).holds
        found[HIGH_TEMPERATURE] = (reading.millidegrees >= (COOL_MILLIDEGREES if hot else HOT_MILLIDEGREES),
                                   _BAD[HIGH_TEMPERATURE])
    return found


def _after(kind: str, before: Trouble, is_cause: bool, message: str, monotonic: float) -> Trouble:
    if is_cause:
        # The message stays the one it began with: further causes are no reason to write.
        return Trouble(holds=True, message=before.message if before.holds else message, seen_at=monotonic)
    quiet = 0.0 if kind == HIGH_TEMPERATURE else QUIET_SECONDS
    if before.holds and monotonic - before.seen_at < quiet:
        return before
    return Trouble()


def conditions(health: Health) -> tuple[meta.Condition, ...]:
    """Return the node's conditions; none of what the board does not tell."""
    return tuple(meta.Condition(type=kind, status="True" if trouble.holds else "False",
                                reason=_REASONS[kind][0 if trouble.holds else 1],
                                message=trouble.message or _GOOD[kind])
                 for kind, trouble in sorted(health.troubles.items()))
