"""Whether a node can take a pod, and if not, why: each filter returns the reasons in Kubernetes' words.

A further filter is a function and one line in `FILTERS`. The first filter that objects speaks for the node.
https://kubernetes.io/docs/reference/scheduling/config/#scheduling-plugins
"""

from __future__ import annotations

from collections.abc import Callable

from edge.api import core, placement
from edge.scheduler import needs, snapshot

_UNSCHEDULABLE = core.Taint(key="node.kubernetes.io/unschedulable", effect=placement.NO_SCHEDULE)

Reasons = tuple[str, ...]


def unschedulable(wanted: needs.Needs, node: snapshot.Node) -> Reasons:
    """Refuse cordoned nodes."""
    if node.node.spec.unschedulable and placement.untolerated((_UNSCHEDULABLE,), wanted.tolerations):
        return ("node(s) were unschedulable",)
    return ()


def taints(wanted: needs.Needs, node: snapshot.Node) -> Reasons:
    """Refuse nodes with a taint the pod does not tolerate."""
    if not node.node.spec.taints:
        return ()
    taint = placement.untolerated(node.node.spec.taints, wanted.tolerations)
    return () if taint is None else (f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}",)


def affinity(wanted: needs.Needs, node: snapshot.Node) -> Reasons:
    """Refuse nodes that the node selector or the required node affinity does not admit."""
    labels = node.node.metadata.labels
    admitted = all(labels.get(key) == value for key, value in wanted.node_selector)
    required = wanted.affinity.required_during_scheduling_ignored_during_execution if wanted.affinity else None
    if admitted and required is not None:
        admitted = any(placement.term_matches(term, node.node) for term in required.node_selector_terms)
    return () if admitted else (AFFINITY,)


AFFINITY = "node(s) didn't match Pod's node affinity/selector"


def ports(wanted: needs.Needs, node: snapshot.Node) -> Reasons:
    """Refuse nodes where a port the pod takes is taken."""
    for port in wanted.ports:
        if any(port.overlaps(taken) for taken in node.ports):
            return ("node(s) didn't have free ports for the requested pod ports",)
    return ()


def resources(wanted: needs.Needs, node: snapshot.Node) -> Reasons:
    """Refuse nodes with too little left; a resource that is not asked for never refuses."""
    reasons: list[str] = []
    asked = wanted.requests
    if node.pods + 1 > node.max_pods:
        reasons.append("Too many pods")
    if asked.cpu_milli and asked.cpu_milli > node.allocatable.cpu_milli - node.cpu_milli:
        reasons.append("Insufficient cpu")
    if asked.memory_bytes and asked.memory_bytes > node.allocatable.memory_bytes - node.memory_bytes:
        reasons.append("Insufficient memory")
    reasons += [f"Insufficient {name}" for name, amount in asked.others
                if amount > node.others.get(name, 0) - node.used_others.get(name, 0)]
    return tuple(reasons)


Filter = Callable[[needs.Needs, snapshot.Node], Reasons]
FILTERS: tuple[Filter, ...] = (unschedulable, taints, affinity, ports, resources)


def reasons_against(wanted: needs.Needs, node: snapshot.Node) -> Reasons:
    """Return why the node cannot take the pod; empty when it can."""
    for refuses in FILTERS:
        reasons = refuses(wanted, node)
        if reasons:
            return reasons
    return ()
