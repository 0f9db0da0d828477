"""Effects: one SPDY/3.1 session over any byte wire: a raw connection after an upgrade, or a WebSocket that tunnels it.

A stream whose reader is slow stops the reading of its whole connection, as in Kubernetes: memory stays bounded and the
agent's other connections do not notice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from aiohttp import web

from edge.agent import spdy

CHUNK_BYTES = 32 * 1024
QUEUED_CHUNKS = 16
MOST_STREAMS = 512


class Wire(Protocol):
    """Bytes both ways."""

    def incoming(self) -> AsyncIterator[bytes]:
        """Yield what arrives, cut anywhere, until the peer is gone."""
        ...

    async def send(self, data: bytes) -> None:
        """Send, waiting while the peer does not read. Raises ConnectionError."""
        ...

    async def close(self) -> None: ...


class RawWire:
    """A connection that was taken over from the HTTP server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def incoming(self) -> AsyncIterator[bytes]:
        with contextlib.suppress(OSError):
            while data := await self._reader.read(CHUNK_BYTES):
                yield data

    async def send(self, data: bytes) -> None:
        if self._writer.is_closing():
            raise ConnectionResetError("peer is gone")
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(5):
                await self._writer.wait_closed()


class WebSocketWire:
    """A WebSocket whose binary messages are the byte stream."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def incoming(self) -> AsyncIterator[bytes]:
        async for message in self._socket:
            if isinstance(message.data, bytes):
                yield message.data

    async def send(self, data: bytes) -> None:
        await self._socket.send_bytes(data)

    async def close(self) -> None:
        await self._socket.close()


class Stream:
    """One stream of a session."""

    def __init__(self, session: Session, stream_id: int, headers: Mapping[str, str]) -> None:
        self.id, self.headers = stream_id, headers
        self.local_open = self.remote_open = True
        self._session = session
        self._chunks: deque[bytes] = deque()
        self._changed = asyncio.Condition()
        self._deaf = False

    async def read(self) -> bytes:
        """Return the next bytes; b"" at the end of the peer's half."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._chunks or not self.remote_open)
            chunk = self._chunks.popleft() if self._chunks else b""
            self._changed.notify_all()
            return chunk

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield bytes until the end of the peer's half."""
        while data := await self.read():
            yield data

    async def ignore(self) -> None:
        """Drop what was and will be received, so that nobody has to read it."""
        async with self._changed:
            self._deaf = True
            self._chunks.clear()
            self._changed.notify_all()

    async def write(self, data: bytes) -> None:
        """Send, waiting while the peer does not read. Raises ConnectionError."""
        for begin in range(0, len(data), CHUNK_BYTES):
            if not self.local_open:
                raise ConnectionResetError("stream is closed")
            await self._session.send(spdy.Data(self.id, data[begin : begin + CHUNK_BYTES]))

    async def close(self) -> None:
        """End this side's half."""
        if self.local_open:
            self.local_open = False
            self._session.forget_ended(self)
            await self._session.send(spdy.Data(self.id, b"", fin=True))

    async def reset(self) -> None:
        """End both halves at once."""
        if self.local_open or self.remote_open:
            await self.end()
            await self.ignore()
            self._session.forget_ended(self)
            await self._session.send(spdy.RstStream(self.id, spdy.CANCEL))

    async def take(self, data: bytes, fin: bool) -> None:
        """Queue what was received, waiting for the reader."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._chunks) < QUEUED_CHUNKS or self._deaf)
            if data and self.remote_open and not self._deaf:
                self._chunks.append(data)
            self.remote_open = self.remote_open and not fin
            self._changed.notify_all()

    async def end(self) -> None:
        """End both halves without telling the peer; what has arrived can still be read."""
        async with self._changed:
            self.local_open = self.remote_open = False
            self._changed.notify_all()


class Session:
    """All streams of one connection, from the server's side (or, with `client`, from the other)."""

    def __init__(self, wire: Wire, *, client: bool = False) -> None:
        self._wire, self._codec = wire, spdy.Codec()
        self._streams: dict[int, Stream] = {}
        self._arrived: asyncio.Queue[Stream | None] = asyncio.Queue()
        self._next_id = 1 if client else 2
        self._last_id = 0
        self.gone = asyncio.Event()

    async def run(self) -> None:
        """Read until the peer is gone or says something that is not SPDY."""
        try:
            async for data in self._wire.incoming():
                for frame in self._codec.feed(data):
                    await self._receive(frame)
        except spdy.ProtocolError:
            with contextlib.suppress(ConnectionError):
                await self.send(spdy.GoAway(self._last_id, spdy.PROTOCOL_ERROR))
        except ConnectionError:
            pass
        finally:
            self.gone.set()
            for stream in list(self._streams.values()):
                await stream.end()
            self._streams.clear()
            self._arrived.put_nowait(None)

    async def accept(self) -> Stream | None:
        """Return the next stream the peer opens, None when it is gone."""
        if self.gone.is_set() and self._arrived.empty():
            return None
        return await self._arrived.get()

    async def open(self, headers: Mapping[str, str], *, fin: bool = False) -> Stream:
        """Open a stream of our own."""
        stream = Stream(self, self._next_id, headers)
        self._next_id += 2
        self._streams[stream.id] = stream
        stream.local_open = not fin
        await self.send(spdy.SynStream(stream.id, headers, fin))
        return stream

    async def send(self, frame: spdy.Frame) -> None:
        if self.gone.is_set():
            raise ConnectionResetError("peer is gone")
        await self._wire.send(self._codec.encode(frame))

    async def close(self) -> None:
        """Say good-bye and close the wire."""
        with contextlib.suppress(ConnectionError):
            await self.send(spdy.GoAway(self._last_id))
        await self._wire.close()

    def forget_ended(self, stream: Stream) -> None:
        if not stream.local_open and not stream.remote_open:
            self._streams.pop(stream.id, None)

    async def _receive(self, frame: spdy.Frame) -> None:
        match frame:
            case spdy.SynStream():
                await self._syn(frame)
            case spdy.Data(stream_id, data, fin):
                stream = self._streams.get(stream_id)
                if stream is None:
                    # Data may cross our own reset on its way: only streams that never were are an error.
                    if stream_id > max(self._last_id, self._next_id):
                        await self.send(spdy.RstStream(stream_id, spdy.INVALID_STREAM))
                    return
                await stream.take(data, fin)
                self.forget_ended(stream)
            case spdy.SynReply(stream_id, _, True) | spdy.Headers(stream_id, _, True):
                if stream := self._streams.get(stream_id):
                    await stream.take(b"", True)
                    self.forget_ended(stream)
            case spdy.RstStream(stream_id, _):
                if stream := self._streams.pop(stream_id, None):
                    await stream.end()
                    await stream.ignore()
            case spdy.Ping(ping_id):
                if ping_id % 2 != self._next_id % 2:
                    await self.send(frame)

    async def _syn(self, frame: spdy.SynStream) -> None:
        if frame.stream_id in self._streams or frame.stream_id <= self._last_id:
            raise spdy.ProtocolError(f"stream {frame.stream_id} was opened twice")
        self._last_id = frame.stream_id
        if len(self._streams) >= MOST_STREAMS:
            await self.send(spdy.RstStream(frame.stream_id, spdy.REFUSED_STREAM))
            return
        stream = Stream(self, frame.stream_id, frame.headers)
        stream.local_open = not frame.unidirectional
        self._streams[stream.id] = stream
        await self.send(spdy.SynReply(stream.id))
        await stream.take(b"", frame.fin)
        self._arrived.put_nowait(stream)
