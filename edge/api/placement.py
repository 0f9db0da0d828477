"""Whether a pod may be on a node: taints and tolerations, node selectors and node affinity.

The scheduler and the DaemonSet controller must agree on this, so it stands below both.
https://kubernetes.io/docs/concepts/scheduling-eviction/
"""

from __future__ import annotations

from collections.abc import Iterable

from edge.api import core

NO_SCHEDULE = "NoSchedule"
NO_EXECUTE = "NoExecute"
PREFER_NO_SCHEDULE = "PreferNoSchedule"


def tolerates(toleration: core.Toleration, taint: core.Taint) -> bool:
    """Tell whether one toleration covers one taint."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return bool(toleration.key) and toleration.value == taint.value


def untolerated(taints: Iterable[core.Taint], tolerations: Iterable[core.Toleration],
                effects: tuple[str, ...] = (NO_SCHEDULE, NO_EXECUTE)) -> core.Taint | None:
    """Return the first taint with one of the effects that no toleration covers, or None."""
    allowed = tuple(tolerations)
    for taint in taints:
        if taint.effect in effects and not any(tolerates(toleration, taint) for toleration in allowed):
            return taint
    return None


def selects(spec: core.PodSpec, node: core.Node) -> bool:
    """Tell whether the pod's nodeSelector and required node affinity admit the node."""
    labels = node.metadata.labels
    if any(labels.get(key) != value for key, value in spec.node_selector.items()):
        return False
    required = required_terms(spec)
    return required is None or any(term_matches(term, node) for term in required)


def required_terms(spec: core.PodSpec) -> tuple[core.NodeSelectorTerm, ...] | None:
    """Return the terms of which one must match, or None when there is no such rule."""
    affinity = spec.affinity.node_affinity if spec.affinity else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
    return required.node_selector_terms if required else None


def term_matches(term: core.NodeSelectorTerm, node: core.Node) -> bool:
    """Tell whether all conditions of a term hold; an empty term matches nothing."""
    if not term.match_expressions and not term.match_fields:
        return False
    if any(rule.key != "metadata.name" for rule in term.match_fields):
        return False
    return (all(_holds(rule, node.metadata.labels.get(rule.key)) for rule in term.match_expressions)
            and all(_holds(rule, node.metadata.name) for rule in term.match_fields))


def only_node(spec: core.PodSpec) -> str:
    """Return the one node the pod's affinity names (as DaemonSets write it), or ""."""
    terms = required_terms(spec)
    if terms is None or len(terms) != 1:
        return ""
    for rule in terms[0].match_fields:
        if rule.key == "metadata.name" and rule.operator == "In" and len(rule.values) == 1:
            return rule.values[0]
    return ""


def _holds(rule: core.NodeSelectorRequirement, value: str | None) -> bool:
    match rule.operator:
        case "In":
            return value is not None and value in rule.values
        case "NotIn":
            return value is None or value not in rule.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return _compares(rule, value)
        case _:
            return False


def _compares(rule: core.NodeSelectorRequirement, value: str | None) -> bool:
    try:
        have, want = int(value or ""), int(rule.values[0])
    except (ValueError, IndexError):
        return False
    return have > want if rule.operator == "Gt" else have < want
