"""Reads container log files: backwards for the tail, onwards to follow, across Podman's rotation.

Files are read in worker threads, a block at a time, so that a large log on a slow card never stops the agent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from io import SEEK_END, FileIO
from pathlib import Path

from edge.agent import containerlogs
from edge.clock import Clock

BLOCK_BYTES = 64 * 1024
POLL_SECONDS = 0.2


async def read(
    path: Path, options: containerlogs.Options, clock: Clock, running: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Yield rendered output, at most `limit_bytes` of it. Raises FileNotFoundError.

    With `follow` it ends when `running` says no and everything written by then has been read; an empty block is
    yielded whenever there is nothing new, so that the caller can see whether anybody still listens.
    """
    left = options.limit_bytes
    async for text in _rendered(path, options, clock, running):
        if left is not None:
            text = text[:left]
            left -= len(text)
        yield text
        if left == 0:
            return


async def _rendered(
    path: Path, options: containerlogs.Options, clock: Clock, running: Callable[[], bool]
) -> AsyncIterator[bytes]:
    joiner, unfinished = containerlogs.Joiner(), b""
    async for block in _blocks(path, options, clock, running):
        *raw_lines, unfinished = (unfinished + block).split(b"\n")
        lines = (joiner.feed(containerlogs.parse(raw)) for raw in raw_lines)
        yield b"".join(_render(line, options) for line in lines if line is not None)
    if unfinished:
        last = joiner.feed(containerlogs.parse(unfinished))
        yield _render(last, options) if last is not None else b""
    yield b"".join(_render(line, options) for line in joiner.rest())


def _render(line: containerlogs.Line, options: containerlogs.Options) -> bytes:
    return containerlogs.render(line, options) if containerlogs.wanted(line, options) else b""


async def _blocks(
    path: Path, options: containerlogs.Options, clock: Clock, running: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Yield the file's bytes from where the reader wants to begin."""
    file = await asyncio.to_thread(_open, path)
    try:
        if options.tail_lines is not None:
            await asyncio.to_thread(_seek_tail, file, options.tail_lines)
        while True:
            # Asked before reading: what is written before the end is then still read.
            ended = not (options.follow and running())
            while block := await asyncio.to_thread(file.read, BLOCK_BYTES):
                yield block
            # Podman replaces a log that has reached its size by a new file, or cuts it.
            if await asyncio.to_thread(_replaced, file, path):
                while block := await asyncio.to_thread(file.read, BLOCK_BYTES):
                    yield block
                file.close()
                file = await asyncio.to_thread(_open, path)
                continue
            if ended:
                return
            yield b""
            await clock.sleep(POLL_SECONDS)
    finally:
        file.close()


def _open(path: Path) -> FileIO:
    return FileIO(str(path), "rb")


def _replaced(file: FileIO, path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        now = path.stat()
        if now.st_ino != Path(f"/proc/self/fd/{file.fileno()}").stat().st_ino:
            return True
        if now.st_size < file.tell():
            file.seek(0)
    return False


def _seek_tail(file: FileIO, count: int) -> None:
    size = containerlogs.tail_size(_lines_backwards(file), count)
    file.seek(max(file.seek(0, SEEK_END) - size, 0))


def _lines_backwards(file: FileIO) -> Iterator[bytes]:
    position, begin = file.seek(0, SEEK_END), b""
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
