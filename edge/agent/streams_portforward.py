"""Effects: port-forward: each pair of streams (data and error) of a client becomes one TCP connection to the pod.

Three wires: SPDY (kubectl up to 1.30), SPDY inside a WebSocket (kubectl from 1.31), and plain channels on a WebSocket,
two for each port (the Python client).
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Protocol

from aiohttp import WSMsgType, web

from edge.agent import streams_netns, streams_upgrade, websocket
from edge.agent.streams_spdy import CHUNK_BYTES, QUEUED_CHUNKS, Session, Stream, WebSocketWire

SPDY_PROTOCOLS = ("portforward.k8s.io",)
CONNECT_TIMEOUT_SECONDS = 10.0
PAIR_TIMEOUT_SECONDS = 30.0
MOST_PORTS = 64


class Duplex(Protocol):
    """The client's end of one forwarded connection."""

    def chunks(self) -> AsyncIterator[bytes]: ...

    async def write(self, data: bytes) -> None: ...

    async def close(self) -> None: ...


class Target:
    """A pod that connections are made to."""

    def __init__(self, netns_path: str, name: str, uid: str) -> None:
        self._netns_path, self._name, self._uid = netns_path, name, uid

    async def join(self, data: Duplex, port: int) -> str:
        """Carry bytes between the client and a port until both sides are done; return an error's text or ""."""
        try:
            connected = await streams_netns.connect(self._netns_path, port, CONNECT_TIMEOUT_SECONDS)
        except streams_netns.Unreachable as error:
            return f"error forwarding port {port} to pod {self._name}, uid {self._uid}: {error}"
        reader, writer = await asyncio.open_connection(sock=connected, limit=CHUNK_BYTES)
        upward = asyncio.create_task(_to_pod(data, writer))
        try:
            with contextlib.suppress(ConnectionError):
                while chunk := await reader.read(CHUNK_BYTES):
                    await data.write(chunk)
                await data.close()
        finally:
            # The pod has closed its half: what the client still sends has no reader.
            upward.cancel()
            await asyncio.gather(upward, return_exceptions=True)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        return ""


async def _to_pod(data: Duplex, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        async for chunk in data.chunks():
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def serve(request: web.Request, target: Target) -> web.StreamResponse:
    """Upgrade the request and forward until the client is gone."""
    if streams_upgrade.wants_websocket(request):
        socket, protocol = await streams_upgrade.accept_websocket(request, websocket.PORT_FORWARD)
        if protocol == websocket.TUNNEL:
            await _sessions(Session(WebSocketWire(socket)), target)
        else:
            await _channels(socket, protocol, request.query.getall("ports", []), target)
        return socket
    if not streams_upgrade.wants_spdy(request):
        raise web.HTTPBadRequest(text="Upgrade request required\n")
    wire, _ = streams_upgrade.accept_spdy(request, SPDY_PROTOCOLS)
    await _sessions(Session(wire), target)
    return web.Response()


async def _sessions(session: Session, target: Target) -> None:
    """Pair the streams by their request id and forward each pair."""
    waiting: dict[str, Stream] = {}
    # The pairs are not supervised tasks: they live and end with this connection.
    async with _Tasks() as tasks:
        reading = tasks.start(session.run())
        while (stream := await session.accept()) is not None:
            kind, key = stream.headers.get("streamtype", ""), stream.headers.get("requestid", str(stream.id))
            other = waiting.pop(key, None)
            if kind not in ("data", "error") or (other and other.headers["streamtype"] == kind):
                await stream.reset()
            elif other is None:
                waiting[key] = stream
            else:
                data, error = (stream, other) if kind == "data" else (other, stream)
                tasks.start(_forward(data, error, target))
        await reading
        await session.close()


async def _forward(data: Stream, error: Stream, target: Target) -> None:
    await error.ignore()
    port = _port(data.headers.get("port", ""))
    text = "invalid port" if port is None else await target.join(data, port)
    with contextlib.suppress(ConnectionError):
        if text:
            await error.write(text.encode())
        await error.close()
        await data.close()
        await data.ignore()


class _Tasks:
    """Tasks that end with their block; those that have ended are forgotten."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> _Tasks:
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def start(self, run: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(run)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class _Channel:
    """One data channel of a WebSocket."""

    def __init__(self, socket: web.WebSocketResponse, protocol: str, number: int) -> None:
        self._socket, self._protocol, self.number = socket, protocol, number
        self.arrived: asyncio.Queue[bytes] = asyncio.Queue(QUEUED_CHUNKS)

    async def chunks(self) -> AsyncIterator[bytes]:
        while data := await self.arrived.get():
            yield data

    async def write(self, data: bytes) -> None:
        message = websocket.encode(self.number, data, self._protocol)
        await (self._socket.send_str(message) if isinstance(message, str) else self._socket.send_bytes(message))

    async def close(self) -> None:
        """The channel protocol cannot close one half of a channel."""


async def _channels(socket: web.WebSocketResponse, protocol: str, ports: list[str], target: Target) -> None:
    numbers = [_port(text) for value in ports for text in value.split(",")]
    if not numbers or len(numbers) > MOST_PORTS or None in numbers:
        await socket.close(code=1002, message=b"query parameter ports is required, with ports between 1 and 65535")
        return
    channels = [_Channel(socket, protocol, 2 * index) for index in range(len(numbers))]
    async with _Tasks() as tasks:
        forwards = []
        for channel, port in zip(channels, numbers, strict=True):
            assert port is not None
            errors = _Channel(socket, protocol, channel.number + 1)
            # Each channel begins with its port, so that the client can check the order.
            await channel.write(struct.pack("<H", port))
            await errors.write(struct.pack("<H", port))
            forwards.append(tasks.start(_forward_channel(channel, errors, port, target)))
        reading = tasks.start(_read_channels(socket, protocol, channels))
        finished = tasks.start(_all(forwards))
        await asyncio.wait((reading, finished), return_when=asyncio.FIRST_COMPLETED)
        await socket.close()


async def _all(tasks: list[asyncio.Task[None]]) -> None:
    """End with the last of them, however they end."""
    await asyncio.wait(tasks)


async def _forward_channel(channel: _Channel, errors: _Channel, port: int, target: Target) -> None:
    text = await target.join(channel, port)
    if text:
        with contextlib.suppress(ConnectionError):
            await errors.write(text.encode())


async def _read_channels(socket: web.WebSocketResponse, protocol: str, channels: list[_Channel]) -> None:
    with contextlib.suppress(websocket.MessageError):
        async for message in socket:
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                continue
            received = websocket.decode(message.data, protocol)
            index, odd = divmod(received.channel, 2)
            if not odd and index < len(channels) and received.data:
                await channels[index].arrived.put(received.data)


def _port(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and 0 < int(text) < 65536 else None
