"""Decides when a client has lost its connection so often that somebody else may have the same identity.

The broker takes a session away when another client comes with its name, so two with one identity would throw each
other out for ever. Not every broker says why it ends a connection (Mosquitto 2.0.11 does not), so any end counts. The
newcomer becomes suspicious first: who was connected for long holds on for longer.
"""

from __future__ import annotations

from dataclasses import dataclass, field

LONG_SECONDS = 60.0
"""A session that held so long is an established one."""
NEWCOMER_TAKES, ESTABLISHED_TAKES = 2, 6
"""How often each loses its connection before it asks whether there is another one."""
WINDOW_SECONDS = 600.0


@dataclass
class Losses:
    """Counts connections that were up and ended."""

    _times: list[float] = field(default_factory=list)
    _patience: int = NEWCOMER_TAKES

    def lost(self, now: float, held_seconds: float) -> bool:
        """Note that a connection ended after so many seconds; return whether to ask. Times are monotonic."""
        self._times = [each for each in self._times if now - each < WINDOW_SECONDS]
        if not self._times:
            self._patience = ESTABLISHED_TAKES if held_seconds >= LONG_SECONDS else NEWCOMER_TAKES
        self._times.append(now)
        if len(self._times) < self._patience:
            return False
        self._times.clear()
        return True
