"""Decides which directories of local volumes are put away, and when what was put away is removed for good.

Only a directory that the server names is touched, and only while no pod of this node has it. It is put away first,
and kept for a day: a claim that was deleted by mistake has not lost its data yet. How old something is counts from when
this program first saw it, because a node's clock may be wrong; a full disk shortens the time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from edge.api import local_volumes
from edge.bus import messages

KEPT = ".removed"
"""Directory below the volumes' own, for what was put away."""
FULL_PERCENT = 85
"""From here on the oldest of what was put away goes at once; images are removed from here on too."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one look leads to."""

    away: tuple[str, ...]
    """Directories to put away."""
    waiting: tuple[str, ...]
    """Directories that a pod still has."""
    gone: tuple[str, ...]
    """Volumes that have no directory here (any more)."""


def plan(ordered: Iterable[str], present: Collection[str], used: Collection[str]) -> Round:
    """Return what to do about the volumes the server wants removed.

    Args:
        ordered: their names.
        present: names of what is in the volumes' directory.
        used: names of the volumes that pods of this node have.
    """
    names = sorted({name for name in ordered if local_volumes.is_name(name)})
    return Round(away=tuple(name for name in names if name in present and name not in used),
                 waiting=tuple(name for name in names if name in present and name in used),
                 gone=tuple(name for name in names if name not in present))


def used_by(pods: Iterable[messages.DesiredPod | None], directory: str) -> frozenset[str]:
    """Return the names of the volumes below a directory that pods have."""
    found: set[str] = set()
    for pod in pods:
        for volume in pod.claims.values() if pod is not None else ():
            for source in (volume.spec.local, volume.spec.host_path):
                path = source.path if source is not None else ""
                parent, _, rest = path.partition(f"{directory.rstrip('/')}/")
                if not parent and rest:
                    found.add(rest.split("/")[0])
    return frozenset(found)


def overdue(seen: Mapping[str, float], now: float, kept_seconds: float, used_percent: float) -> tuple[str, ...]:
    """Return what of the things put away is removed for good now.

    Args:
        seen: when each was first seen, in seconds of a clock that never jumps.
        now: that clock.
        kept_seconds: how long they are kept.
        used_percent: how full the disk is.
    """
    oldest = sorted(seen, key=lambda name: (seen[name], name))
    due = tuple(name for name in oldest if now - seen[name] >= kept_seconds)
    return due or (tuple(oldest[:1]) if used_percent >= FULL_PERCENT else ())
