"""Container logs: what one line of Podman's `k8s-file` log says, and which lines a reader asked for.

A line is `<RFC 3339 time> stdout|stderr F|P <text>`; P marks a part of a longer line (the format of Kubernetes' CRI).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

_TIME = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"
_LINE = re.compile(rb"(" + _TIME + rb") (stdout|stderr) ([FP]) (.*)", re.DOTALL)
# A line of a program that never ends one is given out in pieces of this size.
LONGEST_LINE_BYTES = 1 << 20


class OptionError(ValueError):
    """The request's parameters make no sense; the text is for the user."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of output. `text` has its newline, unless it is a part."""

    time: bytes
    """As written, with nanoseconds and the zone of the machine."""
    stream: str
    partial: bool
    text: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a reader asked for; the fields of Kubernetes' PodLogOptions."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since: datetime | None = None
    stream: str = ""
    """`stdout` or `stderr`; "" for both."""


def options(query: Mapping[str, str], now: datetime) -> Options:
    """Read the query of a log request. Raises OptionError."""
    if query.get("sinceSeconds") and query.get("sinceTime"):
        raise OptionError("at most one of sinceTime or sinceSeconds may be specified")
    seconds = _count(query, "sinceSeconds", 1)
    stream = query.get("stream", "All")
    if stream not in ("", "All", "Stdout", "Stderr"):
        raise OptionError(f'stream: Unsupported value: "{stream}": supported values: "All", "Stderr", "Stdout"')
    try:
        since = now - timedelta(seconds=seconds) if seconds else _time(query.get("sinceTime", ""))
    except OverflowError:
        since = None
    return Options(
        follow=_flag(query, "follow"),
        previous=_flag(query, "previous"),
        timestamps=_flag(query, "timestamps"),
        tail_lines=_count(query, "tailLines", 0),
        limit_bytes=_count(query, "limitBytes", 1),
        since=since,
        stream="" if stream in ("", "All") else stream.lower(),
    )


def parse(raw: bytes) -> Line:
    """Return one line of the file. A line of another shape (a file cut in its middle) is standard output as it is."""
    body = raw.removesuffix(b"\n")
    match = _LINE.fullmatch(body)
    if match is None:
        return Line(b"", "stdout", False, body + b"\n")
    partial = match[3] == b"P"
    return Line(match[1], match[2].decode(), partial, match[4] if partial else match[4] + b"\n")


class Joiner:
    """Puts the parts of long lines together, each stream for itself."""

    def __init__(self) -> None:
        self._parts: dict[str, Line] = {}

    def feed(self, line: Line) -> Line | None:
        """Return the whole line once its last part is there."""
        begun = self._parts.pop(line.stream, None)
        if begun is not None:
            line = replace(line, time=begun.time, text=begun.text + line.text)
        if line.partial and len(line.text) < LONGEST_LINE_BYTES:
            self._parts[line.stream] = line
            return None
        return line

    def rest(self) -> Iterator[Line]:
        """Yield lines that never got their end."""
        parts, self._parts = self._parts, {}
        yield from parts.values()


def wanted(line: Line, options: Options) -> bool:
    """Say whether a line is of the stream and time asked for; a line without a time is."""
    if options.stream and line.stream != options.stream:
        return False
    if options.since is None or not line.time:
        return True
    moment = _time(line.time.decode("ascii"))
    return moment is None or moment >= options.since


def render(line: Line, options: Options) -> bytes:
    """Return a line as the reader gets it."""
    return line.time + b" " + line.text if options.timestamps and line.time else line.text


def tail_size(backwards: Iterable[bytes], count: int) -> int:
    """Return how many bytes at the end of a log hold its last `count` whole lines, given its raw lines last first."""
    found, size = 0, 0
    for raw in backwards:
        if raw.endswith(b"\n") and not parse(raw).partial:
            if found == count:
                return size
            found += 1
        size += len(raw)
    return size


def _flag(query: Mapping[str, str], name: str) -> bool:
    value = query.get(name, "false")
    if value.lower() in ("", "true", "1", "t"):
        return True
    if value.lower() in ("false", "0", "f"):
        return False
    raise OptionError(f'{name}: Invalid value: "{value}": must be true or false')


def _count(query: Mapping[str, str], name: str, least: int) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        raise OptionError(f'{name}: Invalid value: "{text[:40]}": must be an integer')
    if int(text) < least:
        words = "greater than 0" if least else "greater than or equal to 0"
        raise OptionError(f"{name}: Invalid value: {text}: must be {words}")
    return int(text)


def _time(text: str) -> datetime | None:
    """Return an RFC 3339 time. Nanoseconds are cut to the microseconds Python knows. Raises OptionError."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    except ValueError as error:
        raise OptionError(f'sinceTime: Invalid value: "{text[:40]}": must be an RFC 3339 time') from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
