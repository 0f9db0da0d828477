"""Logs, exec and proxies through the server to an agent: a TLS server that only knows the system:edge-server."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import msgspec
import pytest
from aiohttp import web

from edge.api import core, meta
from edge.apiserver import http_answers
from tests.integration.conftest import Cluster


@dataclass(slots=True)
class Agent:
    """Answers as an agent would, and remembers what it was asked."""

    asked: list[str] = field(default_factory=list)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.raw_path}")
        if "/exec/" in request.path:
            return await self._echo(request)
        if request.path.startswith("/portForward/"):
            return await self._spdy(request)
        if request.path.endswith("/starting"):
            return web.Response(status=400, text='container "starting" in pod "web" is waiting to start')
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        await response.write(b"first\n")
        await response.write(await request.read() + b"last\n")
        return response

    async def _echo(self, request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await socket.prepare(request)
        async for message in socket:
            await socket.send_bytes(message.data)
        return socket

    async def _spdy(self, request: web.BaseRequest) -> web.StreamResponse:
        """Speak raw bytes after the 101, and close first."""
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\n\r\n")
        request.transport.write(b"x" * 3_000_000 + b"end")
        request.transport.close()
        return http_answers.Taken()


@pytest.fixture
async def agent(cluster: Cluster) -> AsyncIterator[Agent]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*cluster.authority.issue("node-1", server=True))
    context.load_verify_locations(cluster.authority.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    found = Agent()
    server = web.Server(found.handle, access_log=None)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", cluster.agent_port, ssl=context)
    await cluster.client.create(core.Node(metadata=meta.ObjectMeta(name="node-1"), status=core.NodeStatus(
        addresses=(core.NodeAddress(type="InternalIP", address="127.0.0.1"),))))
    await make_pod(cluster, "web", "main")
    await cluster.client.bind("web", "default", "node-1")
    yield found
    listener.close()
    await server.shutdown(1)
    await listener.wait_closed()


async def make_pod(cluster: Cluster, name: str, *containers: str) -> None:
    await cluster.client.create(core.Pod(
        metadata=meta.ObjectMeta(name=name, namespace="default"),
        spec=core.PodSpec(containers=tuple(core.Container(name=each, image="x") for each in containers))))


POD = "/api/v1/namespaces/default/pods"


async def test_logs_stream_through(cluster: Cluster, agent: Agent) -> None:
    async with cluster.http.get(f"{cluster.url}{POD}/web/log?follow=true&tailLines=5") as answer:
        assert await answer.text() == "first\nlast\n"
        assert answer.headers["Content-Type"] == "text/plain"
    assert agent.asked == ["GET /containerLogs/default/web/main?follow=true&tailLines=5"]
    assert (await cluster.kubectl("logs", "web")).out == "first\nlast\n"


@pytest.mark.parametrize(("protocols", "chosen"), [
    ((), None), (("binary.k8s.io",), "binary.k8s.io"), (("base64.binary.k8s.io",), "base64.binary.k8s.io")])
async def test_browsers_read_logs_as_messages(cluster: Cluster, agent: Agent, protocols: tuple[str, ...],
                                              chosen: str | None) -> None:
    async with cluster.http.ws_connect(f"{cluster.url}{POD}/web/log?follow=true", protocols=protocols) as socket:
        assert socket.protocol == chosen
        parts = [message.data async for message in socket]
    text = b"".join(part if isinstance(part, bytes) else base64.b64decode(part) for part in parts).decode()
    assert text == "first\nlast\n"
    assert isinstance(parts[0], str) == (chosen == "base64.binary.k8s.io")


async def test_node_and_pod_proxies(cluster: Cluster, agent: Agent) -> None:
    async with cluster.http.post(f"{cluster.url}/api/v1/nodes/node-1/proxy/images/load?x=1", data=b"body ") as answer:
        assert await answer.text() == "first\nbody last\n"
    async with cluster.http.get(f"{cluster.url}{POD}/web:8080/proxy/a%2Fb/?q=1") as answer:
        assert answer.status == 200
    assert agent.asked == ["POST /images/load?x=1", "GET /proxy/default/web/8080/a%2Fb/?q=1"]


async def test_websocket_tunnel(cluster: Cluster, agent: Agent) -> None:
    url = f"{cluster.url}{POD}/web/exec?command=cat&stdin=true&stdout=true&tty=false"
    async with cluster.http.ws_connect(url, protocols=("v5.channel.k8s.io",)) as socket:
        assert socket.protocol == "v5.channel.k8s.io"
        for size in (1, 100_000, 2_000_000):
            await socket.send_bytes(b"y" * size)
            message = await asyncio.wait_for(socket.receive_bytes(), 20)
            assert len(message) == size
    assert agent.asked == ["GET /exec/default/web/main?command=cat&input=1&output=1"]


async def test_raw_tunnel_gives_everything_before_it_closes(cluster: Cluster, agent: Agent) -> None:
    assert isinstance(cluster.http.connector, aiohttp.TCPConnector)
    context = cluster.http.connector._ssl
    assert isinstance(context, ssl.SSLContext)
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.server.port, ssl=context,
                                                   server_hostname="localhost")
    writer.write(f"POST {POD}/web/portforward HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
                 "Content-Length: 0\r\n\r\n".encode())
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        body = await reader.read()
    assert (len(body), body[-3:]) == (3_000_003, b"end")
    writer.close()
    await writer.wait_closed()


async def test_refusals_come_as_status(cluster: Cluster, agent: Agent) -> None:
    await make_pod(cluster, "two", "a", "b")
    await make_pod(cluster, "lost", "a")
    for path, code, text in (
            ("two/log", 400, "pod two does not have a host assigned"),
            ("web/log?container=c", 400, "container c is not valid for pod web"),
            ("web/exec?stdout=1", 400, "you must specify at least one command for the container"),
            ("none/log", 404, 'pods "none" not found')):
        found = await cluster.request("GET", f"{POD}/{path}", code=code)
        assert found["message"] == text
    await cluster.client.bind("two", "default", "node-1")
    found = await cluster.request("GET", f"{POD}/two/log", code=400)
    assert found["message"] == "a container name must be specified for pod two, choose one of: [a b]"
    await make_pod(cluster, "waits", "starting")
    await cluster.client.bind("waits", "default", "node-1")
    found = await cluster.request("GET", f"{POD}/waits/log", code=400)
    assert (found["reason"], found["message"]) == ("BadRequest",
                                                   'container "starting" in pod "web" is waiting to start')


async def test_an_agent_that_is_away(cluster: Cluster) -> None:
    await cluster.client.create(core.Node(metadata=meta.ObjectMeta(name="node-1"), status=core.NodeStatus(
        addresses=(core.NodeAddress(type="InternalIP", address="127.0.0.1"),))))
    await make_pod(cluster, "web", "main")
    await cluster.client.bind("web", "default", "node-1")
    found = await cluster.request("GET", f"{POD}/web/log", code=500)
    assert found["message"].endswith("/containerLogs/default/web/main\": connect: connection refused")
    with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
        await cluster.http.ws_connect(f"{cluster.url}{POD}/web/exec?command=a&stdout=1")
    assert raised.value.status == 500
    found = await cluster.request("GET", "/api/v1/nodes/node-1/proxy/healthz", code=503)
    assert msgspec.json.encode(found["message"]) == b'"error trying to reach service: connect: connection refused"'
