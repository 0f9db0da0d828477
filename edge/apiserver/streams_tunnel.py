"""Carries bytes both ways between two connections, with back-pressure, until either end closes.

The connections are switched to raw protocols; what they say to each other (WebSocket, SPDY/3.1) is not looked at.
"""

from __future__ import annotations

import asyncio
from typing import cast

from aiohttp import web

from edge.apiserver import http_answers

_CLOSE_SECONDS = 5.0
LARGEST_HEAD_BYTES = 64 * 1024


class Pipe(asyncio.Protocol):
    """One end. Until it is joined to another it keeps what arrives."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.closed = asyncio.Event()
        self.kept = bytearray()
        self._other: Pipe | None = None
        self._arrived = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def join(self, other: Pipe) -> None:
        """Send what arrives from now on, and what was kept, to the other end."""
        self._other = other
        if self.kept and other.transport is not None:
            other.transport.write(bytes(self.kept))
            self.kept.clear()

    def data_received(self, data: bytes) -> None:
        other = self._other
        if other is None:
            self.kept += data
            self._arrived.set()
        elif other.transport is not None and not other.transport.is_closing():
            other.transport.write(data)

    def eof_received(self) -> bool | None:
        # TLS has no half-close: the transport closes after this, and `connection_lost` follows.
        return None

    def pause_writing(self) -> None:
        """Our peer is slow: stop reading at the other end."""
        if self._other is not None and self._other.transport is not None and not self._other.transport.is_closing():
            self._other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._other is not None and self._other.transport is not None and not self._other.transport.is_closing():
            self._other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()
        self._arrived.set()
        if self._other is not None:
            self._other.close()

    def close(self) -> None:
        """Close this end once what was written to it has gone out."""
        if self.transport is not None:
            self.transport.close()

    async def head(self, seconds: float) -> bytes:
        """Return an HTTP head, up to and with its empty line; what follows it is kept.

        Raises:
            ConnectionError: when the peer closes first or sends a head without end.
            TimeoutError: when it takes too long.
        """
        async with asyncio.timeout(seconds):
            while (end := self.kept.find(b"\r\n\r\n")) < 0:
                if self.closed.is_set() or len(self.kept) > LARGEST_HEAD_BYTES:
                    raise ConnectionResetError("the agent closed the connection without an answer")
                self._arrived.clear()
                await self._arrived.wait()
        head = bytes(self.kept[:end + 4])
        del self.kept[:end + 4]
        return head

    async def body(self, length: int, seconds: float) -> bytes:
        """Return up to `length` bytes of what follows the head; less when the peer closes."""
        async with asyncio.timeout(seconds):
            while len(self.kept) < length and not self.closed.is_set():
                self._arrived.clear()
                await self._arrived.wait()
        return bytes(self.kept[:length])


async def carry(client: Pipe, agent: Pipe) -> None:
    """Join the two and wait until both are closed; a close of one closes the other when it has got everything."""
    agent.join(client)
    client.join(agent)
    waits = [asyncio.ensure_future(end.closed.wait()) for end in (client, agent)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        client.close()
        agent.close()
        await asyncio.wait(waits, timeout=_CLOSE_SECONDS)
    finally:
        for end, wait in zip((client, agent), waits, strict=True):
            wait.cancel()
            if not end.closed.is_set() and end.transport is not None:
                end.transport.abort()


async def hand_over(request: web.BaseRequest, far: Pipe, head: bytes, pipes: set[Pipe]) -> web.StreamResponse:
    """Take the client's connection away from aiohttp, send it the far end's head, and carry bytes until it ends.

    While it lasts the client's end is one of `pipes`.
    """
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client went away")
    handler = request.protocol
    client = Pipe()
    client.connection_made(transport)
    # What the client sent behind its request already sits in aiohttp's buffer.
    client.kept += getattr(handler, "_message_tail", b"")
    transport.set_protocol(client)
    transport.write(head)
    transport.resume_reading()
    pipes.add(client)
    try:
        await carry(client, far)
    finally:
        pipes.discard(client)
        # aiohttp no longer hears of this connection; tell it that it is over.
        handler.connection_lost(None)
    return http_answers.Taken()
