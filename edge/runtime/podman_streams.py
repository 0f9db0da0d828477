"""Effects: a command's or container's streams over a hijacked connection to Podman.

After the 101 the connection carries raw bytes: multiplexed frames (stream number, three zeros, length) without a
terminal, plain bytes with one. aiohttp does not hand out such a connection, so the request head is written here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from edge.clock import Clock
from edge.runtime import exec_errors
from edge.runtime.containers import EngineAway, NoSuchContainer, RuntimeFailure

CHUNK_BYTES = 32 * 1024
LONGEST_HEAD_BYTES = 64 * 1024
ANSWER_TIMEOUT_SECONDS = 60.0
FRAME_HEAD_BYTES = 8
STDOUT, STDERR = 1, 2
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.01, 0.5


class HijackedSession:
    """An ExecSession over one connection; `program` is what was to be run, empty when nothing was."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        tty: bool,
        resize: Callable[[int, int], Awaitable[None]],
        exit_code: Callable[[], Awaitable[int]],
        program: str = "",
    ) -> None:
        self._reader, self._writer, self._tty, self._program = reader, writer, tty, program
        self._resize, self._exit_code = resize, exit_code
        self._ended = asyncio.Event()

    async def write(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def close_stdin(self) -> None:
        with contextlib.suppress(OSError):
            if self._writer.can_write_eof() and not self._writer.is_closing():
                self._writer.write_eof()

    async def resize(self, width: int, height: int) -> None:
        await self._resize(width, height)

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        first, failed = bool(self._program), False
        async for stream, data in self._chunks():
            if first and exec_errors.begins(data):
                instead = exec_errors.words(data, self._program)
                failed, data = instead is not None, instead or data
            first = False
            if not (failed and exec_errors.is_consequence(data)):
                yield stream, data

    async def _chunks(self) -> AsyncIterator[tuple[int, bytes]]:
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    if self._tty:
                        stream, left = STDOUT, CHUNK_BYTES
                    else:
                        head = await self._reader.readexactly(FRAME_HEAD_BYTES)
                        stream, left = head[0], int.from_bytes(head[4:], "big")
                    while left > 0:
                        data = await self._reader.read(min(left, CHUNK_BYTES))
                        if not data:
                            return
                        left = left - len(data) if not self._tty else 0
                        yield (STDOUT if stream <= STDOUT else STDERR), data
        finally:
            self._ended.set()

    async def exit_code(self) -> int:
        await self._ended.wait()
        return await self._exit_code()

    async def close(self) -> None:
        self._ended.set()
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


async def hijack(socket: str, target: str, body: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """POST with an upgrade and return the raw connection. Raises EngineAway, NoSuchContainer or RuntimeFailure."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket, limit=LONGEST_HEAD_BYTES)
    except OSError as error:
        raise EngineAway(f"podman does not answer at {socket}: {error}") from error
    try:
        head = (
            f"POST {target} HTTP/1.1\r\nHost: podman\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode("ascii") + body)
        async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
            await writer.drain()
            answer = await reader.readuntil(b"\r\n\r\n")
            status = int(answer.split(b" ", 2)[1])
            if status not in (101, 200):
                raise await _refusal(status, answer, reader)
    except BaseException as error:
        writer.close()
        if isinstance(error, (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, IndexError)):
            raise EngineAway(f"podman broke off: {error}") from error
        raise
    return reader, writer


async def _refusal(status: int, head: bytes, reader: asyncio.StreamReader) -> RuntimeFailure:
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = min(int(value), LONGEST_HEAD_BYTES)
    return failure(status, await reader.readexactly(length))


def failure(status: int, body: bytes) -> RuntimeFailure:
    """Return the error Podman's answer stands for, its text in one line."""
    try:
        text = str(msgspec.json.decode(body)["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        text = body.decode("utf-8", "replace") or f"podman answered with status {status}"
    line = " ".join(text.split())
    absent = status == 404 and any(words in line.lower() for words in ("no such container", "no such exec session"))
    return NoSuchContainer(line) if absent else RuntimeFailure(line)


async def until_ended(clock: Clock, running: Callable[[], Awaitable[int | None]]) -> int:
    """Ask for an exit code until there is one: Podman learns of it a moment after the streams close."""
    delay = FIRST_POLL_SECONDS
    while (code := await running()) is None:
        await clock.sleep(delay)
        delay = min(delay * 2, LONGEST_POLL_SECONDS)
    return code
