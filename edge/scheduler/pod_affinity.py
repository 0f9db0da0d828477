"""Rules about other pods: required and preferred (anti-)affinity, and even spreading over places.

They look at the whole cluster, so pods with such rules are placed by a scan and not by a kept ranking.
https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from edge.api import core, labels
from edge.scheduler import snapshot

AFFINITY = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
EXISTING_ANTI_AFFINITY = "node(s) didn't satisfy existing pods anti-affinity rules"
SPREAD = "node(s) didn't match pod topology spread constraints"
NO_TOPOLOGY = "node(s) didn't match pod topology spread constraints (missing required label)"

Place = tuple[str, str]
"""Topology key and value."""


@dataclass(frozen=True, slots=True)
class _Term:
    """Places by number of pods that a term selects."""

    topology_key: str
    places: Counter[str]
    weight: int = 0
    matches_itself: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What one pod asks of the pods around it, worked out against the cluster."""

    near: tuple[_Term, ...] = ()
    away: tuple[_Term, ...] = ()
    forbidden: frozenset[Place] = frozenset()
    """Places where a pod runs that does not want this one near."""
    spread: tuple[tuple[_Term, int, int], ...] = ()
    """Term, maxSkew, and the lowest number of pods in a place."""
    wishes: tuple[_Term, ...] = ()

    def reasons_against(self, node: snapshot.Node) -> tuple[str, ...]:
        """Return why the node cannot take the pod; empty when it can."""
        place = node.node.metadata.labels
        if any((key, value) in self.forbidden for key, value in place.items()):
            return (EXISTING_ANTI_AFFINITY,)
        for term in self.near:
            # The first pod of a group that wants to be near its own kind may go anywhere.
            first = term.matches_itself and not term.places and term.topology_key in place
            if not first and not term.places.get(place.get(term.topology_key, "")):
                return (AFFINITY,)
        if any(term.topology_key in place and term.places.get(place[term.topology_key]) for term in self.away):
            return (ANTI_AFFINITY,)
        for term, skew, lowest in self.spread:
            if term.topology_key not in place:
                return (NO_TOPOLOGY,)
            if term.places[place[term.topology_key]] + term.matches_itself - lowest > skew:
                return (SPREAD,)
        return ()

    def score(self, node: snapshot.Node) -> float:
        """Return the weights of the wishes the node fulfils."""
        place = node.node.metadata.labels
        return float(sum(term.weight * term.places.get(place.get(term.topology_key, ""), 0) for term in self.wishes))


def rules(pod: core.Pod, cluster: snapshot.Snapshot) -> Rules | None:
    """Return the rules that concern a pod, or None when there are none."""
    affinity = pod.spec.affinity
    near = affinity.pod_affinity if affinity else None
    away = affinity.pod_anti_affinity if affinity else None
    forbidden = frozenset(_forbidden(pod, cluster))
    constraints = pod.spec.topology_spread_constraints
    if near is None and away is None and not forbidden and not constraints:
        return None
    wishes = [_term(pod, w.pod_affinity_term, cluster, w.weight)
              for w in (near.preferred_during_scheduling_ignored_during_execution if near else ())]
    wishes += [_term(pod, w.pod_affinity_term, cluster, -w.weight)
               for w in (away.preferred_during_scheduling_ignored_during_execution if away else ())]
    wishes += [_constraint(pod, c, cluster, -20) for c in constraints if c.when_unsatisfiable == "ScheduleAnyway"]
    spread = []
    for constraint in constraints:
        if constraint.when_unsatisfiable != "ScheduleAnyway":
            term = _constraint(pod, constraint, cluster, 0)
            places = {node.node.metadata.labels[term.topology_key] for node in cluster.nodes.values()
                      if term.topology_key in node.node.metadata.labels and not node.node.spec.unschedulable}
            lowest = min((term.places[place] for place in places), default=0)
            spread.append((term, max(1, constraint.max_skew), lowest))
    return Rules(
        near=tuple(_term(pod, t, cluster) for t in (
            near.required_during_scheduling_ignored_during_execution if near else ())),
        away=tuple(_term(pod, t, cluster) for t in (
            away.required_during_scheduling_ignored_during_execution if away else ())),
        forbidden=forbidden, spread=tuple(spread), wishes=tuple(wishes))


def _term(pod: core.Pod, term: core.PodAffinityTerm, cluster: snapshot.Snapshot, weight: int = 0) -> _Term:
    selector = labels.from_label_selector(term.label_selector)
    namespaces = _namespaces(pod, term)
    counts = _count(cluster, term.topology_key, selector, namespaces)
    own = selector.matches(pod.metadata.labels) and (namespaces is None or pod.metadata.namespace in namespaces)
    return _Term(term.topology_key, counts, weight, own)


def _constraint(pod: core.Pod, constraint: core.TopologySpreadConstraint, cluster: snapshot.Snapshot,
                weight: int) -> _Term:
    selector = labels.from_label_selector(constraint.label_selector)
    counts = _count(cluster, constraint.topology_key, selector, frozenset((pod.metadata.namespace,)))
    return _Term(constraint.topology_key, counts, weight, selector.matches(pod.metadata.labels))


def _namespaces(pod: core.Pod, term: core.PodAffinityTerm) -> frozenset[str] | None:
    """Return the namespaces a term looks at; None means all, which any namespaceSelector is taken for."""
    if term.namespace_selector is not None:
        return None
    return frozenset(term.namespaces or (pod.metadata.namespace,))


def _count(cluster: snapshot.Snapshot, key: str, selector: labels.Selector,
           namespaces: frozenset[str] | None) -> Counter[str]:
    counts: Counter[str] = Counter()
    for placed in cluster.pods.values():
        m = placed.pod.metadata
        if m.deletion_timestamp is None and (namespaces is None or m.namespace in namespaces) \
                and selector.matches(m.labels):
            node = cluster.nodes.get(placed.node)
            value = node.node.metadata.labels.get(key) if node else None
            if value is not None:
                counts[value] += 1
    return counts


def _forbidden(pod: core.Pod, cluster: snapshot.Snapshot) -> Iterable[Place]:
    for placed in cluster.repelling.values():
        node = cluster.nodes.get(placed.node)
        affinity = placed.pod.spec.affinity
        away = affinity.pod_anti_affinity if affinity else None
        for term in away.required_during_scheduling_ignored_during_execution if away and node else ():
            namespaces = _namespaces(placed.pod, term)
            if (namespaces is None or pod.metadata.namespace in namespaces) and node \
                    and labels.from_label_selector(term.label_selector).matches(pod.metadata.labels):
                value = node.node.metadata.labels.get(term.topology_key)
                if value is not None:
                    yield (term.topology_key, value)
