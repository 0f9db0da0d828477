"""Sets of completion indexes as Jobs write them: `0,2-4,7`, in rising order.

https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode
"""

from __future__ import annotations

import re


def parse(text: str, completions: int) -> tuple[tuple[int, int], ...]:
    """Return the first and last index of each interval. Raises ValueError when they are not in order or too large."""
    intervals: list[tuple[int, int]] = []
    for part in text.split(",") if text else ():
        first, last = _interval(part, completions)
        if intervals and intervals[-1][1] >= first:
            raise ValueError(f"non-increasing order, previous: {intervals[-1][1]}, current: {first}")
        intervals.append((first, last))
    return tuple(intervals)


def count(intervals: tuple[tuple[int, int], ...]) -> int:
    """Return how many indexes there are."""
    return sum(last - first + 1 for first, last in intervals)


def shared(some: tuple[tuple[int, int], ...], others: tuple[tuple[int, int], ...]) -> int | None:
    """Return the lowest index that is in both sets, or None."""
    at, beside = 0, 0
    while at < len(some) and beside < len(others):
        first = max(some[at][0], others[beside][0])
        if first <= min(some[at][1], others[beside][1]):
            return first
        if some[at][1] < others[beside][1]:
            at += 1
        else:
            beside += 1
    return None


def _interval(part: str, completions: int) -> tuple[int, int]:
    limits = part.split("-")
    if len(limits) > 2:
        raise ValueError(f'the fragment "{part}" violates the requirement that an index interval can have at most two '
                         "parts separated by '-'")
    first = _index(limits[0], completions)
    if len(limits) == 1:
        return first, first
    last = _index(limits[1], completions)
    if first >= last:
        raise ValueError(f"non-increasing order, previous: {first}, current: {last}")
    return first, last


def _index(text: str, completions: int) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text):
        raise ValueError(f'cannot convert string to integer for index: "{text}"')
    if int(text) >= completions:
        raise ValueError(f'too large index: "{text}"')
    return int(text)
