"""Decides which files of the containers' logs are kept, and which containers write too much for the card.

The engine writes `<attempt>.log` and replaces it by an empty file when it is full. What it held is kept by a second
name, `<attempt>.log.<number>`, that is given before: a hard link, so that nothing is copied and nothing is lost. The
higher the number, the newer. A container that fills one file after the other in a short time writes into memory from
then on, until it is calm: a flood is not worth the card's life, and only its last lines are worth reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

FLOOD_SECONDS = 60.0
"""A file that was full sooner than this is one of a flood."""
LOOK_SECONDS, SHORT_LOOK_SECONDS = 2.0, 0.5
KEPT_IN_MEMORY = 1
_NAME = re.compile(r"(\d{1,9})\.log(?:\.(\d{1,9}))?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file of a log."""

    path: str
    attempt: int
    number: int | None
    """None for the file the engine writes, as long as it has no second name."""
    identity: tuple[int, int]
    """Device and inode."""
    size: int
    changed: float
    in_memory: bool = False
    begun: bool = False
    """Has the name of a file that is being made, and text all the same: its place was changed in that moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What one container of a pod has written, all its attempts."""

    card: str
    """Its directory on the card."""
    memory: str = ""
    """Its directory in memory; "" when it can have none."""
    diverted: bool = False
    """New files are made in memory."""
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the settings allow."""

    max_bytes: int = 10 * 1024**2
    """Of one file."""
    max_files: int = 3
    """Of one attempt of a container, the one being written included."""
    total_bytes: int = 200 * 1024**2
    """Of all logs of the node on the card."""
    memory_bytes: int = 40 * 1024**2
    """Of all logs in memory; what does not hold a container's files is no memory at all."""

    @property
    def diversions(self) -> int:
        """How many containers may write into memory at a time."""
        return self.memory_bytes // (self.max_bytes * (1 + KEPT_IN_MEMORY))


@dataclass(frozen=True, slots=True)
class Keep:
    """Give a file its second name."""

    source: str
    path: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a name."""

    path: str


@dataclass(frozen=True, slots=True)
class Divert:
    """Have new files of a container made in memory, or on the card again."""

    card: str
    attempt: int
    to_memory: bool


@dataclass(frozen=True, slots=True)
class Move:
    """Bring a file that is no longer written from memory to the card."""

    source: str
    path: str


Action = Keep | Remove | Divert | Move


@dataclass(frozen=True, slots=True)
class Sight:
    """The file a container wrote at the last look, and since when (monotonic) it is this one."""

    attempt: int
    identity: tuple[int, int]
    size: int
    since: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, what to remember, and when to look again."""

    actions: tuple[Action, ...]
    sights: Mapping[str, Sight]
    seconds: float = LOOK_SECONDS


@dataclass(slots=True)
class _Round:
    actions: list[Action] = field(default_factory=list)
    sights: dict[str, Sight] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    diverted: int = 0
    hurry: bool = False
    first: bool = False
    """Nobody has looked before."""

    def remove(self, paths: Iterable[str]) -> None:
        for path in paths:
            if path not in self.removed:
                self.removed.add(path)
                self.actions.append(Remove(path))


def parse(name: str) -> tuple[int, int | None] | None:
    """Return attempt and number of a file's name, None for a name of another kind."""
    match = _NAME.fullmatch(name)
    return None if match is None else (int(match[1]), int(match[2]) if match[2] else None)


def chain(parts: Iterable[Part], attempt: int) -> tuple[Part, ...]:
    """Return the files of one attempt, oldest first, each once and by the name it keeps longest."""
    found: dict[tuple[int, int], Part] = {}
    for part in parts:
        if part.attempt == attempt:
            known = found.get(part.identity)
            if known is None or known.number is None or (part.number or -1) > known.number:
                found[part.identity] = part
    chained = sorted((part for part in found.values() if part.number is not None), key=lambda part: part.number or 0)
    for part in (unnamed := _unnamed(found.values())):
        # The newest is last, whatever the clock said. Another one was left behind when the place of the log changed.
        later = (index for index, each in enumerate(chained) if part is not unnamed[-1] and each.changed > part.changed)
        chained.insert(next(later, len(chained)), part)
    return tuple(chained)


def _unnamed(parts: Iterable[Part]) -> list[Part]:
    # The kernel's clock has ticks: of two files of one tick the full one is the older.
    return sorted((part for part in parts if part.number is None), key=lambda part: (part.changed, -part.size))


def following(parts: tuple[Part, ...], identity: tuple[int, int], changed: float) -> Part | None:
    """Return the file after one that was read to its end, None when that is the newest; `parts` are a chain.

    One that is no longer there, or was moved, is followed by the first that was written later.
    """
    for index, part in enumerate(parts):
        if part.identity == identity:
            return parts[index + 1] if index + 1 < len(parts) else None
    return next((part for part in parts if part.changed > changed), None)


def plan(logs: Iterable[Log], sights: Mapping[str, Sight], limits: Limits, now: float,
         ended: frozenset[tuple[str, int]] = frozenset()) -> Plan:
    """Return what to do about all logs of the node.

    `now` is monotonic. `ended` names attempts, by the container's directory on the card, that write no more.
    """
    logs = tuple(logs)
    done = _Round(diverted=sum(log.diverted or _holds_memory(log) for log in logs), first=not sights)
    for log in logs:
        if log.parts:
            _newest(log, sights.get(log.card), limits, now, done)
            _limit_files(log, limits, done)
            _leave_memory(log, ended, done)
    _limit_total(logs, limits, done)
    return Plan(tuple(done.actions), done.sights, SHORT_LOOK_SECONDS if done.hurry else LOOK_SECONDS)


def _holds_memory(log: Log) -> bool:
    return any(part.in_memory for part in log.parts)


def _newest(log: Log, before: Sight | None, limits: Limits, now: float, done: _Round) -> None:
    """Look after the file that is being written. Files get their numbers in the order they were written."""
    attempt = max(part.attempt for part in log.parts)
    live = chain(log.parts, attempt)[-1]
    if before is None or before.attempt != attempt:
        # How old a file is that was here before us nobody knows: its end is no flood.
        since = float("-inf") if done.first and not log.diverted else now
        sight, flooding, grown = Sight(attempt, live.identity, live.size, since), False, live.size
    else:
        # An inode may be given again, but a log never gets shorter.
        replaced = live.identity != before.identity or live.size < before.size
        flooding = replaced and now - before.since < FLOOD_SECONDS
        grown = limits.max_bytes if replaced else live.size - before.size
        sight = Sight(attempt, live.identity, live.size, now if replaced else before.since)
    done.sights[log.card] = sight
    calm = now - sight.since >= FLOOD_SECONDS
    room = done.diverted - _holds_memory(log) < limits.diversions
    turn = calm or limits.diversions == 0 if log.diverted else flooding and bool(log.memory) and room
    unnamed = _unnamed(chain(log.parts, attempt))
    astray = [part for part in unnamed if part.begun and part.in_memory is not log.diverted]
    if len(unnamed) > 1 or astray or turn or flooding or live.size * 2 >= limits.max_bytes:
        number = max((part.number or 0 for part in log.parts if part.attempt == attempt), default=0)
        done.actions += [Keep(part.path, str(PurePosixPath(part.path).with_name(f"{attempt}.log.{number + step}")))
                         for step, part in enumerate(unnamed, 1)]
        done.remove(part.path for part in astray)
    if turn:
        done.diverted += not log.diverted
        done.actions.append(Divert(log.card, attempt, not log.diverted))
    done.hurry = done.hurry or grown * 2 >= limits.max_bytes or (log.diverted and not calm)


def _limit_files(log: Log, limits: Limits, done: _Round) -> None:
    for attempt in {part.attempt for part in log.parts}:
        kept = chain(log.parts, attempt)[:-1]
        surplus = set(kept[: max(0, len(kept) - (limits.max_files - 1))])
        in_memory = [part for part in kept if part.in_memory]
        surplus |= set(in_memory[: max(0, len(in_memory) - KEPT_IN_MEMORY)])
        for part in kept:
            if part in surplus:
                done.remove(_names(log.parts, part.identity))


def _names(parts: Iterable[Part], identity: tuple[int, int]) -> list[str]:
    return [part.path for part in parts if part.identity == identity]


def _leave_memory(log: Log, ended: frozenset[tuple[str, int]], done: _Round) -> None:
    """Bring what is no longer written to the card, once the flood is over."""
    newest = max(part.attempt for part in log.parts)
    for attempt in {part.attempt for part in log.parts if part.in_memory}:
        files = chain(log.parts, attempt)
        over = attempt < newest or (log.card, attempt) in ended
        for part in files if over else () if log.diverted else files[:-1]:
            if not part.in_memory or part.path in done.removed:
                continue
            number = part.number if part.number is not None else 1 + max(each.number or 0 for each in files)
            done.actions.append(Move(part.path, str(PurePosixPath(log.card, f"{attempt}.log.{number}"))))
            done.remove(path for path in _names(log.parts, part.identity) if path != part.path)


def _limit_total(logs: tuple[Log, ...], limits: Limits, done: _Round) -> None:
    """Remove the oldest, never what is being written: first what was kept, then the logs of attempts before."""
    kept, before, total = [], [], 0
    for log in logs:
        newest = max((part.attempt for part in log.parts), default=0)
        for attempt in {part.attempt for part in log.parts}:
            files = [part for part in chain(log.parts, attempt)
                     if not part.in_memory and part.path not in done.removed]
            total += sum(part.size for part in files)
            kept += [(part, log) for part in files[:-1]]
            before += [(part, log) for part in files[-1:] if attempt < newest]
    for group in (kept, before):
        for part, log in sorted(group, key=lambda each: each[0].changed):
            if total <= limits.total_bytes:
                return
            done.remove(_names(log.parts, part.identity))
            total -= part.size
