"""Ages as kubectl prints them: `42s`, `5m30s`, `3h10m`, `2d4h`, `17d`, `1y40d`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

UNKNOWN = "<unknown>"
_DAY = 24
_YEAR = 365


def human(seconds: int) -> str:
    """Return a duration in at most two units, the finer one only while it matters."""
    if seconds < -1:
        return "<invalid>"
    if seconds < 120:
        return f"{max(seconds, 0)}s"
    minutes = seconds // 60
    if minutes < 10:
        return f"{minutes}m" + _rest(seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    hours = minutes // 60
    if hours < 8:
        return f"{hours}h" + _rest(minutes % 60, "m")
    if hours < 2 * _DAY:
        return f"{hours}h"
    days = hours // _DAY
    if days < 8:
        return f"{days}d" + _rest(hours % _DAY, "h")
    if days < 2 * _YEAR:
        return f"{days}d"
    years = days // _YEAR
    return f"{years}y" + (_rest(days % _YEAR, "d") if years < 8 else "")


def _rest(value: int, unit: str) -> str:
    return f"{value}{unit}" if value else ""


def since(timestamp: object, now: datetime) -> str:
    """Return how long ago an RFC 3339 time was, or `<unknown>` when it is absent or is no time."""
    then = moment(timestamp)
    if then is None:
        return UNKNOWN
    elapsed = (now - then) / timedelta(seconds=1)
    return human(int(elapsed))


def moment(timestamp: object) -> datetime | None:
    """Return an RFC 3339 time, or None when it is absent or is no time."""
    if not isinstance(timestamp, str) or not timestamp:
        return None
    try:
        parsed = datetime.fromisoformat(timestamp)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
