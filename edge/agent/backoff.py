"""Decides how long to wait before something that failed is tried again, the way the kubelet does.

The first restart is immediate, then 10 s, 20 s, 40 s ... up to 300 s; what held for 10 minutes starts afresh.
Times are monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST_SECONDS = 10.0
LONGEST_SECONDS = 300.0
FORGET_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait after the next failure, and when the last retry was made."""

    delay_seconds: float
    retried_at: float


def _current(backoff: Backoff | None, failed_at: float) -> Backoff | None:
    if backoff is None or failed_at - backoff.retried_at > FORGET_SECONDS:
        return None
    return backoff


def remaining(backoff: Backoff | None, failed_at: float, now: float) -> float:
    """Return the seconds still to wait after a failure at `failed_at`; 0 when it may be tried."""
    current = _current(backoff, failed_at)
    return 0.0 if current is None else max(0.0, failed_at + current.delay_seconds - now)


def advance(backoff: Backoff | None, failed_at: float, now: float) -> Backoff:
    """Return the back-off after a retry at `now` of what failed at `failed_at`."""
    current = _current(backoff, failed_at)
    if current is None:
        return Backoff(FIRST_SECONDS, now)
    return Backoff(min(current.delay_seconds * 2, LONGEST_SECONDS), now)


def text(seconds: float) -> str:
    """Return seconds as Kubernetes prints them: `10s`, `1m20s`, `5m0s`."""
    whole = int(seconds)
    return f"{whole}s" if whole < 60 else f"{whole // 60}m{whole % 60}s"
