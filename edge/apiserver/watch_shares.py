"""Bounds how many watches one user has open, so that nobody takes all there are from everybody else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from edge.api import errors
from edge.apiserver.authenticate import MASTERS_GROUP, User

MOST_OF_ONE = 1000


class Shares:
    """The watches of each user. Masters are not counted: they could end everything anyway."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    @contextmanager
    def of(self, user: User) -> Iterator[None]:
        """Count one watch while it is open. Raises errors.TooManyRequests."""
        if MASTERS_GROUP in user.groups:
            yield
            return
        if self._open[user.name] >= MOST_OF_ONE:
            raise errors.TooManyRequests(f'User "{user.name}" has {MOST_OF_ONE} watches open, try again later',
                                         details={"retryAfterSeconds": 1})
        self._open[user.name] += 1
        try:
            yield
        finally:
            self._open[user.name] -= 1
            if not self._open[user.name]:
                del self._open[user.name]
