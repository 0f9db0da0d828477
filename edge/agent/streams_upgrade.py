"""Effects: taking over a connection: the answer 101 and what is spoken after it, SPDY/3.1 or a WebSocket.

The only module that touches the HTTP server's transport. Kubernetes' upgrade to SPDY is no standard one, so the head
of the answer is written here and the transport gets another protocol.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiohttp import web

from edge.agent import websocket
from edge.agent.streams_spdy import RawWire

LONGEST_MESSAGE_BYTES = 4 << 20


def wants_websocket(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def wants_spdy(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "spdy/3.1"


def offered(request: web.Request, header: str) -> list[str]:
    """Return the protocols a client offers, best first, from a header given once or several times."""
    return [name.strip() for value in request.headers.getall(header, []) for name in value.split(",") if name.strip()]


async def accept_websocket(request: web.Request, spoken: tuple[str, ...]) -> tuple[web.WebSocketResponse, str]:
    """Upgrade to a WebSocket. Raises HTTPBadRequest when no protocol is common."""
    names = offered(request, "Sec-WebSocket-Protocol")
    protocol = websocket.choose(names, spoken)
    if protocol is None:
        raise web.HTTPBadRequest(text=f"unable to negotiate protocol: client supports {names}, server {list(spoken)}\n")
    # No heartbeat: while a command does not read its input nothing is received, pongs included.
    socket = web.WebSocketResponse(
        protocols=(protocol,) if names else (), max_msg_size=LONGEST_MESSAGE_BYTES, compress=False
    )
    await socket.prepare(request)
    return socket, protocol


class _TakenOver(asyncio.StreamReaderProtocol):
    """Reads for us, and lets the HTTP server forget the connection once it is lost."""

    def __init__(self, reader: asyncio.StreamReader, server: asyncio.BaseProtocol) -> None:
        super().__init__(reader)
        self._server = server

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._server.connection_lost(exc)


def accept_spdy(request: web.Request, spoken: Iterable[str]) -> tuple[RawWire, str]:
    """Upgrade to SPDY/3.1. Raises HTTPForbidden when no stream protocol is common, as Kubernetes does."""
    names = offered(request, "X-Stream-Protocol-Version")
    protocol = next((name for name in spoken if name in names), None)
    if protocol is None:
        headers = {"X-Accepted-Stream-Protocol-Versions": ", ".join(spoken)}
        raise web.HTTPForbidden(text=f"unable to upgrade: unable to negotiate protocol: {names}\n", headers=headers)
    transport = request.transport
    if transport is None:
        raise web.HTTPBadRequest(text="connection is gone\n")
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=64 * 1024, loop=loop)
    reading = _TakenOver(reader, request.protocol)
    transport.set_protocol(reading)
    reading.connection_made(transport)
    writer = asyncio.StreamWriter(transport, reading, reader, loop)
    writer.write(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        f"X-Stream-Protocol-Version: {protocol}\r\n\r\n".encode("ascii")
    )
    return RawWire(reader, writer), protocol
