"""Probes over real sockets on loopback: what servers of every kind, and none, make of them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from edge.agent import checks, grpc_health, probing
from edge.agent.probes import Outcome, Result, Target
from edge.api import core
from edge.runtime.containers import EngineAway, ExecResult, RuntimeFailure
from tests.fakes.clock import FakeClock, settle
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


async def probed(probe: core.Probe, **more: object) -> tuple[bool | None, str]:
    container = core.Container(name="c", **more)  # type: ignore[arg-type]
    outcome = await checks.probe(FakeRuntime(FakeClock()), Target("c1", container, "127.0.0.1"), probe)
    return outcome.success, outcome.text


@pytest.mark.parametrize(("answer", "good", "words"), [
    (b"HTTP/1.1 204 No Content\r\n\r\n", True, ""), 
    (b"HTTP/1.0 302 Found\r\n\r\nmoved", True, "Probe terminated redirects, Response body: moved"),
    (b"HTTP/1.1 304 Not Modified\r\n\r\n", True, "Probe terminated redirects"),
    (b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/\r\n\r\n", True, "Probe terminated redirects"),
    (b"HTTP/1.1 302 Found\r\nLocation: /healthz\r\n\r\n", False, "stopped after 10 redirects"),
    (b"HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/\r\n\r\n", True, "Probe terminated redirects"),
    (b"HTTP/1.1 302 Found\r\n" + b"x: y\r\n" * 1000, True, "Probe terminated redirects"),
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
    target = Target("c1", core.Container(name="c"), "")
    command = core.ExecAction(command=("true",))
    with pytest.raises(EngineAway):
        await checks.probe(runtime, target, core.Probe(exec=command))
    hook = core.LifecycleHandler(exec=command)
    assert await checks.hook(runtime, FakeClock(), target, hook, 1) == "the engine is away"


async def test_redirects_on_the_same_host_are_followed_with_the_probes_own_headers() -> None:
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        lead = asked[-1].startswith("GET /a?x=1 ")
        writer.write(b"HTTP/1.1 301 Moved\r\nLocation: /b\r\n\r\n" if lead else b"HTTP/1.1 503 No\r\n\r\n")
        writer.close()
    listening = await asyncio.start_server(serve, "127.0.0.1")
    port = listening.sockets[0].getsockname()[1]
    headers = tuple(core.HTTPHeader(name=name, value=value) for name, value in (
        ("Host", "shop.example"), ("X-Token", "1"), ("X-Token", "2"), ("Accept", "")))
    get = core.HTTPGetAction(port=port, path="a?x=1", http_headers=headers)
    assert await probed(core.Probe(http_get=get)) == (False, "HTTP probe failed with statuscode: 503")
    listening.close()
    assert [request.split()[1] for request in asked] == ["/a?x=1", "/b"]
    for request in asked:
        lines = request.splitlines()
        assert "Host: shop.example" in lines
        assert [line for line in lines if line.startswith("X-Token")] == ["X-Token: 1", "X-Token: 2"]
        assert "User-Agent: kube-probe/1.32" in lines
        assert not [line for line in lines if line.startswith("Accept")]


async def test_a_command_that_cannot_be_run_says_nothing_of_the_container() -> None:
    runtime = FakeRuntime(FakeClock())
    runtime.fail = lambda call: RuntimeFailure("no such file") if call.startswith("exec") else None
    runtime.containers["c1"] = made(core.Container(name="c"))
    outcome = await checks.probe(runtime, Target("c1", core.Container(name="c"), ""),
                                 core.Probe(exec=core.ExecAction(command=("/nope",))))
    assert outcome == Outcome(Result.ERROR, "no such file")


async def test_a_port_nobody_has_named_is_an_error_of_the_probe() -> None:
    assert await probed(core.Probe(tcp_socket=core.TCPSocketAction(port="nope"))) == (
        None, 'strconv.Atoi: parsing "nope": invalid syntax')


async def test_a_hook_by_http_needs_an_answer_and_no_more() -> None:
    clock, target = FakeClock(), Target("c1", core.Container(name="c"), "127.0.0.1")
    async with server(b"HTTP/1.1 500 Oops\r\n\r\n") as port:
        hook = core.LifecycleHandler(http_get=core.HTTPGetAction(port=port))
        assert await checks.hook(FakeRuntime(clock), clock, target, hook, 5) == ""
    assert "connection refused" in await checks.hook(FakeRuntime(clock), clock, target, hook, 5)
    old = core.LifecycleHandler(tcp_socket=core.TCPSocketAction(port=port))
    assert await checks.hook(FakeRuntime(clock), clock, target, old, 5) == "invalid handler"


async def test_each_result_is_said_but_for_those_of_an_engine_that_is_away() -> None:
    clock, said = FakeClock(), []
    runtime = FakeRuntime(clock)
    runtime.containers["c1"] = made(core.Container(name="c"))
    runtime.commands = lambda name, command: ExecResult(1, b"")
    probe = core.Probe(exec=core.ExecAction(command=("check",)), period_seconds=1, failure_threshold=100)
    prober = probing.Prober(runtime, clock, lambda: None, lambda *what: said.append(what[1:]))
    prober.watch({"c1": Target("c1", core.Container(name="c", liveness_probe=probe), "")})
    running = asyncio.create_task(prober.run())
    await settle(50)
    runtime.away = True
    clock.advance(1)
    await settle(50)
    assert said == [("liveness", Outcome(Result.FAILURE))]
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_of_a_pod_that_goes_only_the_readiness_is_probed() -> None:
    clock, said = FakeClock(), []
    runtime = FakeRuntime(clock)
    runtime.containers["c1"] = made(core.Container(name="c"))
    probe = core.Probe(exec=core.ExecAction(command=("check",)), period_seconds=1)
    container = core.Container(name="c", liveness_probe=probe, readiness_probe=probe)
    prober = probing.Prober(runtime, clock, lambda: None, lambda *what: said.append(what))
    prober.watch({"c1": Target("c1", container, "", ending=True)})
    running = asyncio.create_task(prober.run())
    await settle(50)
    assert runtime.calls == ["exec c"]
    assert prober.health()["c1"].ready
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_a_grpc_server_that_asks_and_never_reads_is_answered_no_more() -> None:
    pings, sent, ended = grpc_health.frame(grpc_health.PING, 0, 0, b"12345678") * 4096, 0, asyncio.Event()

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        with contextlib.suppress(OSError):
            while True:
                writer.write(pings)
                await writer.drain()
                sent += len(pings)
        writer.close()
        ended.set()
    # So small a buffer that nothing is taken that is not read.
    listening = await asyncio.start_server(flood, "127.0.0.1", limit=1024)
    listening.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    port = listening.sockets[0].getsockname()[1]
    good, _ = await probed(core.Probe(grpc=core.GRPCAction(port=port), timeout_seconds=1))
    assert not good
    assert sent < 64 << 20
    async with asyncio.timeout(10):  # The probe leaves no connection behind that waits for its reader.
        await ended.wait()
    listening.close()


@pytest.mark.parametrize("host", ["a..b", "x" * 70])
async def test_a_host_that_is_no_name_fails_the_probe_alone(host: str) -> None:
    assert await probed(core.Probe(tcp_socket=core.TCPSocketAction(host=host, port=80))) == (
        False, f"dial tcp: lookup {host}: no such host")
