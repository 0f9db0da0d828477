"""Decides since when a condition holds: its time moves when its status does, and not before."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from edge.api import meta


def dated(condition: meta.Condition, before: Iterable[meta.Condition], now: str) -> meta.Condition:
    """Return a condition with the time since which it has its status.

    Args:
        condition: as it is now; a time it has already is kept where nothing was said before.
        before: what was said last.
        now: RFC 3339.
    """
    since = condition.last_transition_time or now
    for old in before:
        if (old.type, old.status) == (condition.type, condition.status) and old.last_transition_time:
            since = old.last_transition_time
    return msgspec.structs.replace(condition, last_transition_time=since)


def beating(condition: meta.Condition, before: Iterable[meta.Condition], now: str) -> meta.Condition:
    """Return a condition of a node, which also says when it was looked at last."""
    return msgspec.structs.replace(dated(condition, before, now), last_heartbeat_time=now)
