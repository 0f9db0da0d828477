"""A Podman that answers nonsense, or half: that is a failure of the engine, in one line, and not of this program."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.runtime.containers import RuntimeFailure
from edge.runtime.podman import Podman

NONSENSE = [b"[{]", b"\xff\xfe\x00", b'"text"', b"7", b'{"a": 1}', b"[1, 2]", b'[{"Labels": 3}]', b'[{"Labels": []}]',
            b'[{"Labels": {"edge.pod.uid": "u", "edge.container.name": "c"}}]',
            b'[{"Id": "x", "State": ["running"], "Labels": {"edge.pod.uid": 5, "edge.container.name": {}}}]',
            b'[{"Id": "x", "Created": 9, "StartedAt": 1e300, "Labels": {"edge.pod.uid": "u", '
            b'"edge.container.name": "c"}}]', b"[" * 100_000]


@contextlib.asynccontextmanager
async def answering(directory: Path, *answers: bytes | tuple[int, bytes]) -> AsyncIterator[Podman]:
    """Answer with one body after the other, and from then on with the last; a status stands before it."""
    left = [each if isinstance(each, tuple) else (200, each) for each in answers]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            await reader.readuntil(b"\r\n\r\n")
            status, body = left.pop(0) if len(left) > 1 else left[0]
            writer.write(b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)
            await writer.drain()
        writer.close()
    path = directory / "s"
    server = await asyncio.start_unix_server(answer, str(path))
    runtime = Podman(str(path), SystemClock())
    try:
        yield runtime
    finally:
        await runtime.close()
        server.close()


@pytest.mark.parametrize("body", NONSENSE)
async def test_nonsense_in_place_of_lists(tmp_path: Path, body: bytes) -> None:
    async with answering(tmp_path, body) as runtime:
        for call in (runtime.list, runtime.images, lambda: runtime.layer_sizes(["x"])):
            # Some of it is a list without anything of ours in it, which is as good.
            with contextlib.suppress(RuntimeFailure):
                assert len(await call()) <= 1


async def test_a_line_without_an_end_in_place_of_events(tmp_path: Path) -> None:
    async with answering(tmp_path, b"x" * (4 << 20)) as runtime:
        with pytest.raises(RuntimeFailure):
            async for _ in runtime.changes():
                pass


BUSY = 500, b'{"message": "removing container c1 root filesystem: unlinkat /shm: device or resource busy"}'
GONE = 404, b'{"message": "no container with ID c1: no such container"}'


async def test_a_container_that_was_unmounted_a_moment_late_is_removed_all_the_same(tmp_path: Path) -> None:
    async with answering(tmp_path, BUSY, GONE) as runtime:
        await runtime.remove("c1")


async def test_a_container_that_stays_busy_is_a_failure(tmp_path: Path) -> None:
    async with answering(tmp_path, BUSY) as runtime:
        with pytest.raises(RuntimeFailure, match="device or resource busy"):
            await runtime.remove("c1")
