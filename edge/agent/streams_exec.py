"""Effects: exec and attach: a command's streams on one side, the client's on the other, by WebSocket or by SPDY."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from aiohttp import WSMsgType, web

from edge.agent import streams_upgrade, websocket
from edge.agent.streams_spdy import QUEUED_CHUNKS, Session, Stream
from edge.runtime.containers import RuntimeFailure
from edge.runtime.interface import ExecSession

SPDY_PROTOCOLS = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
STREAMS_TIMEOUT_SECONDS = 30.0
LONGEST_RESIZE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Wanted:
    """The streams a client asked for."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


class Remote(Protocol):
    """The client's end."""

    gone: asyncio.Event

    def input(self) -> AsyncIterator[bytes]: ...

    def sizes(self) -> AsyncIterator[websocket.Size]: ...

    async def write(self, stream: int, data: bytes) -> None: ...

    async def finish(self, status: bytes) -> None: ...


async def serve(
    request: web.Request, wanted: Wanted, open_session: Callable[[], Awaitable[ExecSession]]
) -> web.StreamResponse:
    """Upgrade the request and run the session through it."""
    if streams_upgrade.wants_websocket(request):
        socket, protocol = await streams_upgrade.accept_websocket(request, websocket.REMOTE_COMMAND)
        channels = Channels(socket, protocol)
        reading = asyncio.create_task(channels.run())
        try:
            # An empty message tells the client that the connection stands.
            await _relay(channels, wanted, open_session, greet=True)
        finally:
            await _cancel(reading)
            await socket.close()
        return socket
    if not streams_upgrade.wants_spdy(request):
        raise web.HTTPBadRequest(text="Upgrade request required\n")
    wire, protocol = streams_upgrade.accept_spdy(request, SPDY_PROTOCOLS)
    session = Session(wire)
    reading = asyncio.create_task(session.run())
    try:
        streams = await _collect(session, wanted, protocol)
        if streams is not None:
            await _relay(SpdyRemote(session, streams, protocol), wanted, open_session)
    finally:
        await session.close()
        await _cancel(reading)
    return web.Response()


async def _relay(
    remote: Remote, wanted: Wanted, open_session: Callable[[], Awaitable[ExecSession]], *, greet: bool = False
) -> None:
    """Carry bytes until the command ends or the client is gone."""
    try:
        if greet:
            await remote.write(1 if wanted.stdout else 2, b"")
        try:
            session = await open_session()
        except RuntimeFailure as error:
            await remote.finish(websocket.failure_status(f"error executing command in container: {error}"))
            return
        output = asyncio.create_task(_output(session, remote, wanted))
        gone = asyncio.create_task(remote.gone.wait())
        others = [asyncio.create_task(_input(session, remote))] if wanted.stdin else []
        others += [asyncio.create_task(_sizes(session, remote))] if wanted.tty else []
        try:
            await asyncio.wait((output, gone), return_when=asyncio.FIRST_COMPLETED)
            if output.done():
                await remote.finish(output.result())
        finally:
            await _cancel(output, gone, *others)
            await session.close()
    except ConnectionError:
        pass  # The client left; a command that runs is not ended by that, as in Kubernetes.


async def _output(session: ExecSession, remote: Remote, wanted: Wanted) -> bytes:
    """Carry the output and return the final status."""
    try:
        async for stream, data in session.output():
            if (stream == websocket.STDOUT and wanted.stdout) or (stream == websocket.STDERR and wanted.stderr):
                await remote.write(stream, data)
        return websocket.exit_status(await session.exit_code())
    except RuntimeFailure as error:
        return websocket.failure_status(str(error))


async def _input(session: ExecSession, remote: Remote) -> None:
    async for data in remote.input():
        await session.write(data)
    await session.close_stdin()


async def _sizes(session: ExecSession, remote: Remote) -> None:
    async for size in remote.sizes():
        # A command that has just ended cannot be resized, and one that is just starting may not be ready.
        with contextlib.suppress(RuntimeFailure):
            await session.resize(size.width, size.height)


class Channels:
    """The client's end on a WebSocket with channels."""

    def __init__(self, socket: web.WebSocketResponse, protocol: str) -> None:
        self._socket, self._protocol = socket, protocol
        self._stdin: asyncio.Queue[bytes] = asyncio.Queue(QUEUED_CHUNKS)
        self._sizes: asyncio.Queue[websocket.Size] = asyncio.Queue(QUEUED_CHUNKS)
        self.gone = asyncio.Event()

    async def run(self) -> None:
        """Read messages until the client is gone; a malformed one ends the connection."""
        try:
            async for message in self._socket:
                if message.type in (WSMsgType.BINARY, WSMsgType.TEXT):
                    await self._receive(websocket.decode(message.data, self._protocol))
        except websocket.MessageError:
            pass
        finally:
            self.gone.set()

    async def _receive(self, message: websocket.Message) -> None:
        if message.channel == websocket.STDIN and message.data:
            await self._stdin.put(message.data)
        elif websocket.closed_channel(message, self._protocol) == websocket.STDIN:
            await self._stdin.put(b"")
        elif message.channel == websocket.RESIZE:
            size = websocket.size(message.data)
            if size is not None and not self._sizes.full():
                self._sizes.put_nowait(size)

    async def input(self) -> AsyncIterator[bytes]:
        while data := await self._stdin.get():
            yield data

    async def sizes(self) -> AsyncIterator[websocket.Size]:
        while True:
            yield await self._sizes.get()

    async def write(self, stream: int, data: bytes) -> None:
        message = websocket.encode(stream, data, self._protocol)
        if isinstance(message, str):
            await self._socket.send_str(message)
        else:
            await self._socket.send_bytes(message)

    async def finish(self, status: bytes) -> None:
        text = websocket.status_for(status, self._protocol)
        if text:
            await self.write(websocket.ERROR, text)


class SpdyRemote:
    """The client's end on SPDY streams."""

    def __init__(self, session: Session, streams: dict[str, Stream], protocol: str) -> None:
        self._streams, self._protocol = streams, protocol
        self.gone = session.gone

    async def input(self) -> AsyncIterator[bytes]:
        async for data in self._streams["stdin"].chunks():
            yield data

    async def sizes(self) -> AsyncIterator[websocket.Size]:
        pending = b""
        if "resize" not in self._streams:
            return
        async for data in self._streams["resize"].chunks():
            # JSON documents one after the other, cut anywhere.
            pending = (pending + data)[-LONGEST_RESIZE_BYTES:]
            *documents, pending = pending.replace(b"}", b"}\n").split(b"\n")
            for document in documents:
                if (size := websocket.size(document)) is not None:
                    yield size

    async def write(self, stream: int, data: bytes) -> None:
        name = "stdout" if stream == websocket.STDOUT else "stderr"
        if name in self._streams:
            await self._streams[name].write(data)

    async def finish(self, status: bytes) -> None:
        for name in ("stdout", "stderr"):
            if name in self._streams:
                await self._streams[name].close()
        await self._streams["error"].write(websocket.status_for(status, self._protocol))
        await self._streams["error"].close()


async def _collect(session: Session, wanted: Wanted, protocol: str) -> dict[str, Stream] | None:
    """Wait for every stream the client announced; None when it leaves or does not open them."""
    missing = {"error"}
    missing |= {name for name in ("stdin", "stdout", "stderr") if getattr(wanted, name)}
    missing |= {"resize"} if wanted.tty and protocol.startswith(("v3.", "v4.")) else set()
    streams: dict[str, Stream] = {}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STREAMS_TIMEOUT_SECONDS):
            while missing:
                stream = await session.accept()
                if stream is None:
                    return None
                name = stream.headers.get("streamtype", "")
                if name not in missing:
                    await stream.reset()
                    continue
                missing.discard(name)
                streams[name] = stream
                if name in ("error", "stdout", "stderr"):
                    await stream.ignore()
            return streams
    return None


async def _cancel(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
