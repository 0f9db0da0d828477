"""Decides who may ask how often, where anybody may ask: each address a little, and all together not too much."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

REMEMBERED = 512
"""Addresses kept apart; of more, the one that has not asked for longest begins anew."""


@dataclass
class Bucket:
    """Fills by `per_second` up to `most`; each request takes one."""

    most: float
    per_second: float
    left: float
    at: float

    def fill(self, now: float) -> None:
        """Bring it up to date; `now` is monotonic."""
        self.left = min(self.most, self.left + (now - self.at) * self.per_second)
        self.at = now


@dataclass
class Allowance:
    """What is left for whom."""

    each_burst: float = 10.0
    each_per_second: float = 0.5
    all_burst: float = 200.0
    all_per_second: float = 20.0
    _all: Bucket | None = None
    _each: OrderedDict[str, Bucket] = field(default_factory=OrderedDict)

    def take(self, address: str, now: float) -> bool:
        """Return whether the address may ask now, and count it."""
        if self._all is None:
            self._all = Bucket(self.all_burst, self.all_per_second, self.all_burst, now)
        own = self._each.setdefault(address, Bucket(self.each_burst, self.each_per_second, self.each_burst, now))
        self._each.move_to_end(address)
        while len(self._each) > REMEMBERED:
            self._each.popitem(last=False)
        for bucket in (self._all, own):
            bucket.fill(now)
        if min(self._all.left, own.left) < 1:
            return False
        self._all.left -= 1
        own.left -= 1
        return True
