"""An aggregated API server: one group, flunders, kept in a dictionary; it believes only the front proxy."""

from __future__ import annotations

import asyncio
import base64
import ssl
from typing import Any

import msgspec
from aiohttp import web

from edge.apiserver import http_answers
from tests.fakes.authority import Authority

GROUP, VERSION = "wardle.example.com", "v1alpha1"
ROOT = f"/apis/{GROUP}/{VERSION}"
FLUNDERS = f"{ROOT}/namespaces/default/flunders"
VERBS = ["create", "delete", "get", "list", "watch"]
RESOURCES = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/{VERSION}", "resources": [
    {"name": "flunders", "singularName": "flunder", "namespaced": True, "kind": "Flunder", "verbs": VERBS,
     "shortNames": ["fl"]},
    {"name": "flunders/status", "singularName": "", "namespaced": True, "kind": "Flunder", "verbs": ["get"]}]}
OPENAPI = {"openapi": "3.0.0", "info": {"title": "Wardle", "version": "1"}, "paths": {}}


class ExtensionServer:
    """The server. Set `healthy` to False, and it answers 500 to everything."""

    def __init__(self, authority: Authority, name: str = "wardle.default.svc") -> None:
        self.bundle = base64.b64encode(authority.ca.read_bytes()).decode()
        self.healthy = True
        self.document: Any = RESOURCES
        self.flunders: dict[str, Any] = {}
        self.asked: list[tuple[str, str, list[tuple[str, str]]]] = []
        """Method, path with query, and headers of each request."""
        self.events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        """What a watch sends; None ends it."""
        self.watched = asyncio.Event()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*authority.issue(name, server=True))
        self._context.load_verify_locations(authority.ca)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._server = web.Server(self._handle, access_log=None)
        self._listener: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen, at the same port as before."""
        self._server = web.Server(self._handle, access_log=None)
        self._listener = await asyncio.get_running_loop().create_server(
            self._server, "127.0.0.1", self.port, ssl=self._context)
        self.port = int(self._listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Go away."""
        if self._listener is not None:
            self._listener.close()
            self.events.put_nowait(None)
            await self._server.shutdown(1)
            await self._listener.wait_closed()
            self._listener = None

    def headers(self, path: str) -> dict[str, list[str]]:
        """Return the headers of the last request for a path, names in lower case."""
        found: dict[str, list[str]] = {}
        for name, value in next(headers for _, asked, headers in reversed(self.asked) if asked == path):
            found.setdefault(name.lower(), []).append(value)
        return found

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        subject = dict(pair[0] for pair in request.transport.get_extra_info("peercert")["subject"])
        assert subject["commonName"] == "system:edge-server"
        self.asked.append((request.method, request.raw_path, list(request.headers.items())))
        if not self.healthy:
            return web.Response(status=500, text="ill")
        if request.headers.get("Upgrade"):
            return await self._upgrade(request)
        if request.path == ROOT:
            return _json(self.document)
        if request.path == f"{FLUNDERS}/none":
            return web.Response(status=204)
        if request.path == "/openapi/v3":
            path = f"/openapi/v3{ROOT}"
            return _json({"paths": {ROOT.removeprefix("/"): {"serverRelativeURL": f"{path}?hash=ABC"}}})
        if request.path == f"/openapi/v3{ROOT}":
            return _json(OPENAPI)
        return await self._flunder(request)

    async def _flunder(self, request: web.BaseRequest) -> web.StreamResponse:
        name = request.path.removeprefix(FLUNDERS).strip("/")
        if request.method == "POST":
            made = msgspec.json.decode(await request.read())
            return _json(self.flunders.setdefault(made["metadata"]["name"], made), 201)
        if request.query.get("watch"):
            return await self._watch(request)
        if not name:
            return _json({"kind": "FlunderList", "apiVersion": f"{GROUP}/{VERSION}", "metadata":
                          {"resourceVersion": "1"}, "items": list(self.flunders.values())})
        if name not in self.flunders:
            return _json({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 404,
                          "reason": "NotFound", "message": f'flunders.{GROUP} "{name}" not found'}, 404)
        return _json(self.flunders.pop(name) if request.method == "DELETE" else self.flunders[name])

    async def _watch(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        self.watched.set()
        while (event := await self.events.get()) is not None:
            await response.write(msgspec.json.encode(event) + b"\n")
        return response

    async def _upgrade(self, request: web.BaseRequest) -> web.StreamResponse:
        """Echo what comes after a 101; refuse it at another path."""
        if not request.path.endswith("/connect"):
            return web.Response(status=400, text="no upgrade here")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return http_answers.Taken() if socket.closed else socket


def flunder(name: str) -> dict[str, Any]:
    """Return one object."""
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Flunder",
            "metadata": {"name": name, "namespace": "default", "resourceVersion": "1"}}


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")
