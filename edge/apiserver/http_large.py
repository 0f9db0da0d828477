"""Sends large answers in pieces, so that a client that does not read holds neither memory nor the connection for long.

A list of a rack is a few megabytes. It is in memory until the client has taken it, once for each client.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from edge.api import errors
from edge.apiserver import body_room, http_answers

FROM_BYTES = 256 * 1024
"""Smaller answers go to the kernel at once, or nearly."""
MOST_BYTES = 96 * 1024 * 1024
"""What all large answers under way may take together."""
SLOWEST_SECONDS = 30.0
"""How long a client may take for one piece."""
_PIECE_BYTES = 64 * 1024


class Sender:
    """The large answers of one server."""

    def __init__(self, room_bytes: int = MOST_BYTES) -> None:
        self._room = body_room.Room(room_bytes)

    async def send(self, request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
        """Return the answer, which has been sent if it is large. Raises ConnectionError for a client that left."""
        body = response.body if isinstance(response, web.Response) and not response.prepared else None
        if not isinstance(body, bytes) or len(body) < FROM_BYTES or request.method == "HEAD":
            return response
        with self._room.of_one() as take:
            try:
                take(len(body))
            except errors.TooManyRequests as error:
                return http_answers.failure(request, error)
            return await _in_pieces(request, response, body)


async def _in_pieces(request: web.BaseRequest, response: web.StreamResponse, body: bytes) -> web.StreamResponse:
    sent = web.StreamResponse(status=response.status, headers=response.headers)
    sent.content_length = len(body)
    await sent.prepare(request)
    if request.transport is not None:
        request.transport.set_write_buffer_limits(high=_PIECE_BYTES)
    try:
        for start in range(0, len(body), _PIECE_BYTES):
            async with asyncio.timeout(SLOWEST_SECONDS):
                await sent.write(body[start:start + _PIECE_BYTES])
        await sent.write_eof()
    except TimeoutError as error:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the client takes nothing any more") from error
    return sent
