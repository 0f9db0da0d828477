"""Recognizes late and repeated reports by boot id and sequence number.

Within one start of an agent, the numbers of one topic only grow. An earlier start is over as soon as a later one has
spoken: what is still on its way from it is late.
"""

from __future__ import annotations

from collections import deque

REMEMBERED_BOOTS = 8


class Sequences:
    """What was last heard, by node and topic."""

    def __init__(self) -> None:
        self._boot: dict[str, str] = {}
        self._over: dict[str, deque[str]] = {}
        self._last: dict[str, dict[str, int]] = {}

    def accept(self, node: str, topic: str, boot_id: str, sequence: int) -> str:
        """Return why the message is late, or "" for a new one, which is noted."""
        over = self._over.setdefault(node, deque(maxlen=REMEMBERED_BOOTS))
        current = self._boot.get(node)
        if boot_id in over:
            return "from an earlier start of the agent"
        if boot_id != current:
            if current is not None:
                over.append(current)
            self._boot[node] = boot_id
            self._last[node] = {}
        last = self._last[node]
        if sequence <= last.get(topic, -1):
            return "late or repeated"
        last[topic] = sequence
        return ""

    def revive(self, node: str, boot_id: str) -> None:
        """Listen to an earlier start again: it has just connected, so it was not over. Another machine with the same
        identity had spoken in between."""
        over = self._over.get(node)
        if over is not None and boot_id in over:
            over.remove(boot_id)

    def forget_topic(self, node: str, topic: str) -> None:
        """Drop what is known of a topic nobody uses any more."""
        self._last.get(node, {}).pop(topic, None)

    def forget(self, node: str) -> None:
        """Drop what is known of a node that is gone."""
        for known in (self._boot, self._over, self._last):
            known.pop(node, None)
