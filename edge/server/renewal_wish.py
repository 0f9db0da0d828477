"""Wishes for new certificates of the master itself when the ones it has end soon.

`edge-rack apply` renews them whenever it runs, which is at every start of the machine. A master that was off for years
starts with the clock of the day it was switched off, though, and learns the time only when everything runs already.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

from edge import logs
from edge.clock import Clock
from edge.pki import subjects

FILE = "certificates-end"
WISH_BEFORE = timedelta(days=200)
"""Later than `edge-rack apply` renews: a wish that it did not fulfil would be no use."""
LOOK_SECONDS = 300.0

log = logs.get("renewals")


def wish(certificates: list[str], now: datetime) -> str:
    """Return what to wish for: the end of the certificate that ends first, when that is soon; "" for nothing."""
    ends = []
    for pem in certificates:
        try:
            ends.append(subjects.certificate(pem).not_after)
        except ValueError:
            continue  # A damaged one is made anew at the next start.
    first = min(ends, default=None)
    return first.isoformat() if first is not None and first - now < WISH_BEFORE else ""


def loop(pki_dir: Path, wishes_dir: Path, clock: Clock) -> Callable[[], Awaitable[None]]:
    """Return the loop that looks at the certificates and leaves the wish, once for each end."""

    async def run() -> None:
        while True:
            try:
                _look(pki_dir, wishes_dir / FILE, clock.now())
            except OSError as error:
                log.warning("the wish for new certificates of the master cannot be left", reason=error)
            await clock.sleep(LOOK_SECONDS)

    return run


def _look(pki_dir: Path, path: Path, now: datetime) -> None:
    found = wish([(pki_dir / name).read_text() for name in ("server.crt", "edge-server.crt")], now)
    if not found or (path.exists() and path.read_text() == found):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(found)
    fresh.replace(path)
    log.warning("the master's certificates end soon; edge-rack is asked for new ones", end=found)
