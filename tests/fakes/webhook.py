"""An admission webhook: a real HTTPS server that answers as a test says and remembers what it was asked."""

from __future__ import annotations

import asyncio
import base64
import inspect
import ssl
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from tests.fakes.authority import Authority

Answer = Callable[[dict[str, Any]], Any]
"""Returns, at once or later, what to answer: the response (its uid is added), raw bytes, or a whole web.Response."""


def allow(request: dict[str, Any]) -> dict[str, Any]:
    """Allow everything."""
    return {"allowed": True}


def deny(message: str, **status: Any) -> Answer:
    """Allow nothing."""
    return lambda request: {"allowed": False, "status": {"message": message, **status}}


def patch(*operations: dict[str, Any]) -> Answer:
    """Allow everything and change it."""
    encoded = base64.b64encode(msgspec.json.encode(operations)).decode()
    return lambda request: {"allowed": True, "patchType": "JSONPatch", "patch": encoded}


class Webhook:
    """The server. Answers may differ by path."""

    def __init__(self, authority: Authority, name: str = "webhook.default.svc") -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        """Path and request of each AdmissionReview."""
        self.connections: set[tuple[str, int]] = set()
        """The client's end of each connection a request came over."""
        self.bundle = base64.b64encode(authority.ca.read_bytes()).decode()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*authority.issue(name, server=True))
        self._server = web.Server(self._handle, access_log=None)
        self._listener: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._listener is not None
        return int(self._listener.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"https://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen."""
        self._listener = await asyncio.get_running_loop().create_server(
            self._server, "127.0.0.1", 0, ssl=self._context)

    async def stop(self) -> None:
        """Go away."""
        assert self._listener is not None
        self._listener.close()
        await self._server.shutdown(1)
        await self._listener.wait_closed()

    def requests(self, path: str) -> list[dict[str, Any]]:
        """Return what was asked at a path."""
        return [request for asked, request in self.asked if asked == path]

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        review = msgspec.json.decode(await request.read())
        assert review["kind"] == "AdmissionReview"
        asked = review["request"]
        assert request.transport is not None
        self.connections.add(request.transport.get_extra_info("peername"))
        self.asked.append((request.path, asked))
        answers: Answer = self.answers.get(request.path, allow)
        answer = answers(asked)
        if inspect.iscoroutine(answer):
            answer = await answer
        if isinstance(answer, web.StreamResponse):
            return answer
        if not isinstance(answer, bytes):
            answer = msgspec.json.encode({"apiVersion": review["apiVersion"], "kind": "AdmissionReview",
                                          "response": {"uid": asked["uid"], **answer}})
        return web.Response(body=answer, content_type="application/json")
