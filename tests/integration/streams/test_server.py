"""The agent's streams server over mutual TLS, asked by plain HTTP and WebSocket clients and by a hostile one."""

from __future__ import annotations

import asyncio
import asyncio.sslproto
import io
import json
import ssl
import struct
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from edge.agent import spdy
from edge.agent.streams import TLS_BUFFER_BYTES, StreamServer
from edge.agent.streams_directory import ContainerView
from edge.agent.streams_spdy import RawWire, Session
from edge.clock import SystemClock
from tests.integration.streams.conftest import Node
from tests.integration.streams.local import Authority

V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
LINE = "2024-05-01T10:00:0{0}.000000001+00:00 stdout F line {0}\n"


async def text(node: Node, path: str, status: int = 200) -> str:
    async with node.http.get(node.url(path), server_hostname="node-1") as response:
        body = await response.text()
        assert response.status == status, body
        return body


async def channels(node: Node, path: str, *sent: bytes, protocol: str = V5) -> list[tuple[int, bytes]]:
    """Open a WebSocket, send messages and return what came until it closed."""
    async with node.http.ws_connect(node.url(path), protocols=(protocol,), server_hostname="node-1") as socket:
        for message in sent:
            await socket.send_bytes(message)
        return [(m.data[0], m.data[1:]) async for m in socket if m.type is aiohttp.WSMsgType.BINARY]


async def until(condition: object, seconds: float = 10) -> None:
    assert callable(condition)
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is another task's doing
            await asyncio.sleep(0.01)


class TestWhoMayConnect:
    @pytest.mark.parametrize(("name", "group"), [
        ("node-2", "system:nodes"), ("node-1", "system:nodes"), ("kubernetes-admin", "system:masters"),
        ("jane", "developers"), ("system:edge-server", "system:nodes")])
    async def test_another_certificate_of_the_cluster_is_refused(self, node: Node, name: str, group: str) -> None:
        other = node.authority.client(name, group)
        async with (
            aiohttp.ClientSession() as http,
            http.get(node.url("/healthz"), ssl=other, server_hostname="node-1") as response,
        ):
            assert response.status == 403

    async def test_a_users_certificate_is_refused(self, node: Node, tmp_path: Path) -> None:
        users = Authority(tmp_path, "users")
        identity = users.issue("system:edge-server", "system:masters")
        shown = ssl.create_default_context(cafile=str(node.authority.ca))
        shown.load_cert_chain(*identity)
        with pytest.raises(aiohttp.ClientError):
            async with (
                aiohttp.ClientSession() as http,
                http.get(node.url("/healthz"), ssl=shown, server_hostname="node-1"),
            ):
                pass

    async def test_no_certificate_is_refused(self, node: Node) -> None:
        nobody = ssl.create_default_context(cafile=str(node.authority.ca))
        with pytest.raises(aiohttp.ClientError):
            async with (
                aiohttp.ClientSession() as http,
                http.get(node.url("/healthz"), ssl=nobody, server_hostname="node-1"),
            ):
                pass

    async def test_a_context_that_trusts_anybody_is_refused(self, node: Node) -> None:
        with pytest.raises(ValueError, match="client certificates"):
            StreamServer(node.runtime.as_runtime(), node.directory, ssl.create_default_context(ssl.Purpose.CLIENT_AUTH),
                         SystemClock())  # fmt: skip

    async def test_the_control_plane_is_served(self, node: Node) -> None:
        assert await text(node, "/healthz") == "ok"
        assert asyncio.sslproto.SSLProtocol.max_size == TLS_BUFFER_BYTES
        assert json.loads(await text(node, "/pods"))["items"][0]["metadata"]["uid"] == "u-1"
        assert json.loads(await text(node, "/stats/summary"))["node"]["nodeName"] == "node-1"


class TestLogs:
    async def test_options(self, node: Node) -> None:
        (node.logs / "main/1.log").write_text("".join(LINE.format(n) for n in range(5)))
        (node.logs / "main/0.log").write_text(LINE.format(9))
        path = "/containerLogs/default/web/main"
        assert await text(node, path) == "".join(f"line {n}\n" for n in range(5))
        assert await text(node, f"{path}?tailLines=2") == "line 3\nline 4\n"
        assert await text(node, f"{path}?tailLines=0") == ""
        assert await text(node, f"{path}?limitBytes=9") == "line 0\nli"
        assert await text(node, f"{path}?sinceTime=2024-05-01T10:00:03Z") == "line 3\nline 4\n"
        assert await text(node, f"{path}?previous=true") == "line 9\n"
        assert "must be" in await text(node, f"{path}?tailLines=-1", 422)

    async def test_absent_things_are_named(self, node: Node) -> None:
        assert 'pod "default/nope"' in await text(node, "/containerLogs/default/nope/main", 404)
        assert "is not valid for pod" in await text(node, "/containerLogs/default/web/nope", 400)
        assert "waiting to start: ContainerCreating" in await text(node, "/containerLogs/default/web/later", 400)
        await self.check_waiting(node, "PodInitializing", "PodInitializing")
        await self.check_waiting(node, "ImagePullBackOff", "trying and failing to pull image")
        assert "has no log" in await text(node, "/containerLogs/default/web/main", 400)
        assert "previous terminated" in await text(node, "/containerLogs/default/web/later?previous=true", 400)

    async def check_waiting(self, node: Node, reason: str, said: str) -> None:
        pod = node.directory.pod
        assert pod is not None
        node.directory.pod = replace(pod, containers={**pod.containers, "held": ContainerView(waiting=reason)})
        assert f"is waiting to start: {said}\n" in await text(node, "/containerLogs/default/web/held", 400)

    async def test_while_backing_off_the_ended_attempt_is_the_previous_one(self, node: Node) -> None:
        pod = node.directory.pod
        assert pod is not None
        node.directory.pod = replace(pod, containers={"main": ContainerView(id="c1", backing_off=True)})
        (node.logs / "main/0.log").write_text(LINE.format(1))
        assert await text(node, "/containerLogs/default/web/main?previous=true") == "line 1\n"
        assert await text(node, "/containerLogs/default/web/main") == "line 1\n"

    async def test_follow_crosses_a_rotation_and_ends_with_the_container(self, node: Node) -> None:
        log = node.logs / "main/1.log"
        log.write_text("".join(LINE.format(n) for n in range(3)))
        url = node.url("/containerLogs/default/web/main?follow=true&tailLines=1")
        async with node.http.get(url, server_hostname="node-1") as response:
            assert await response.content.readline() == b"line 2\n"
            with log.open("a") as file:
                file.write(LINE.format(3))
            assert await response.content.readline() == b"line 3\n"
            fresh = log.with_suffix(".new")
            fresh.write_text(LINE.format(4))
            fresh.rename(log)
            assert await response.content.readline() == b"line 4\n"
            pod = node.directory.pod
            assert pod is not None
            with log.open("a") as file:
                file.write(LINE.format(5))
            node.directory.pod = replace(pod, containers={"main": ContainerView(id="c1", attempt=1, running=False)})
            assert await asyncio.wait_for(response.content.read(), 5) == b"line 5\n"


class TestExec:
    RUN = "/exec/default/web/main?command=sh&command=-c&command="

    async def test_a_failure_is_a_status_with_the_exit_code(self, node: Node) -> None:
        for protocol in (V4, V5):
            path = f"{self.RUN}echo+out;exit+3&output=1&error=1"
            messages = await channels(node, path, protocol=protocol)
            assert b"".join(data for number, data in messages if number == 1) == b"out\n"
            status = json.loads(messages[-1][1])
            assert (messages[-1][0], status["reason"]) == (3, "NonZeroExitCode")
            assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]

    async def test_only_streams_asked_for_are_sent(self, node: Node) -> None:
        messages = await channels(node, f"{self.RUN}echo+out;echo+err+>%262&stdout=true")
        assert {number for number, data in messages if data} == {1, 3}

    async def test_input_ends_by_a_close_message_and_resizes_pass(self, node: Node) -> None:
        path = "/exec/default/web/main?command=cat&input=1&output=1&tty=1"
        messages = await channels(node, path, b'\x04{"Width":80,"Height":24}', b"\x00abc", b"\x04nonsense", b"\xff\x00")
        assert b"".join(data for number, data in messages if number == 1) == b"abc"
        assert json.loads(messages[-1][1])["status"] == "Success"
        assert node.runtime.sessions[0].sizes == [(80, 24)]

    async def test_base64_variant(self, node: Node) -> None:
        url = node.url("/exec/default/web/main?command=echo&command=hi&output=1")
        protocols = ("v4.base64.channel.k8s.io",)
        async with node.http.ws_connect(url, protocols=protocols, server_hostname="node-1") as socket:
            texts = [message.data async for message in socket if message.type is aiohttp.WSMsgType.TEXT]
        assert "1aGkK" in texts

    async def test_a_container_that_is_gone_is_told_on_the_error_channel(self, node: Node) -> None:
        pod = node.directory.pod
        assert pod is not None
        node.directory.pod = replace(pod, containers={"main": ContainerView(id="gone", running=True)})
        messages = await channels(node, f"{self.RUN}true&output=1")
        assert "no container gone" in json.loads(messages[-1][1])["message"]

    async def test_refusals_before_the_upgrade(self, node: Node) -> None:
        assert "container not found" in await text(node, "/exec/default/web/later?command=a&output=1", 404)
        assert "command" in await text(node, "/exec/default/web/main?output=1", 400)
        assert "at least 1 of" in await text(node, "/exec/default/web/main?command=a", 400)
        assert "Upgrade" in await text(node, "/exec/default/web/main?command=a&output=1", 400)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await channels(node, f"{self.RUN}true&output=1", protocol="v9.channel.k8s.io")

    async def test_a_client_that_leaves_releases_the_session(self, node: Node) -> None:
        url = node.url("/exec/default/web/main?command=sleep&command=1000&output=1")
        async with node.http.ws_connect(url, protocols=(V5,), server_hostname="node-1"):
            await until(lambda: node.runtime.sessions)
            assert not node.runtime.sessions[0].closed
        await until(lambda: node.runtime.sessions[0].closed)

    async def test_a_malformed_message_ends_only_its_connection(self, node: Node) -> None:
        await channels(node, "/exec/default/web/main?command=cat&input=1&output=1", b"")
        assert await text(node, "/healthz") == "ok"

    async def test_a_reader_that_sleeps_stalls_nobody_else(self, node: Node) -> None:
        url = node.url("/exec/default/web/main?command=cat&command=/dev/zero&output=1")
        async with node.http.ws_connect(url, protocols=(V5,), server_hostname="node-1") as sleeper:
            for _ in range(20):
                assert await text(node, "/healthz") == "ok"
            messages = await channels(node, f"{self.RUN}echo+hi&output=1")
            assert (1, b"hi\n") in messages
            assert not sleeper.closed


async def upgraded(node: Node, path: str, protocol: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Upgrade a connection to SPDY."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", node.server.port, ssl=node.client, server_hostname="node-1"
    )
    writer.write(f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
                 f"X-Stream-Protocol-Version: {protocol}\r\n\r\n".encode())  # fmt: skip
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    return reader, writer


class TestSpdyExec:
    async def test_a_terminal_and_its_sizes(self, node: Node) -> None:
        path = "/exec/default/web/main?command=cat&stdin=1&stdout=1&tty=1"
        session = Session(RawWire(*await upgraded(node, path, "v4.channel.k8s.io")), client=True)
        reading = asyncio.create_task(session.run())
        streams = {name: await session.open({"streamtype": name}) for name in ("error", "stdin", "stdout", "resize")}
        await streams["resize"].write(b'{"Width":80,"Height":24}\n{"Wid')
        await streams["resize"].write(b'th":90,"Height":30}')
        await until(lambda: node.runtime.sessions and len(node.runtime.sessions[0].sizes) == 2)
        assert node.runtime.sessions[0].sizes == [(80, 24), (90, 30)]
        await streams["stdin"].write(b"x" * 300_000)
        await streams["stdin"].close()
        assert b"".join([data async for data in streams["stdout"].chunks()]) == b"x" * 300_000
        assert json.loads(b"".join([data async for data in streams["error"].chunks()]))["status"] == "Success"
        await asyncio.wait_for(reading, 10)
        await session.close()

    async def test_a_client_that_opens_streams_and_leaves(self, node: Node) -> None:
        path = "/exec/default/web/main?command=sleep&command=1000&stdout=1"
        reader, writer = await upgraded(node, path, "v4.channel.k8s.io")
        codec = spdy.Codec()
        for number, name in ((1, "error"), (3, "stdout")):
            writer.write(codec.encode(spdy.SynStream(number, {"streamtype": name})))
        await until(lambda: node.runtime.sessions)
        writer.close()
        await until(lambda: node.runtime.sessions[0].closed)
        assert reader is not None


class TestHostileSpdy:
    @pytest.mark.parametrize("garbage", [
        b"\x80\x01 / HTTP/1.1\r\n\r\n" * 9, bytes.fromhex("8003000100ffffff") + b"x" * 99,
        bytes.fromhex("800300010000000c") + bytes(12),
    ])  # fmt: skip
    async def test_garbage_ends_the_connection_alone(self, node: Node, garbage: bytes) -> None:
        reader, writer = await upgraded(node, "/portForward/default/web", "portforward.k8s.io")
        writer.write(garbage)
        rest = await asyncio.wait_for(reader.read(), 10)
        assert isinstance(next(spdy.Codec().feed(rest)), spdy.GoAway)
        writer.close()
        assert await text(node, "/healthz") == "ok"


class TestPorts:
    async def test_forward_over_channels(self, node: Node) -> None:
        async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readline()).upper())
            writer.close()

        pod = await asyncio.start_server(shout, "127.0.0.1", 0)
        port = pod.sockets[0].getsockname()[1]
        messages = await channels(node, f"/portForward/default/web?ports={port}&ports=1", b"\x00hi\n", protocol=V4)
        head = struct.pack("<H", port)
        assert {(0, head), (1, head), (2, b"\x01\x00"), (3, b"\x01\x00"), (0, b"HI\n")} <= set(messages)
        assert any(number == 3 and b"error forwarding port 1 to pod web" in data for number, data in messages)
        pod.close()

    async def test_proxy_passes_requests_and_answers(self, node: Node) -> None:
        async def echo(request: web.Request) -> web.Response:
            body = f"{request.method} {request.raw_path} {await request.text()}"
            return web.Response(text=body, status=418, headers={"X-Pod": "yes", "Set-Cookie": "a=b"})

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", echo)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        url = node.url(f"/proxy/default/web/{port}/a%2Fb/c?d=%20e")
        async with node.http.post(url, data="body", server_hostname="node-1") as response:
            assert (response.status, response.headers["X-Pod"]) == (418, "yes")
            assert await response.text() == "POST /a%2Fb/c?d=%20e body"
        await runner.cleanup()
        assert "error trying to reach service" in await text(node, "/proxy/default/web/1/", 502)
        assert "invalid port" in await text(node, "/proxy/default/web/99999/", 400)


class TestImages:
    async def test_load_streams_the_archive(self, node: Node) -> None:
        archive, url = b"x" * 3_000_000, node.url("/images/load")
        async with node.http.post(url, data=io.BytesIO(archive), server_hostname="node-1") as response:
            assert await response.json() == {"names": ["docker.io/library/hello:latest"]}
        assert node.runtime.loaded == archive
        assert json.loads(await text(node, "/images"))["images"][0]["sizeBytes"] == 5
