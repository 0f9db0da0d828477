"""Effects: what systemd hears of a program (sd_notify(3)): that it is ready, what it does, and that it is alive.

A sign of life is only worth something when it comes from the work itself, so whoever keeps the watchdog says what
must have happened lately for the program to count as alive.
"""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Callable

from edge import logs
from edge.clock import Clock

log = logs.get("notify")


@functools.cache
def address() -> str:
    """Return where systemd listens, empty when it did not start us."""
    # Taken out of the environment, so that no child speaks in our place: busctl and systemctl report their failures.
    path = os.environ.pop("NOTIFY_SOCKET", "")
    return "\0" + path[1:] if path.startswith("@") else path


def tell(state: str) -> None:
    """Send a state such as `READY=1`; does nothing when not started by systemd."""
    if not address():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.setblocking(False)
        try:
            channel.sendto(state.encode(), address())
        except OSError:
            return  # Nobody listens any more; the service manager draws its own conclusions.


def status(text: str) -> None:
    """Say in one line what the program does, for `systemctl status`."""
    tell("STATUS=" + " ".join(text.split()))


def watchdog_seconds() -> float:
    """Return how often the watchdog wants a sign of life (half its limit), or 0 when there is none."""
    text, whose = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if whose and whose != str(os.getpid()):
        return 0.0
    return int(text) / 2_000_000 if text.isdecimal() else 0.0


async def keep_watchdog(clock: Clock, stuck: Callable[[], str] = str) -> None:
    """Show systemd that the program is alive for as long as `stuck` returns no reason; ends at once where nobody asks.

    That this runs at all shows that the event loop turns.
    """
    said = ""
    while (seconds := watchdog_seconds()) > 0:
        reason = stuck()
        if not reason:
            tell("WATCHDOG=1")
        elif reason != said:
            log.error("no sign of life for systemd, it will start this program again", reason=reason)
        said = reason
        await clock.sleep(seconds)
