"""Setting conditions so that their times move only when they should."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

import msgspec

from edge.api import meta, times

_C = TypeVar("_C", bound=meta.Condition)


def find(conditions: tuple[_C, ...], name: str) -> _C | None:
    """Return the condition of that type, or None."""
    return next((condition for condition in conditions if condition.type == name), None)


def put(conditions: tuple[_C, ...], new: _C) -> tuple[_C, ...]:
    """Return the conditions with `new` in place of its namesake, or at the end."""
    if not any(condition.type == new.type for condition in conditions):
        return (*conditions, new)
    return tuple(new if condition.type == new.type else condition for condition in conditions)


def without(conditions: tuple[_C, ...], name: str) -> tuple[_C, ...]:
    """Return the conditions without that type."""
    return tuple(condition for condition in conditions if condition.type != name)


def make(old: meta.Condition | None, name: str, status: str, reason: str, message: str, now: datetime, *,
         updated: bool = False) -> meta.Condition:
    """Return a condition; lastTransitionTime moves only when the status changed.

    With `updated`, the condition also has a lastUpdateTime, as those of Deployments, which moves when the reason
    changes.
    """
    stamp = times.render(now)
    same = old is not None and old.status == status
    transition = old.last_transition_time if old is not None and same else stamp
    made = meta.Condition(type=name, status=status, reason=reason, message=message,
                          last_transition_time=transition or stamp)
    if not updated:
        return made
    kept = old is not None and same and old.reason == reason and old.last_update_time
    return msgspec.structs.replace(made, last_update_time=kept or stamp)


def whole(condition: meta.Condition, observed_generation: int) -> meta.WholeCondition:
    """Return the condition with the generation it was seen at, and its reason and message written even when empty."""
    return meta.WholeCondition(
        type=condition.type, status=condition.status, observed_generation=observed_generation,
        last_transition_time=condition.last_transition_time, reason=condition.reason, message=condition.message)
