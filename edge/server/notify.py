"""Tells systemd that the service is ready and alive: sd_notify(3) in a few lines."""

from __future__ import annotations

import os
import socket


def tell(state: str) -> None:
    """Send a state such as `READY=1`; does nothing when not started by systemd."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.setblocking(False)
        try:
            channel.sendto(state.encode(), address)
        except OSError:
            return  # Nobody listens any more; the service manager draws its own conclusions.


def watchdog_seconds() -> float:
    """Return how often the watchdog wants a sign of life (half its limit), or 0 when there is none."""
    text = os.environ.get("WATCHDOG_USEC", "")
    return int(text) / 2_000_000 if text.isdecimal() else 0.0
