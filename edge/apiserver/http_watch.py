"""Streams a watch to one client: a line of JSON, or a message on a WebSocket, for each event, until somebody leaves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Sequence
from typing import Any

import msgspec
from aiohttp import web

from edge.api import errors
from edge.apiserver import audit, authenticate, http_answers, service_watch, watching
from edge.apiserver.paths import ResourceRequest
from edge.apiserver.render import View
from edge.apiserver.service import Service

SLOWEST_SECONDS = 60.0
"""A client that has taken nothing for this long is given up; what waits for it is in memory."""
LARGEST_WRITE_BYTES = 32 * 1024
"""Lines are shared between watches; what is written is a copy for one of them, and waits for its client."""
MOST_WATCHES = 5000


class Streamer:
    """Runs the watches of all clients; they share the lines that are the same for all."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lines = watching.Lines()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ending = False

    @property
    def watches(self) -> int:
        """How many watches are open."""
        return len(self._tasks)

    def end(self) -> None:
        """End every watch, as if its time were up."""
        self._ending = True
        for task in list(self._tasks):
            task.cancel()

    async def run(self, request: web.BaseRequest, asked: ResourceRequest, view: View,
                  warnings: Sequence[str] = ()) -> web.StreamResponse:
        """Answer a watch request. Options that do not parse are raised, what comes later is an ERROR event."""
        service_watch.check(view.resource, asked.options)
        if len(self._tasks) >= MOST_WATCHES:
            raise errors.TooManyRequests(f"{MOST_WATCHES} watches are open, try again later",
                                         details={"retryAfterSeconds": 1})
        outlet = (_Frames if request.headers.get("Upgrade", "").lower() == "websocket" else _Chunks)(request)
        notices = service_watch.watch(self._service, view.resource, asked.namespace, asked.options, asked.api_version,
                                      self._teller(outlet) if view.as_stored else None)
        response = outlet.response
        response.headers.update(audit.headers())
        response.headers["Content-Type"] = view.wanted.content_type
        response.headers["Cache-Control"] = "no-cache, private"
        http_answers.warn(response, warnings)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await outlet.begin()
            async with contextlib.aclosing(notices):
                await self._write(outlet, view, notices)
        except errors.ApiError as error:
            await outlet.send([watching.line(watching.ERROR, msgspec.json.encode(error.status()))])
        except asyncio.CancelledError:
            if not self._ending:
                raise
            task.uncancel()
        finally:
            self._tasks.discard(task)
        await outlet.end()
        return response

    async def _write(self, outlet: _Chunks | _Frames, view: View,
                     notices: AsyncGenerator[list[watching.Notice], None]) -> None:
        first = True
        async for together in notices:
            if outlet.closed:
                return
            lines, size = [], 0
            for notice in together:
                lines.append(self._line(view, notice, first))
                size += len(lines[-1])
                first = False
                if size >= LARGEST_WRITE_BYTES:
                    await outlet.send(lines)
                    lines, size = [], 0
            if lines:
                await outlet.send(lines)

    def _teller(self, outlet: _Chunks | _Frames) -> service_watch.Tell | None:
        """Return what tells the client of changes as they are stored, without waiting; None where that cannot be."""
        if not isinstance(outlet, _Chunks):
            return None
        take, line = outlet.take, self._lines.of
        return lambda notices: take(b"".join(map(line, notices)))

    def _line(self, view: View, notice: watching.Notice, first: bool) -> bytes:
        bookmark = notice.type == watching.BOOKMARK
        if view.as_stored and not bookmark:
            return self._lines.of(notice)
        return watching.line(notice.type, view.event(notice.value, first=first, bookmark=bookmark))


class _Chunks:
    """A watch as HTTP has it: chunks of lines."""

    closed = False

    def __init__(self, request: web.BaseRequest) -> None:
        self.response = web.StreamResponse()
        self._request = request

    async def begin(self) -> None:
        self.response.enable_chunked_encoding()
        await self.response.prepare(self._request)
        if self._request.transport is not None:
            self._request.transport.set_write_buffer_limits(high=LARGEST_WRITE_BYTES)

    async def send(self, lines: list[bytes]) -> None:
        await _in_time(self._request, self.response.write(b"".join(lines)))

    def take(self, lines: bytes) -> bool:
        """Write lines without waiting, if all written before has gone to the kernel; return whether that is so."""
        transport = self._request.transport
        if transport is None or transport.is_closing() or transport.get_write_buffer_size() \
                or len(lines) > LARGEST_WRITE_BYTES:
            return False
        transport.write(b"%x\r\n%b\r\n" % (len(lines), lines))
        return True

    async def end(self) -> None:
        await self.response.write_eof()


class _Frames:
    """A watch over a WebSocket, for browsers: each event is a message of text. What the client says is not heard."""

    def __init__(self, request: web.BaseRequest) -> None:
        offered = authenticate.plain_protocols(request.headers.get("Sec-WebSocket-Protocol", ""))
        self.response = web.WebSocketResponse(compress=False, protocols=offered.split(", ") if offered else ())
        self._request = request
        self._reading: asyncio.Task[None] | None = None

    @property
    def closed(self) -> bool:
        return self.response.closed

    async def begin(self) -> None:
        await self.response.prepare(self._request)
        if self._request.transport is not None:
            self._request.transport.set_write_buffer_limits(high=LARGEST_WRITE_BYTES)
        task = asyncio.current_task()
        assert task is not None
        self._reading = asyncio.ensure_future(self._ignored())
        # Without this a client that says goodbye would be noticed only at the next event.
        self._reading.add_done_callback(lambda done: done.cancelled() or task.cancel())

    async def send(self, lines: list[bytes]) -> None:
        for line in lines:
            await _in_time(self._request, self.response.send_str(line.decode()))

    async def end(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        await self.response.close()

    async def _ignored(self) -> None:
        async for _ in self.response:
            pass


async def _in_time(request: web.BaseRequest, sending: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(SLOWEST_SECONDS):
            await sending
    except TimeoutError as error:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the client takes nothing any more") from error
