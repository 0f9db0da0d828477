"""Effects: reads the files of a container's log as one: backwards for the tail, onwards to follow, over rotations.

Files are read in worker threads, a block at a time, so that a large log on a slow card never stops the agent. All files
to be read are opened at once: what is removed meanwhile is still read.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from io import SEEK_END, FileIO
from pathlib import Path

from edge.agent import containerlogs, log_files, log_rotation
from edge.agent.containerlogs import LONGEST_LINE_BYTES, Options
from edge.clock import Clock

BLOCK_BYTES = 64 * 1024
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.1, 1.0


@dataclass(frozen=True, slots=True)
class LogPlace:
    """The log of one attempt of a container: the directory on the card first, then the one in memory, if any."""

    directories: tuple[str, ...]
    attempt: int


async def read(place: LogPlace, options: Options, clock: Clock, running: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yield rendered output, at most `limit_bytes` of it. Raises FileNotFoundError.

    With `follow` it ends when `running` says no and everything written by then has been read; an empty block is
    yielded whenever there is nothing new, so that the caller can see whether anybody still listens.
    """
    left = options.limit_bytes
    async for text in _rendered(place, options, clock, running):
        if left is not None:
            text = text[:left]
            left -= len(text)
        yield text
        if left == 0:
            return


async def _rendered(place: LogPlace, options: Options, clock: Clock,
                    running: Callable[[], bool]) -> AsyncIterator[bytes]:
    joiner, unfinished = containerlogs.Joiner(), b""
    async for block in _blocks(place, options, clock, running):
        *raw_lines, unfinished = (unfinished + block).split(b"\n")
        if len(unfinished) > LONGEST_LINE_BYTES:  # no line of the engine is that long
            raw_lines, unfinished = [*raw_lines, unfinished], b""
        lines = (joiner.feed(containerlogs.parse(raw)) for raw in raw_lines)
        yield b"".join(_render(line, options) for line in lines if line is not None)
    if unfinished:
        last = joiner.feed(containerlogs.parse(unfinished))
        yield _render(last, options) if last is not None else b""
    yield b"".join(_render(line, options) for line in joiner.rest())


def _render(line: containerlogs.Line, options: Options) -> bytes:
    return containerlogs.render(line, options) if containerlogs.wanted(line, options) else b""


async def _blocks(place: LogPlace, options: Options, clock: Clock,
                  running: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yield the log's bytes from where the reader wants to begin."""
    files, end = await asyncio.to_thread(_open_all, place, options)
    try:
        while len(files) > 1:
            while block := await asyncio.to_thread(files[0].read, BLOCK_BYTES):
                yield block
            files.pop(0).close()
        poll, stale = FIRST_POLL_SECONDS, _written(place)
        if stale and stale[0] != _identity(files[0]):
            stale = ()
        while True:
            # Asked before reading: what is written before the end is then still read.
            ended = not (options.follow and running())
            while (left := min(os.fstat(files[0].fileno()).st_size, end) - files[0].tell()) > 0:
                yield await asyncio.to_thread(files[0].read, min(left, BLOCK_BYTES)) or b""
                poll = FIRST_POLL_SECONDS
            # A look at the names is cheap; the directories are read only when one of them is another file.
            found = _written(place)
            if options.follow and (found != stale or ended):
                stale = found
                if (after := await asyncio.to_thread(_open_following, place, files[0])) is not None:
                    files, stale = [*files, after], ()
                    while block := await asyncio.to_thread(files[0].read, BLOCK_BYTES):
                        yield block
                    files.pop(0).close()
                    continue
            if ended:
                return
            yield b""
            await clock.sleep(poll)
            poll = min(poll * 1.5, LONGEST_POLL_SECONDS)
    finally:
        for file in files:
            file.close()


def _written(place: LogPlace) -> tuple[tuple[int, int], ...]:
    """Return which files have the name the engine writes to."""
    found = []
    for directory in place.directories:
        try:
            status = Path(directory, f"{place.attempt}.log").stat()
        except OSError:
            continue
        found.append((status.st_dev, status.st_ino))
    return tuple(found)


def _identity(file: FileIO) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino


def _open_all(place: LogPlace, options: Options) -> tuple[list[FileIO], int]:
    """Open what the reader wants, at the right place; also return where to end in the last file.

    Who does not follow gets what there is now: a flood would have no end.

    Raises:
        FileNotFoundError: there is no such log.
    """
    for _ in range(3):
        parts = log_rotation.chain(log_files.parts(place.directories), place.attempt)
        if options.since is not None:
            # A file that was last written before that holds nothing younger.
            since = options.since.timestamp()
            parts = tuple(part for part in parts[:-1] if part.changed >= since) + parts[-1:]
        files = [file for part in parts if (file := _open(part.path)) is not None]
        if files and (len(files) == len(parts) or _identity(files[-1]) == parts[-1].identity):
            lengths = [(file, file.seek(0, SEEK_END)) for file in files]
            for file in files:
                file.seek(0)
            end = sys.maxsize if options.follow else lengths[-1][1]
            return (files if options.tail_lines is None else _seek_tail(lengths, options.tail_lines)), end
        for file in files:  # rotated at this moment
            file.close()
    raise FileNotFoundError(f"no log of attempt {place.attempt} in {place.directories[0]}")


def _open(path: str) -> FileIO | None:
    try:
        return FileIO(path, "rb")
    except FileNotFoundError:
        return None


def _open_following(place: LogPlace, file: FileIO) -> FileIO | None:
    """Open the file after this one; None when this is the newest."""
    parts = log_rotation.chain(log_files.parts(place.directories), place.attempt)
    after = log_rotation.following(parts, _identity(file), os.fstat(file.fileno()).st_mtime)
    return _open(after.path) if after is not None else None


def _seek_tail(files: list[tuple[FileIO, int]], count: int) -> list[FileIO]:
    """Return the files that hold the last lines, the first of them at the first of those lines.

    Each file comes with its length: the last one may grow meanwhile.
    """
    size = containerlogs.tail_size(
        (line for file, length in reversed(files) for line in _lines_backwards(file, length)), count)
    kept: list[FileIO] = []
    for file, length in reversed(files):
        if kept and size <= 0:
            file.close()
            continue
        file.seek(max(length - size, 0))
        size -= length
        kept.insert(0, file)
    return kept


def _lines_backwards(file: FileIO, position: int) -> Iterator[bytes]:
    begin = b""
    while position > 0:
        step = min(BLOCK_BYTES, position)
        position -= step
        file.seek(position)
        *lines, last = ((file.read(step) or b"") + begin).split(b"\n")
        lines = [line + b"\n" for line in lines] + ([last] if last else [])
        # The first line of a block may begin in the block before.
        begin, *lines = lines or [b""]
        yield from reversed(lines)
    if begin:
        yield begin
