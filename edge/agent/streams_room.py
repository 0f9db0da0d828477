"""Bounds how many streams a node serves at a time, so that no number of them takes its memory."""

from __future__ import annotations

from types import TracebackType


class NoRoom(Exception):
    """As many streams as may be are open; the text is for the user."""


class Room:
    """Places for one kind of streams: `with room:` takes one, or raises NoRoom."""

    def __init__(self, what: str, limit: int) -> None:
        self.what, self.limit, self.taken = what, limit, 0

    def __enter__(self) -> None:
        if self.taken >= self.limit:
            raise NoRoom(f"this node serves {self.taken} {self.what} already and takes no more than that at a time; "
                         "try again later")
        self.taken += 1

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.taken -= 1
