"""Points in time as the API writes them: RFC 3339 in UTC.

https://www.rfc-editor.org/rfc/rfc3339
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_FORM = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def parse(text: str) -> datetime:
    """Return the point in time, in UTC. Raises ValueError when the text is no RFC 3339 time."""
    if not _FORM.fullmatch(text):
        raise ValueError(f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}" as "2006"')
    return datetime.fromisoformat(text.upper()).astimezone(UTC)


def render(moment: datetime) -> str:
    """Return the time in whole seconds, as most fields have it: `2017-09-20T12:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def render_micro(moment: datetime) -> str:
    """Return the time with microseconds, as Lease.spec.renewTime and Event.eventTime have it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
