"""How well a node suits a pod: the sum of weighted scores, each a function of the pod and that one node.

No score looks at other nodes. That is what lets the ranking of a thousand nodes be kept and only the node that took
the last pod be scored again. A further score is a function and one line in `SCORES`.
"""

from __future__ import annotations

from collections.abc import Callable

from edge.api import placement
from edge.scheduler import needs, snapshot

_MEBIBYTE = 1024 * 1024


def least_allocated(wanted: needs.Needs, node: snapshot.Node) -> float:
    """Prefer nodes with much left of cpu and memory: 0 to 100."""
    return 100 - 50 * sum(_shares(wanted, node))


def balanced(wanted: needs.Needs, node: snapshot.Node) -> float:
    """Prefer nodes whose cpu and memory are used alike: 0 to 100."""
    cpu, memory = _shares(wanted, node)
    return 100 - 100 * abs(cpu - memory)


def spread(wanted: needs.Needs, node: snapshot.Node) -> float:
    """Avoid nodes that already run pods of the same owner: -10 for each."""
    return -10.0 * node.groups.get(wanted.group, 0)


def image_locality(wanted: needs.Needs, node: snapshot.Node) -> float:
    """Prefer nodes that need not pull: 0 to 100, full at 1 GB of images already there."""
    if not node.images:
        return 0.0
    present = sum(node.images.get(image, 0) or node.images.get(f"{image}:latest", 0) for image in wanted.images)
    return min(100.0, present / (10 * _MEBIBYTE))


def preferred_affinity(wanted: needs.Needs, node: snapshot.Node) -> float:
    """Prefer nodes the pod's affinity names: the sum of the weights, 0 to 100 each."""
    terms = wanted.affinity.preferred_during_scheduling_ignored_during_execution if wanted.affinity else ()
    return float(sum(term.weight for term in terms if placement.term_matches(term.preference, node.node)))


def preferred_taints(wanted: needs.Needs, node: snapshot.Node) -> float:
    """Avoid nodes with PreferNoSchedule taints the pod does not tolerate: -100 for each."""
    return -100.0 * sum(placement.untolerated((taint,), wanted.tolerations, (placement.PREFER_NO_SCHEDULE,)) is not None
                        for taint in node.node.spec.taints)


Score = Callable[[needs.Needs, snapshot.Node], float]
SCORES: tuple[tuple[Score, float], ...] = (
    (least_allocated, 1.0), (balanced, 1.0), (spread, 2.0), (image_locality, 1.0), (preferred_affinity, 2.0),
    (preferred_taints, 3.0))


def total(wanted: needs.Needs, node: snapshot.Node) -> float:
    """Return the weighted sum of all scores."""
    return sum(weight * score(wanted, node) for score, weight in SCORES)


def _shares(wanted: needs.Needs, node: snapshot.Node) -> tuple[float, float]:
    """Return the used share of cpu and of memory with the pod on the node, 0 to 1."""
    cpu = (node.scored_cpu_milli + wanted.scored.cpu_milli) / (node.allocatable.cpu_milli or 1)
    memory = (node.scored_memory_bytes + wanted.scored.memory_bytes) / (node.allocatable.memory_bytes or 1)
    return min(1.0, cpu), min(1.0, memory)
