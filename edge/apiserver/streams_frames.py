"""Sends a stream of bytes as the messages of a WebSocket, for browsers that follow a log.

https://kubernetes.io/docs/reference/using-api/api-concepts/ names the protocols `binary.k8s.io` (also meant by a client
that names none) and, for clients that take only text, `base64.binary.k8s.io`.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterable

from aiohttp import web

from edge.apiserver import audit, authenticate

BINARY, BASE64 = "binary.k8s.io", "base64.binary.k8s.io"


def wanted(request: web.BaseRequest) -> bool:
    """Return whether the client wants to go on as a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


async def send(request: web.BaseRequest, parts: AsyncIterable[bytes]) -> web.StreamResponse:
    """Answer with every part as a message of its own, until they end. What the client sends is not looked at."""
    offered = authenticate.plain_protocols(request.headers.get("Sec-WebSocket-Protocol", "")).split(", ")
    protocol = next((name for name in offered if name in (BINARY, BASE64)), "")
    socket = web.WebSocketResponse(protocols=(protocol,) if protocol else (), compress=False)
    socket.headers.update(audit.headers())
    await socket.prepare(request)
    both = (asyncio.ensure_future(_all(socket, parts, text=protocol == BASE64)), asyncio.ensure_future(_heard(socket)))
    try:
        done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in both:
            task.cancel()
    await socket.close()
    return socket


async def _all(socket: web.WebSocketResponse, parts: AsyncIterable[bytes], *, text: bool) -> None:
    async for part in parts:
        if text:
            await socket.send_str(base64.b64encode(part).decode())
        else:
            await socket.send_bytes(part)


async def _heard(socket: web.WebSocketResponse) -> None:
    """Wait until the client says goodbye."""
    async for _ in socket:
        pass
