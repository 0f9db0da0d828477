"""Pods that have a node and wait for their volumes: what was chosen for whom, and until when that holds.

A data structure only; `now` is seconds of a clock that never jumps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge.scheduler import volumes

LONGEST_SECONDS = 600.0
"""After this long the node is given back, and the pod is placed anew."""
LATE = 'running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded'


@dataclass(slots=True)
class _Reservation:
    uid: str
    since: float
    claims: tuple[str, ...]


class Reservations:
    """By pod: the claims something was chosen for."""

    def __init__(self) -> None:
        self.chosen: dict[str, volumes.Chosen] = {}
        """By uid of the claim: what the scheduler has chosen, for it to see before the caches do."""
        self._pods: dict[str, _Reservation] = {}

    def put(self, key: str, uid: str, node: str, steps: Iterable[volumes.Step], now: float) -> None:
        """Let a pod wait on a node for what the steps bring."""
        made = {step.claim.metadata.uid: volumes.Chosen(node, step.volume.metadata.name if step.volume else "")
                for step in steps}
        self.drop(key)
        self.chosen |= made
        self._pods[key] = _Reservation(uid, now, tuple(made))

    def drop(self, key: str) -> None:
        """Forget a pod that waits no more."""
        for claim in self._pods.pop(key, _Reservation("", 0.0, ())).claims:
            self.chosen.pop(claim, None)

    def clear(self) -> None:
        """Forget everything."""
        self.chosen.clear()
        self._pods.clear()

    def keys(self) -> tuple[str, ...]:
        """Return the pods that wait."""
        return tuple(self._pods)

    def has(self, key: str, uid: str) -> bool:
        """Return whether this very pod waits."""
        found = self._pods.get(key)
        return found is not None and found.uid == uid

    def is_over(self, key: str, now: float) -> bool:
        """Return whether a pod has waited too long."""
        return now - self._pods[key].since >= LONGEST_SECONDS

    def next_due(self) -> float | None:
        """Return when the first pod has waited too long, or None."""
        return min((each.since + LONGEST_SECONDS for each in self._pods.values()), default=None)
