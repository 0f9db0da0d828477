"""Probes over real sockets on loopback: what servers of every kind, and none, make of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from edge.agent import grpc_health, probing
from edge.api import core
from edge.runtime.containers import EngineAway
from tests.fakes.clock import FakeClock
from tests.fakes.runtime import FakeRuntime
from tests.fakes.view import made

SERVING = (grpc_health.frame(grpc_health.SETTINGS, 0, 0)
           + grpc_health.frame(grpc_health.DATA, grpc_health.END_STREAM, 1, b"\0\0\0\0\x02\x08\x01"))


@contextlib.asynccontextmanager
async def server(answer: bytes | None) -> AsyncIterator[int]:
    """Serve one answer to whatever is said; None says nothing and holds the connection."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read(1)
            if answer is None:
                await over.wait()
            else:
                writer.write(answer)
                await writer.drain()
        writer.close()
    listening = await asyncio.start_server(serve, "127.0.0.1")
    yield listening.sockets[0].getsockname()[1]
    over.set()
    listening.close()


async def probed(probe: core.Probe, **more: object) -> tuple[bool, str]:
    container = core.Container(name="c", **more)  # type: ignore[arg-type]
    return await probing.attempt(FakeRuntime(FakeClock()), probing.Target("c1", container, "127.0.0.1"), probe)


@pytest.mark.parametrize(("answer", "good", "words"), [
    (b"HTTP/1.1 204 No Content\r\n\r\n", True, ""), (b"HTTP/1.0 302 Found\r\n\r\n", True, ""),
    (b"HTTP/1.1 500 Oops\r\n\r\n", False, "HTTP probe failed with statuscode: 500"),
    (b"220 mail ready\r\n", False, "malformed HTTP response"), (b"", False, "malformed HTTP response"),
    (b"x" * 200_000, False, "Get "), (b"\xff\xfe\r\n", False, "malformed HTTP response")])
async def test_http(answer: bytes, good: bool, words: str) -> None:
    async with server(answer) as port:
        success, text = await probed(core.Probe(http_get=core.HTTPGetAction(port=port, path="/healthz")))
    assert success is good
    assert words in text


async def test_http_that_never_answers_times_out() -> None:
    async with server(None) as port:
        success, text = await probed(core.Probe(http_get=core.HTTPGetAction(port=port), timeout_seconds=1))
    assert (success, "context deadline exceeded" in text) == (False, True)


async def test_a_header_cannot_smuggle_another_request_in() -> None:
    get = core.HTTPGetAction(port=1, http_headers=(core.HTTPHeader(name="X", value="a\r\nY: b"),))
    success, text = await probed(core.Probe(http_get=get))
    assert (success, "line break" in text) == (False, True)


async def test_tcp_and_named_ports() -> None:
    async with server(b"") as port:
        named = core.ContainerPort(name="web", container_port=port)
        assert await probed(core.Probe(tcp_socket=core.TCPSocketAction(port="web")), ports=(named,)) == (True, "")
    success, text = await probed(core.Probe(tcp_socket=core.TCPSocketAction(port=port)))
    assert (success, text) == (False, f"dial tcp 127.0.0.1:{port}: connect: connection refused")


@pytest.mark.parametrize(("answer", "good", "words"), [
    (SERVING, True, ""), (b"", False, "does not answer the gRPC health protocol"),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", False, "HTTP/2"), (None, False, "no answer")])
async def test_grpc(answer: bytes | None, good: bool, words: str) -> None:
    async with server(answer) as port:
        success, text = await probed(core.Probe(grpc=core.GRPCAction(port=port), timeout_seconds=1))
    assert success is good
    assert words in text


async def test_an_engine_that_is_away_says_nothing_of_the_container() -> None:
    runtime = FakeRuntime(FakeClock())
    runtime.away = True
    runtime.containers["c1"] = made(core.Container(name="c"))
    target = probing.Target("c1", core.Container(name="c"), "")
    command = core.ExecAction(command=("true",))
    with pytest.raises(EngineAway):
        await probing.attempt(runtime, target, core.Probe(exec=command))
    hook = core.LifecycleHandler(exec=command)
    assert await probing.run_hook(runtime, FakeClock(), target, hook, 1) == "the engine is away"
