"""Answers POSTs to paths that are no resource, such as a node's request for renewal; others of the server hear them.

Anybody may send these, so a body has little room and little time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from edge.api import errors
from edge.apiserver import http_answers, http_call

MOST_BYTES = 16 * 1024

Hear = Callable[[bytes, str], Awaitable[tuple[int, object]]]
"""Takes the body and the address it came from, returns HTTP status and what becomes the JSON body."""


class Posts:
    """Who hears which path."""

    def __init__(self) -> None:
        self.heard: dict[str, Hear] = {}

    async def serve(self, request: web.BaseRequest, path: str) -> web.Response | None:
        """Return the answer, or None where nobody hears the path. Raises errors.ApiError for a bad body."""
        hear = self.heard.get(path)
        if hear is None or request.method != "POST":
            return None
        room = MOST_BYTES

        def take(size: int) -> None:
            nonlocal room
            room -= size
            if room < 0:
                raise errors.TooLarge(f"the request is larger than {MOST_BYTES} bytes")

        take(request.content_length or 0)
        room = MOST_BYTES
        body = await http_call.read_body(request, take)
        answering = asyncio.ensure_future(hear(body, request.remote or ""))
        # What has begun goes on when the client leaves, and nobody is left to be told how it ended.
        answering.add_done_callback(lambda done: done.cancelled() or done.exception())
        status, value = await asyncio.shield(answering)
        return http_answers.answer(request, msgspec.json.encode(value) + b"\n", status)
