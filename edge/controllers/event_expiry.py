"""Deletes Events that are old, or too many."""

from __future__ import annotations

from datetime import datetime

from edge.api import core, times
from edge.controllers import interface, plan
from edge.controllers.settings import Settings

PERIOD_SECONDS = 60.0
_KEY = interface.Key(core.Event, "", "")


def controller(settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    def run(key: interface.Key, view: interface.View, now: datetime) -> plan.Plan:
        return reconcile(key, view, now, ttl_seconds=settings.event_ttl_seconds, limit=settings.event_limit)
    return interface.Controller(name="event_expiry", reconcile=run, sources=(interface.Source(
        core.Event, lambda _obj, _view: ()),), initial=(_KEY,), workers=1)


def reconcile(_key: interface.Key, view: interface.View, now: datetime, *, ttl_seconds: float = 3600.0,
              limit: int = 2000) -> plan.Plan:
    """Return the deletions that are due, oldest first."""
    events = sorted(view.all(core.Event), key=_last)
    old = [event for event in events if _age_seconds(event, now) > ttl_seconds] if ttl_seconds > 0 else []
    due = max(len(old), len(events) - limit)
    return plan.Plan(tuple(plan.delete(event) for event in events[:max(0, due)]), PERIOD_SECONDS)


def _age_seconds(event: core.Event, now: datetime) -> float:
    try:
        return (now - times.parse(_last(event))).total_seconds()
    except ValueError:
        return float("inf")  # A time that cannot be read must not keep all the others for ever.


def _last(event: core.Event) -> str:
    found = event.last_timestamp or event.event_time or event.first_timestamp or event.metadata.creation_timestamp
    return found or "1970-01-01T00:00:00Z"
