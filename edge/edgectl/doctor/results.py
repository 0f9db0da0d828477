"""What a check finds, and a report of many: lines for a person, or JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

F = TypeVar("F")


class Level(StrEnum):
    """How it is."""

    OK = "ok"
    UNKNOWN = "unknown"
    """It could not be looked at; the text says why."""
    WARNING = "warning"
    """Works, and will hurt some day."""
    PROBLEM = "problem"
    """Something does not work because of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One line of a report."""

    level: Level
    says: str
    """What is so and, where it is bad, what comes of it."""
    next: str = ""
    """What to do, with the command."""
    check: str = ""
    """Name of the check; set by `run`."""


Outcome = Result | tuple[Result, ...] | None
"""None: does not concern this machine or rack."""
Check = Callable[[F], Outcome]


def ok(says: str) -> Result:
    """Return that all is well."""
    return Result(level=Level.OK, says=says)


def unknown(says: str, next: str = "") -> Result:
    """Return that nobody can tell."""
    return Result(level=Level.UNKNOWN, says=says, next=next)


def warning(says: str, next: str) -> Result:
    """Return something that works and will hurt."""
    return Result(level=Level.WARNING, says=says, next=next)


def problem(says: str, next: str) -> Result:
    """Return something that does not work."""
    return Result(level=Level.PROBLEM, says=says, next=next)


def name_of(check: Check[F]) -> str:
    """Return the name of a check."""
    return check.__name__.replace("_", "-")


def looks_at(check: Check[F]) -> str:
    """Return what a check looks at, from its docstring."""
    return " ".join((check.__doc__ or "").split("\n\n")[0].split()).rstrip(".")


def run(checks: Iterable[Check[F]], facts: F) -> tuple[Result, ...]:
    """Return what the checks find, each result with its check's name."""
    found = []
    for check in checks:
        outcome = check(facts)
        for each in (outcome,) if isinstance(outcome, Result) else outcome or ():
            found.append(Result(level=each.level, says=each.says, next=each.next, check=each.check or name_of(check)))
    return tuple(found)


def counts(found: Iterable[Result]) -> dict[Level, int]:
    """Return how many lines there are of each level."""
    levels = [each.level for each in found]
    return {level: levels.count(level) for level in Level}


def as_json(found: tuple[Result, ...]) -> dict[str, Any]:
    """Return the report as a document."""
    number = counts(found)
    return {"problems": number[Level.PROBLEM], "warnings": number[Level.WARNING],
            "results": [{"check": each.check, "level": each.level.value, "says": each.says}
                        | ({"next": each.next} if each.next else {}) for each in found]}


def as_lines(found: tuple[Result, ...]) -> list[str]:
    """Return the report as lines: what is found, below it what to do, at the end how many."""
    width = max((len(each.check) for each in found), default=0)
    lines = []
    for each in found:
        lines.append(f"{each.level.value:<8} {each.check:<{width}}  {each.says}")
        if each.next:
            lines.append(f"{'':<8} {'':<{width}}  -> {each.next}")
    return [*lines, "", summary(found)]


def summary(found: Iterable[Result]) -> str:
    """Return the last line."""
    number = counts(found)
    parts = [f"{count} {word}{'' if count == 1 else 's'}" for level, word in
             ((Level.PROBLEM, "problem"), (Level.WARNING, "warning")) if (count := number[level])]
    unknowns = f"; {number[Level.UNKNOWN]} could not be looked at" if number[Level.UNKNOWN] else ""
    return (", ".join(parts) or f"all is well: {number[Level.OK]} checks") + unknowns
