"""The streams server under load: logs in several files, as many streams as may be, peers that are slow or gone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from edge import door as doors
from edge.agent import streams, streams_netns
from edge.agent.streams_directory import ContainerView
from tests.integration.streams.conftest import Node
from tests.integration.streams.test_server import LINE, V4, V5, channels, text, until

PATH = "/containerLogs/default/web/main"


def stamped(second: int, words: str) -> str:
    return f"2024-05-01T10:00:{second:02}.000000001+00:00 stdout F {words}\n"


def ended(node: Node) -> None:
    pod = node.directory.pod
    assert pod is not None
    node.directory.pod = replace(pod, containers={"main": ContainerView(id="c1", attempt=1)})


@pytest.fixture
def rotated(node: Node) -> Path:
    """A log of three files, the newest with two names, as the keeper of logs makes them."""
    log = node.logs / "main/1.log"
    for number in range(1, 4):
        lines = "".join(stamped(10 * number + n, f"file {number} line {n}") for n in range(5))
        Path(f"{log}.{number}").write_text(lines)
    log.hardlink_to(f"{log}.3")
    return log


class TestLogsInSeveralFiles:
    async def test_all_that_is_there_is_read_once(self, node: Node, rotated: Path) -> None:
        everything = [f"file {number} line {n}\n" for number in range(1, 4) for n in range(5)]
        assert await text(node, PATH) == "".join(everything)
        assert await text(node, f"{PATH}?tailLines=7") == "".join(everything[-7:])
        assert await text(node, f"{PATH}?tailLines=5") == "".join(everything[-5:])
        assert await text(node, f"{PATH}?tailLines=100") == "".join(everything)
        assert await text(node, f"{PATH}?limitBytes=20&tailLines=6") == "file 2 line 4\nfile 3"
        assert await text(node, f"{PATH}?sinceTime=2024-05-01T10:00:24Z") == "".join(everything[9:])

    async def test_a_long_line_that_was_cut_by_the_rotation_is_whole(self, node: Node, rotated: Path) -> None:
        second = Path(f"{rotated}.2")
        second.write_text(second.read_text() + "2024-05-01T10:00:29.5Z stdout P half a \n")
        Path(f"{rotated}.3").write_text(stamped(30, "line"))
        assert (await text(node, f"{PATH}?tailLines=1")).endswith("half a line\n")

    async def test_the_tail_of_a_log_that_grows_meanwhile_is_whole_lines(self, node: Node, rotated: Path) -> None:
        rotated.write_text(stamped(40, "x" * 50) * 10_000)
        growing = True

        def grow() -> None:
            with rotated.open("a") as file:
                while growing:
                    file.write(stamped(41, "x" * 50) * 50)
                    file.flush()

        writer = threading.Thread(target=grow)
        writer.start()
        try:
            for _ in range(20):
                lines = (await text(node, f"{PATH}?tailLines=1000")).splitlines()
                assert lines[:1000] == ["x" * 50] * 1000
                assert len(lines) <= 1001, "and the beginning of a line that is being written"
        finally:
            growing = False
            writer.join()

    async def test_a_follower_goes_on_into_memory_and_back(self, node: Node, rotated: Path) -> None:
        pod = node.directory.pod
        assert pod is not None
        node.directory.pod = replace(pod, log_memory_dir=str(node.logs.parent / "links"))
        memory = node.logs.parent / "links/main.memory"
        memory.mkdir(parents=True)
        async with node.http.get(node.url(f"{PATH}?follow=true&tailLines=1"), server_hostname="node-1") as response:
            assert await response.content.readline() == b"file 3 line 4\n"
            (memory / "1.log").write_text(stamped(40, "in memory"))
            assert await asyncio.wait_for(response.content.readline(), 5) == b"in memory\n"
            with (memory / "1.log").open("a") as file:
                file.write(stamped(41, "more"))
            assert await asyncio.wait_for(response.content.readline(), 5) == b"more\n"
            (memory / "1.log.4").hardlink_to(memory / "1.log")
            fresh = rotated.with_suffix(".new")
            fresh.write_text(stamped(42, "back on the card"))
            fresh.rename(rotated)
            assert await asyncio.wait_for(response.content.readline(), 5) == b"back on the card\n"
            ended(node)
            assert await asyncio.wait_for(response.content.read(), 5) == b""

    async def test_a_file_that_is_removed_while_it_is_read_is_read_to_its_end(self, node: Node, rotated: Path) -> None:
        Path(f"{rotated}.1").write_text("".join(stamped(1, f"old {n}") for n in range(100_000)))
        async with node.http.get(node.url(PATH), server_hostname="node-1") as response:
            assert await response.content.readline() == b"old 0\n"
            Path(f"{rotated}.1").unlink()
            assert (await response.content.read()).count(b"old ") == 99_999


class TestBounds:
    async def test_two_hundred_followers_see_each_line(self, node: Node) -> None:
        log = node.logs / "main/1.log"
        log.write_text(LINE.format(0))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=node.client, limit=0)) as http:
            async def follow() -> bytes:
                async with http.get(node.url(f"{PATH}?follow=true"), server_hostname="node-1") as response:
                    return await response.content.read()

            followers = [asyncio.create_task(follow()) for _ in range(200)]
            await until(lambda: node.server._log_room.taken == 200, 30)
            with log.open("a") as file:
                file.write(LINE.format(1))
            assert await asyncio.wait_for(text(node, "/healthz"), 2) == "ok"
            ended(node)
            assert set(await asyncio.wait_for(asyncio.gather(*followers), 30)) == {b"line 0\nline 1\n"}
        assert node.server._log_room.taken == 0

    async def test_over_the_bound_the_answer_is_429_with_a_reason(self, node: Node) -> None:
        (node.logs / "main/1.log").write_text(LINE.format(0))
        node.server._log_room.limit, node.server._command_room.limit = 1, 1
        async with node.http.get(node.url(f"{PATH}?follow=true"), server_hostname="node-1") as response:
            await response.content.readline()
            refusal = json.loads(await text(node, PATH, 429))
            assert (refusal["kind"], refusal["reason"], refusal["code"]) == ("Status", "TooManyRequests", 429)
            assert "1 logs already" in refusal["message"]
        url = node.url("/exec/default/web/main?command=cat&input=1&output=1")
        async with node.http.ws_connect(url, protocols=(V5,), server_hostname="node-1"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await channels(node, "/exec/default/web/main?command=true&output=1")
            assert caught.value.status == 429
        await until(lambda: node.server._command_room.taken == 0)
        await channels(node, "/exec/default/web/main?command=true&output=1")

    async def test_fifty_commands_at_a_time(self, node: Node) -> None:
        path = "/exec/default/web/main?command=sh&command=-c&command=sleep+1;echo+done&output=1"
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=node.client, limit=0)) as http:
            node.http, before = http, node.http
            fifty = asyncio.gather(*(channels(node, path, protocol=V4) for _ in range(50)))
            answers = await asyncio.wait_for(fifty, 60)
            node.http = before
        assert all((1, b"done\n") in messages for messages in answers)

    async def test_a_reader_that_does_not_read_costs_no_memory(self, node: Node) -> None:
        """Its own log stands still, everybody else's goes on."""
        (node.logs / "main/1.log").write_bytes(LINE.format(0).encode() * 800_000)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        writers = []
        for _ in range(10):
            _, writer = await raw(node, f"GET {PATH}?follow=true HTTP/1.1\r\nHost: a\r\n\r\n", buffer_bytes=4096)
            writers.append(writer)
        await until(lambda: node.server._log_room.taken == 10)
        for _ in range(5):
            assert await asyncio.wait_for(text(node, f"{PATH}?tailLines=1"), 5) == "line 0\n"
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 40_000, f"{grown} KiB for 10 logs of 40 MB"
        for writer in writers:
            writer.transport.abort()
        await until(lambda: node.server._log_room.taken == 0)


async def raw(node: Node, head: str, buffer_bytes: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a request and read nothing of its answer."""
    link = socket.create_connection(("127.0.0.1", node.server.port))
    if buffer_bytes:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    link.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=link, ssl=node.client, server_hostname="node-1", limit=4096)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(head.encode())
    return reader, writer


class TestPeersThatAreGone:
    async def test_a_follower_that_leaves_frees_its_place(self, node: Node) -> None:
        (node.logs / "main/1.log").write_text(LINE.format(0))
        async with node.http.get(node.url(f"{PATH}?follow=true"), server_hostname="node-1") as response:
            await response.content.readline()
            assert node.server._log_room.taken == 1
        await until(lambda: node.server._log_room.taken == 0)

    async def test_the_kernel_asks_silent_peers_whether_they_live(self, node: Node) -> None:
        assert node.server._door is not None
        listening = node.server._door.listening[0]
        assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
        kept = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
        assert kept * 15 + 60 <= 120

    async def test_one_that_never_finishes_its_handshake_is_closed(
            self, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(streams, "LIMITS", doors.Limits(handshake_seconds=0.2))
        await node.server.stop()
        await node.server.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", node.server.port)
        writer.write(b"\x16")
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()

    async def test_a_thousand_that_say_nothing_take_no_place_from_the_server(self, node: Node) -> None:
        (node.logs / "main/1.log").write_text(LINE.format(0))
        silent = [socket.socket() for _ in range(streams.LIMITS.from_one + 100)]
        try:
            for each in silent:
                each.bind(("127.0.0.9", 0))
                each.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    each.connect(("127.0.0.1", node.server.port))
            door = node.server._door
            assert door is not None
            await until(lambda: door.strangers == streams.LIMITS.from_one)
            async with node.http.get(node.url(PATH), server_hostname="node-1") as response:
                assert response.status == 200
            assert door.strangers <= streams.LIMITS.from_one
        finally:
            for each in silent:
                each.close()
        await until(lambda: door.strangers == 0)

    async def test_all_streams_end_when_the_agent_stops(self, node: Node) -> None:
        (node.logs / "main/1.log").write_text(LINE.format(0))
        url = node.url("/exec/default/web/main?command=sleep&command=1000&output=1")
        async with (
            node.http.get(node.url(f"{PATH}?follow=true"), server_hostname="node-1") as response,
            node.http.ws_connect(url, protocols=(V5,), server_hostname="node-1") as command,
        ):
            await response.content.readline()
            await until(lambda: node.runtime.sessions)
            await asyncio.wait_for(node.server.stop(), 10)
            with contextlib.suppress(aiohttp.ClientError):
                await asyncio.wait_for(response.content.read(), 5)
            while (await asyncio.wait_for(command.receive(), 5)).type is aiohttp.WSMsgType.BINARY:
                pass
        await until(lambda: node.runtime.sessions[0].closed)


class TestPathsOfAKubelet:
    async def test_run_answers_with_all_that_is_printed(self, node: Node) -> None:
        url = node.url("/run/default/web/main?cmd=echo+hi+there")
        async with node.http.post(url, server_hostname="node-1") as response:
            assert await response.text() == "hi there\n"
        async with node.http.post(node.url("/run/default/web/main"), server_hostname="node-1") as response:
            assert response.status == 400

    async def test_health_pods_and_metrics(self, node: Node) -> None:
        assert await text(node, "/healthz/ping") == "ok"
        pods = json.loads(await text(node, "/pods"))
        assert (pods["kind"], pods["items"][0]["metadata"]["name"]) == ("PodList", "web")
        metrics = await text(node, "/metrics")
        assert "kubelet_running_pods 1\n" in metrics
        assert 'kubelet_running_containers{container_state="waiting"} 1\n' in metrics
        assert 'edge_agent_streams{kind="logs"} 0\n' in metrics
        value = next(line for line in metrics.splitlines() if line.startswith("process_resident_memory_bytes "))
        assert float(value.split()[1]) > 10_000_000

    @pytest.mark.parametrize("path", [PATH, "/pods", "/metrics", "/exec/default/web/main?command=a&output=1"])
    async def test_nobody_but_the_api_server_is_served(self, node: Node, path: str) -> None:
        other: ssl.SSLContext = node.authority.client("somebody", "developers")
        async with aiohttp.ClientSession() as http, http.get(
                node.url(path), ssl=other, server_hostname="node-1") as response:
            assert response.status == 403


@pytest.fixture
def listening() -> Iterator[int]:
    """A port that answers on ::1 alone."""
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")

    def answer() -> None:
        with contextlib.suppress(OSError):
            link, _ = server.accept()
            link.sendall(b"six")
            link.close()

    threading.Thread(target=answer, daemon=True).start()
    yield int(server.getsockname()[1])
    server.close()


class TestPorts:
    async def test_a_program_that_knows_only_ipv6_is_reached(self, listening: int) -> None:
        link = await streams_netns.connect("", listening, 5)
        assert await asyncio.get_running_loop().sock_recv(link, 10) == b"six"
        link.close()

    async def test_a_closed_port_is_told_in_kubernetes_words(self) -> None:
        with pytest.raises(streams_netns.Unreachable) as caught:
            await streams_netns.connect("", 1, 5)
        assert str(caught.value).startswith(
            "failed to connect to localhost:1, IPv4 dial tcp4 127.0.0.1:1: connect: connection refused IPv6 dial tcp6 ")

    async def test_a_namespace_that_is_gone_is_told(self) -> None:
        with pytest.raises(streams_netns.Unreachable, match="No such file"):
            await streams_netns.connect("/run/netns/edge-none", 1, 5)
