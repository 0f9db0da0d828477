"""Streams a watch to one client: a line of JSON for each event, until the time is up or somebody leaves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from aiohttp import web

from edge.api import errors
from edge.apiserver import audit, service_watch, watching
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

    def end(self) -> None:
        """End every watch, as if its time were up."""
        self._ending = True
        for task in list(self._tasks):
            task.cancel()

    async def run(self, request: web.BaseRequest, asked: ResourceRequest, view: View,
                  namespace: str) -> web.StreamResponse:
        """Answer a watch request. Options that do not parse are raised, what comes later is an ERROR event."""
        service_watch.check(view.resource, asked.options)
        if len(self._tasks) >= MOST_WATCHES:
            raise errors.TooManyRequests(f"{MOST_WATCHES} watches are open, try again later",
                                         details={"retryAfterSeconds": 1})
        notices = service_watch.watch(self._service, view.resource, namespace, asked.options, asked.api_version)
        response = web.StreamResponse(headers=audit.headers())
        response.headers["Content-Type"] = view.wanted.content_type
        response.headers["Cache-Control"] = "no-cache, private"
        response.enable_chunked_encoding()
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await response.prepare(request)
            if request.transport is not None:
                request.transport.set_write_buffer_limits(high=LARGEST_WRITE_BYTES)
            async with contextlib.aclosing(notices):
                await self._write(request, response, view, notices)
        except errors.ApiError as error:
            await response.write(watching.line(watching.ERROR, msgspec.json.encode(error.status())))
        except asyncio.CancelledError:
            if not self._ending:
                raise
            task.uncancel()
        finally:
            self._tasks.discard(task)
        await response.write_eof()
        return response

    async def _write(self, request: web.BaseRequest, response: web.StreamResponse, view: View,
                     notices: AsyncGenerator[list[watching.Notice], None]) -> None:
        first = True
        async for together in notices:
            lines, size = [], 0
            for notice in together:
                lines.append(self._line(view, notice, first))
                size += len(lines[-1])
                first = False
                if size >= LARGEST_WRITE_BYTES:
                    await self._send(request, response, b"".join(lines))
                    lines, size = [], 0
            if lines:
                await self._send(request, response, b"".join(lines))

    async def _send(self, request: web.BaseRequest, response: web.StreamResponse, data: bytes) -> None:
        try:
            async with asyncio.timeout(SLOWEST_SECONDS):
                await response.write(data)
        except TimeoutError as error:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("the client takes nothing any more") from error

    def _line(self, view: View, notice: watching.Notice, first: bool) -> bytes:
        bookmark = notice.type == watching.BOOKMARK
        if view.as_stored and not bookmark:
            return self._lines.of(notice)
        return watching.line(notice.type, view.event(notice.value, first=first, bookmark=bookmark))
