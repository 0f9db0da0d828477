"""Chooses the node for a pod, or says in one sentence why there is none.

For each kind of needs a ranking of the nodes that fit is kept. When a node changes, only its place in the rankings is
worked out again, at the next use: placing a pod costs what changed since the last like it, not nodes times pods.
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from edge.api import core
from edge.scheduler import filters, needs, pod_affinity, scores, snapshot, volumes

RANKINGS = 256
"""Rankings kept; the least recently used are dropped."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a pod goes, or why it goes nowhere."""

    node: str
    """Empty when no node fits."""
    reason: str
    """Such as `0/4 nodes are available: 3 Insufficient cpu, 1 node(s) were unschedulable.`"""
    needs: needs.Needs
    claims: bool = False
    """Whether the pod has claims, so that volumes must be there before it is bound."""
    steps: tuple[volumes.Step, ...] = ()
    """What has to be written first for claims that wait for their pod's node."""


VolumeRules = Callable[[core.Pod], volumes.Rules | None]


def _no_volumes(_pod: core.Pod) -> None:
    return None


@dataclass(slots=True)
class _Ranking:
    """Nodes that fit, best first. An entry counts only while its version is still the node's."""

    version: int = -1
    heap: list[tuple[float, int, str, int]] = field(default_factory=list)
    refusal: tuple[int, str] = (-1, "")
    """The reason why nothing fits, and the snapshot's version it was worked out at."""


class Selector:
    """Chooses nodes from one snapshot, and remembers rankings."""

    def __init__(self, cluster: snapshot.Snapshot, volume_rules: VolumeRules = _no_volumes) -> None:
        self._cluster = cluster
        self._volume_rules = volume_rules
        self._rankings: OrderedDict[needs.Needs, _Ranking] = OrderedDict()

    def select(self, pod: core.Pod) -> Choice:
        """Return the best node; of equal ones the one with fewer pods, then the first by name."""
        wanted = needs.of(pod)
        rules, claims = pod_affinity.rules(pod, self._cluster), self._volume_rules(pod)
        if claims is not None and claims.problem:
            nodes = len(self._cluster.nodes)
            return Choice("", f"0/{nodes} nodes are available: {claims.problem}." if nodes else explain(0, ()), wanted)
        if wanted.only_node or rules is not None or claims is not None:
            return self._scan(wanted, rules, claims)
        ranking = self._rankings.get(wanted)
        if ranking is None:
            ranking = self._rankings[wanted] = _Ranking()
            if len(self._rankings) > RANKINGS:
                self._rankings.popitem(last=False)
        else:
            self._rankings.move_to_end(wanted)
        self._catch_up(wanted, ranking)
        best = self._best(ranking)
        if best:
            return Choice(best, "", wanted)
        if ranking.refusal[0] != self._cluster.version:
            ranking.refusal = (self._cluster.version, explain(
                len(self._cluster.nodes), (filters.reasons_against(wanted, node)
                                           for node in self._cluster.nodes.values())))
        return Choice("", ranking.refusal[1], wanted)

    def _catch_up(self, wanted: needs.Needs, ranking: _Ranking) -> None:
        """Rank again what changed since the ranking was last used."""
        nodes = self._cluster.nodes
        fresh = ranking.version < 0 or len(ranking.heap) > 4 * len(nodes) + 64
        names: Iterable[str] = nodes if fresh else self._cluster.changed_since(ranking.version)
        entries = [entry for name in names if (entry := self._entry(wanted, nodes.get(name))) is not None]
        if fresh:
            heapq.heapify(entries)
            ranking.heap = entries
        else:
            for entry in entries:
                heapq.heappush(ranking.heap, entry)
        ranking.version = self._cluster.version

    def _entry(self, wanted: needs.Needs, node: snapshot.Node | None) -> tuple[float, int, str, int] | None:
        if node is None or filters.reasons_against(wanted, node):
            return None
        return (-scores.total(wanted, node), node.pods, node.node.metadata.name, node.version)

    def _best(self, ranking: _Ranking) -> str:
        while ranking.heap:
            _, _, name, version = ranking.heap[0]
            node = self._cluster.nodes.get(name)
            if node is not None and node.version == version:
                return name
            heapq.heappop(ranking.heap)
        return ""

    def _scan(self, wanted: needs.Needs, rules: pod_affinity.Rules | None, claims: volumes.Rules | None) -> Choice:
        """Look at every node that comes into question: for pods bound to one, with claims, or with rules on others."""
        nodes = self._cluster.nodes
        considered = [nodes[wanted.only_node]] if wanted.only_node in nodes else \
            [] if wanted.only_node else list(nodes.values())
        refusals: list[filters.Reasons] = [(filters.AFFINITY,)] * (len(nodes) - len(considered))
        best: tuple[float, int, str] | None = None
        for node in considered:
            reasons = filters.reasons_against(wanted, node) or (claims.reasons_against(node) if claims else ()) \
                or (rules.reasons_against(node) if rules else ())
            if reasons:
                refusals.append(reasons)
                continue
            bonus = rules.score(node) if rules else 0.0
            entry = (-scores.total(wanted, node) - bonus, node.pods, node.node.metadata.name)
            best = entry if best is None else min(best, entry)
        if best is not None:
            steps = claims.steps(nodes[best[2]].node) if claims else None
            return Choice(best[2], "", wanted, claims is not None, steps or ())
        return Choice("", explain(len(nodes), refusals), wanted)


def explain(nodes: int, refusals: Iterable[filters.Reasons]) -> str:
    """Return Kubernetes' sentence about a pod that fits nowhere."""
    if nodes == 0:
        return "no nodes available to schedule pods"
    counts = Counter(reason for reasons in refusals for reason in reasons)
    listed = ", ".join(sorted(f"{number} {reason}" for reason, number in counts.items()))
    return f"0/{nodes} nodes are available: {listed}."
