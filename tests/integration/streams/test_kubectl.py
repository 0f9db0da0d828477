"""A real kubectl, through a toy API server that passes connections on untouched, as the real one does."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.lab import host
from tests.integration.streams.conftest import Node
from tests.integration.streams.toy_api import ToyApi

KUBECTL = host.find_kubectl()
WIRES = pytest.mark.parametrize("websockets", ["true", "false"])


@pytest.fixture
async def api(node: Node) -> AsyncIterator[ToyApi]:
    toy = ToyApi(node.server.port, node.client)
    await toy.start()
    yield toy
    await toy.stop()


async def start(api: ToyApi, tmp_path: Path, websockets: str, *arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    environment = {**os.environ, "HOME": str(tmp_path), "KUBECONFIG": "/dev/null",
                   "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websockets,
                   "KUBECTL_PORT_FORWARD_WEBSOCKETS": websockets}  # fmt: skip
    assert KUBECTL is not None
    return await asyncio.create_subprocess_exec(
        KUBECTL, "--server", f"http://127.0.0.1:{api.port}", *arguments,
        stdin=pipe, stdout=pipe, stderr=pipe, env=environment,
    )  # fmt: skip


@WIRES
async def test_exec_carries_both_outputs_and_the_exit_code(api: ToyApi, tmp_path: Path, websockets: str) -> None:
    process = await start(api, tmp_path, websockets, "exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert out == b"out\n"
    assert err == b"err\ncommand terminated with exit code 7\n"
    assert process.returncode == 7
    assert ("websocket" if websockets == "true" else "SPDY/3.1") in api.heads[0]


@WIRES
async def test_exec_carries_standard_input_and_its_end(api: ToyApi, tmp_path: Path, websockets: str) -> None:
    process = await start(api, tmp_path, websockets, "exec", "-i", "web", "--", "cat")
    sent = bytes(range(256)) * 4000
    out, err = await asyncio.wait_for(process.communicate(sent), 30)
    assert (len(out), err, process.returncode) == (len(sent), b"", 0)
    assert out == sent


@WIRES
async def test_attach_ends_with_the_streams(api: ToyApi, tmp_path: Path, websockets: str) -> None:
    process = await start(api, tmp_path, websockets, "attach", "-i", "web")
    out, _ = await asyncio.wait_for(process.communicate(b"typed\n"), 30)
    assert out == b"typed\n"
    assert process.returncode == 0


@WIRES
async def test_port_forward(api: ToyApi, tmp_path: Path, websockets: str) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        writer.close()

    pod = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = pod.sockets[0].getsockname()[1]
    process = await start(api, tmp_path, websockets, "port-forward", "pod/web", f":{port}", ":1", "--address=127.0.0.1")
    try:
        local, refused = [await _local_port(process) for _ in range(2)]
        answers = await asyncio.gather(*(_ask(local, b"x" * 200_000) for _ in range(5)))
        assert answers == [b"X" * 200_000] * 5
        assert await _ask(refused, b"nobody") == b""
        assert process.stderr is not None
        line = await asyncio.wait_for(process.stderr.readline(), 10)
        assert b"error forwarding port 1 to pod web, uid u-1" in line, line
        assert b"connection refused" in line.lower() or b"connect call failed" in line.lower(), line
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()
        pod.close()
    assert ("websocket" if websockets == "true" else "SPDY/3.1") in api.heads[0]


async def _local_port(process: asyncio.subprocess.Process) -> int:
    """Return the port from `Forwarding from 127.0.0.1:40001 -> 80`."""
    assert process.stdout is not None
    assert process.stderr is not None
    line = await asyncio.wait_for(process.stdout.readline(), 30)
    assert b"->" in line, (line, await process.stderr.read())
    return int(line.split(b" -> ")[0].rpartition(b":")[2])


async def _ask(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await writer.drain()
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_logs(api: ToyApi, node: Node, tmp_path: Path) -> None:
    lines = "2024-05-01T10:00:00.5+00:00 stdout F one\n2024-05-01T10:00:01+00:00 stdout F two\n"
    (node.logs / "main/1.log").write_text(lines)
    process = await start(api, tmp_path, "true", "logs", "web", "--tail=1", "--timestamps")
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (out, err) == (b"2024-05-01T10:00:01+00:00 two\n", b"")
