"""How many pods each ReplicaSet of a Deployment may have in the next step: numbers in, numbers out.

The two promises of a rolling update: never fewer available pods than `replicas - maxUnavailable`, never more pods
than `replicas + maxSurge`. https://kubernetes.io/docs/concepts/workloads/controllers/deployment/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.api import meta


@dataclass(frozen=True, slots=True)
class Replicas:
    """What counts of one ReplicaSet."""

    name: str
    wanted: int
    """spec.replicas."""
    actual: int
    """status.replicas."""
    available: int
    created: str = ""
    """creationTimestamp."""
    most: int | None = None
    """The highest number of pods the Deployment was allowed when it last scaled this ReplicaSet."""


def amount(value: meta.IntOrString | None, total: int, *, up: bool, default: meta.IntOrString = "25%") -> int:
    """Return a number or percentage of `total` as a number; what cannot be read is 0."""
    given = default if value is None else value
    if isinstance(given, int):
        return max(0, given)
    text = given.strip()
    try:
        if not text.endswith("%"):
            return max(0, int(text))
        hundredths = max(0, int(text[:-1])) * total
    except ValueError:
        return 0
    return -(-hundredths // 100) if up else hundredths // 100


def limits(replicas: int, max_surge: meta.IntOrString | None,
           max_unavailable: meta.IntOrString | None) -> tuple[int, int]:
    """Return (surge, unavailable) in pods: surge rounds up, unavailable down, and never are both 0."""
    surge = amount(max_surge, replicas, up=True)
    unavailable = amount(max_unavailable, replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, replicas)


def grow_new(replicas: int, surge: int, new: int, others: int) -> int:
    """Return the wanted replicas of the new ReplicaSet, given what it and the old ones want now."""
    if new >= replicas:
        return replicas
    room = max(0, replicas + surge - new - others)
    return min(new + room, replicas)


def shrink_old(replicas: int, unavailable: int, new: Replicas, old: Sequence[Replicas]) -> dict[str, int]:
    """Return the wanted replicas of the old ReplicaSets that should shrink: pods that are not available go first."""
    least = replicas - unavailable
    total = new.wanted + sum(rs.wanted for rs in old)
    spare = total - least - (new.wanted - min(new.available, new.wanted))
    if spare <= 0:
        return {}
    wanted = {rs.name: rs.wanted for rs in old}
    ordered = sorted(old, key=lambda rs: (rs.created, rs.name))
    for rs in ordered:
        broken = min(spare, max(0, rs.wanted - rs.available))
        wanted[rs.name] -= broken
        spare -= broken
    available = min(new.available, new.wanted) + sum(min(rs.available, wanted[rs.name]) for rs in old)
    surplus = min(spare, available - least)
    for rs in ordered:
        gone = min(max(0, surplus), wanted[rs.name])
        wanted[rs.name] -= gone
        surplus -= gone
    return {rs.name: wanted[rs.name] for rs in old if wanted[rs.name] != rs.wanted}


def proportional(replicas: int, surge: int, sets: Sequence[Replicas]) -> dict[str, int]:
    """Return the wanted replicas when a Deployment is scaled in the middle of a rollout: each set in proportion.

    Growing starts with the newest set, shrinking with the oldest; the first also takes what rounding leaves.
    """
    allowed = replicas + surge if replicas > 0 else 0
    difference = allowed - sum(rs.wanted for rs in sets)
    ordered = sorted(sets, key=lambda rs: (rs.wanted, rs.created, rs.name), reverse=True)
    if difference < 0:
        ordered = sorted(sets, key=lambda rs: (-rs.wanted, rs.created, rs.name))
    left = difference
    wanted: dict[str, int] = {}
    for rs in ordered:
        share = round(rs.wanted * allowed / (rs.most or allowed or 1)) - rs.wanted if rs.wanted else 0
        share = max(0, min(share, left)) if difference > 0 else min(0, max(share, left))
        wanted[rs.name] = rs.wanted + share
        left -= share
    for rs in ordered:
        rest = left if left > 0 else max(left, -wanted[rs.name])
        wanted[rs.name] += rest
        left -= rest
    return wanted
