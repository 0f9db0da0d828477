"""How much one node may say: a bucket of tokens for each node and branch of the topics, filled anew all the time.

An agent that works says far less, also right after its connection, when it reports everything. What is beyond it is
dropped before it is read, so that one node that floods the bus costs the others nothing.
"""

from __future__ import annotations

BURST = 2000.0
PER_SECOND = 200.0


class Rates:
    """The buckets."""

    def __init__(self, burst: float = BURST, per_second: float = PER_SECOND) -> None:
        self._burst, self._per_second = burst, per_second
        self._buckets: dict[str, dict[str, tuple[float, float]]] = {}
        """Node -> branch -> (tokens, when)."""

    def allows(self, node: str, branch: str, now: float) -> bool:
        """Return whether a message may come in, and take its token. `now` is monotonic."""
        branches = self._buckets.setdefault(node, {})
        tokens, then = branches.get(branch, (self._burst, now))
        tokens = min(self._burst, tokens + (now - then) * self._per_second)
        branches[branch] = (max(tokens - 1, 0.0), now)
        return tokens >= 1

    def forget(self, node: str) -> None:
        """Drop what is known of a node that is gone."""
        self._buckets.pop(node, None)
