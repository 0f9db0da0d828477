"""The HTTP client against peers that misbehave."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from edge.api import core, errors
from edge.client.http import HttpClient, tls_context
from edge.client.interface import WatchEvent
from edge.clock import SystemClock
from edge.pki import authority, names
from tests.fakes.api import application
from tests.fakes.client import FakeClient

Serve = Callable[..., Awaitable[HttpClient]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    servers: list[TestServer] = []
    clients: list[HttpClient] = []

    async def start(answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None,
                    timeout_seconds: float = 5) -> HttpClient:
        app = application(FakeClient())
        if answer:
            app = web.Application()

            async def handler(request: web.Request) -> web.StreamResponse:
                return await answer(request)

            app.router.add_route("*", "/{path:.*}", handler)
        server = TestServer(app)
        await server.start_server(shutdown_timeout=0.1)
        servers.append(server)
        clients.append(HttpClient(str(server.make_url("")), timeout_seconds=timeout_seconds))
        return clients[-1]

    yield start
    for client in clients:
        await client.close()
    for server in servers:
        await server.close()


async def stream(request: web.Request, *pieces: bytes, cut: bool = False) -> web.StreamResponse:
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    for piece in pieces:
        await response.write(piece)
    if cut:
        assert request.transport
        request.transport.abort()
    return response


def line(type_: str, obj: dict[str, object]) -> bytes:
    return json.dumps({"type": type_, "object": obj}).encode() + b"\n"


async def read(client: HttpClient) -> list[WatchEvent[core.Pod]]:
    return [event async for event in client.watch(core.Pod, resource_version="1")]


async def test_a_watch_joins_lines_of_any_size_and_drops_a_cut_one(serve: Serve) -> None:
    long = line("ADDED", {"metadata": {"name": "x" * 300_000}})
    short = line("BOOKMARK", {"metadata": {"resourceVersion": "9"}})

    async def answer(request: web.Request) -> web.StreamResponse:
        return await stream(request, long[:10], long[10:] + b"\n" + short, short[:-5])

    events = await read(await serve(answer))
    assert [(event.type, len(event.object.metadata.name)) for event in events] == [("ADDED", 300_000), ("BOOKMARK", 0)]
    assert events[1].object.metadata.resource_version == "9"


@pytest.mark.parametrize(("sent", "expected"), [
    (line("ERROR", {"kind": "Status", "code": 410, "reason": "Gone", "message": "too old"}), errors.Expired),
    (line("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}), errors.Expired),
    (line("ERROR", {"kind": "Status", "code": 500, "message": "broken"}), errors.ApiError),
    (b"<html>\n", errors.Unavailable),
    (b"[]\n", errors.Unavailable),
    (line("ADDED", {"metadata": {"name": 7}}), errors.Unavailable),
])
async def test_a_watch_ends_with_the_error_it_was_sent(serve: Serve, sent: bytes,
                                                       expected: type[errors.ApiError]) -> None:
    client = await serve(lambda request: stream(request, sent))
    with pytest.raises(expected):
        await read(client)


async def test_a_cut_connection_is_unavailable(serve: Serve) -> None:
    client = await serve(lambda request: stream(request, b"{", cut=True))
    with pytest.raises(errors.Unavailable):
        await read(client)
    with pytest.raises(errors.Unavailable):
        await client.get(core.Pod, "web", "default")


async def test_nobody_there_is_unavailable() -> None:
    async with HttpClient("http://127.0.0.1:1") as client:
        with pytest.raises(errors.Unavailable, match=r"127\.0\.0\.1:1"):
            await client.get(core.Node, "n")


@pytest.mark.parametrize(("code", "expected"), [(502, errors.Unavailable), (404, errors.NotFound),
                                                (429, errors.TooManyRequests), (302, errors.ApiError)])
async def test_an_answer_that_is_no_status_keeps_its_text(serve: Serve, code: int,
                                                          expected: type[errors.ApiError]) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, text="from a proxy", headers={"Location": "http://elsewhere"})

    client = await serve(answer)
    with pytest.raises(expected, match="from a proxy"):
        await client.get(core.Node, "n")


async def test_raw_requests_and_streams_pass_through(serve: Serve) -> None:
    client = await serve()

    async def upload() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    answer = json.loads(await client.request("POST", "/echo", query=[("a", "x y&z"), ("b", "")], body=upload(),
                                             headers={"Accept": "application/json;as=Table"}))
    assert (answer["method"], answer["query"], answer["body"]) == ("POST", {"a": "x y&z", "b": ""}, "one two")
    assert answer["headers"]["Accept"] == "application/json;as=Table"
    async with client.stream("GET", "/echo") as pieces:
        assert b"".join([piece async for piece in pieces]).startswith(b"{")
    with pytest.raises(FileNotFoundError, match="mine"):
        async with client.stream("GET", "/echo"):
            raise FileNotFoundError("mine")


def test_tls_material_is_checked() -> None:
    with pytest.raises(ValueError, match="unusable"):
        tls_context(b"no pem")
    with pytest.raises(ValueError, match="https only"):
        HttpClient("http://10.0.0.1", token="secret")


async def test_tls_trusts_one_ca_and_shows_the_client_certificate(tmp_path: Path) -> None:
    now = SystemClock().now()
    ca, other = authority.create_ca(now), authority.create_ca(now)
    served = authority.issue(ca, names.api_server(["localhost"], ["127.0.0.1"]), now)
    admin = authority.issue(ca, names.admin(), now)
    chain = tmp_path / "server.pem"
    chain.write_bytes(served.certificate + served.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=ca.certificate.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(chain)

    async def who(request: web.Request) -> web.Response:
        assert request.transport
        subject = request.transport.get_extra_info("peercert")["subject"]
        return web.json_response(dict(pair for part in subject for pair in part))

    app = web.Application()
    app.router.add_get("/who", who)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context, shutdown_timeout=0.1)
    address = str(server.make_url(""))
    try:
        async with HttpClient(address, tls_context(ca.certificate, admin.certificate, admin.key)) as client:
            assert json.loads(await client.request("GET", "/who"))["commonName"] == "kubernetes-admin"
        for tls in (tls_context(other.certificate, admin.certificate, admin.key), None, tls_context(ca.certificate)):
            async with HttpClient(address, tls) as client:
                with pytest.raises(errors.Unavailable):
                    await client.request("GET", "/who")
        async with HttpClient(address, tls_context(ca.certificate, admin.certificate, admin.key),
                              server_name="node-1") as client:
            with pytest.raises(errors.Unavailable, match="node-1"):
                await client.request("GET", "/who")
    finally:
        await server.close()
    with pytest.raises(ValueError, match="unusable"):
        tls_context(ca.certificate, admin.certificate, served.key)
