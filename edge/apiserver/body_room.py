"""Bounds what the bodies of all requests under way take together, from their first byte until they are answered.

One body is bounded anyway. A few hundred large ones at the same time, sent slowly, would fill the memory of a Pi.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge.api import errors

MOST_BYTES = 32 * 1024 * 1024
RETRY_SECONDS = 1

Take = Callable[[int], None]
"""Takes room for that many bytes more. Raises errors.TooManyRequests when there is none."""


class Room:
    """The room of one server."""

    def __init__(self, size_bytes: int = MOST_BYTES) -> None:
        self.left_bytes = size_bytes

    @contextmanager
    def of_one(self) -> Iterator[Take]:
        """Hand out room to one request, and take it back when that ends."""
        taken = 0

        def take(size: int) -> None:
            nonlocal taken
            if size > self.left_bytes:
                raise errors.TooManyRequests("Too many requests, please try again later.",
                                             details={"retryAfterSeconds": RETRY_SECONDS})
            self.left_bytes -= size
            taken += size

        try:
            yield take
        finally:
            self.left_bytes += taken
