"""Arithmetic of rules: whether some cover others, what is missing, what a ClusterRole collects, one line of text.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from edge.api import labels, rbac

Rules = tuple[rbac.PolicyRule, ...]
_ALL = "*"
_MOST_PIECES, _MOST_COMPARISONS = 20_000, 500_000
"""Of one look at what is missing: below a second."""
EVERYTHING: Rules = (rbac.PolicyRule(verbs=(_ALL,), api_groups=(_ALL,), resources=(_ALL,)),
                     rbac.PolicyRule(verbs=(_ALL,), non_resource_urls=(_ALL,)))
"""What only an administrator of the cluster has."""


def missing(held: Sequence[rbac.PolicyRule], wanted: Iterable[rbac.PolicyRule]) -> Rules:
    """Return what of the rules wanted is not covered by those held, taken together where that is possible.

    A thousand verbs, groups and resources are a rule of few bytes and a billion pieces: what would take too long to
    prove counts as missing.
    """
    left: list[rbac.PolicyRule] = []
    held = tuple(dict.fromkeys(held))
    pieces, comparisons = _MOST_PIECES, _MOST_COMPARISONS
    for rule in wanted:
        comparisons -= len(held)
        if comparisons >= 0 and any(covers(each, rule) for each in held):
            continue
        count = _pieces(rule)
        pieces, comparisons = pieces - count, comparisons - count * len(held)
        if pieces < 0 or comparisons < 0:
            left.append(rule)
        else:
            left += [part for part in parts(rule) if not any(covers(each, part) for each in held)]
    return compact(left)


def _pieces(rule: rbac.PolicyRule) -> int:
    of_resources = len(rule.api_groups) * len(rule.resources) * max(len(rule.resource_names), 1)
    return len(rule.verbs) * (of_resources + len(rule.non_resource_urls))


def parts(rule: rbac.PolicyRule) -> Rules:
    """Return a rule in its smallest pieces: one verb on one resource, object or path each."""
    made = [rbac.PolicyRule(verbs=(verb,), api_groups=(group,), resources=(resource,), resource_names=names)
            for group in rule.api_groups for resource in rule.resources for verb in rule.verbs
            for names in _each(rule.resource_names)]
    return (*made, *(rbac.PolicyRule(verbs=(verb,), non_resource_urls=(url,))
                     for url in rule.non_resource_urls for verb in rule.verbs))


def covers(held: rbac.PolicyRule, wanted: rbac.PolicyRule) -> bool:
    """Return whether one rule alone allows everything another one does."""
    if not _within(wanted.verbs, held.verbs) or not _within(wanted.api_groups, held.api_groups):
        return False
    if not (_ALL in held.resources or all(_resource(held.resources, each) for each in wanted.resources)):
        return False
    if not all(_path(held.non_resource_urls, each) for each in wanted.non_resource_urls):
        return False
    return not held.resource_names or (bool(wanted.resource_names)
                                       and set(wanted.resource_names) <= set(held.resource_names))


def compact(rules: Iterable[rbac.PolicyRule]) -> Rules:
    """Return the rules with those for the same single resource made one."""
    others: list[rbac.PolicyRule] = []
    simple: dict[tuple[str, str, tuple[str, ...]], rbac.PolicyRule] = {}
    for rule in rules:
        if len(rule.api_groups) != 1 or len(rule.resources) != 1 or rule.non_resource_urls \
                or len(rule.resource_names) > 1:
            others.append(rule)
            continue
        key = (rule.api_groups[0], rule.resources[0], rule.resource_names)
        known = simple.get(key)
        verbs = () if known is None else known.verbs
        simple[key] = replace(rule, verbs=(*verbs, *(verb for verb in rule.verbs if verb not in verbs)))
    return (*others, *simple.values())


def line(rule: rbac.PolicyRule) -> str:
    """Return a rule in one line, as Kubernetes writes it: `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`."""
    named = (("APIGroups", rule.api_groups), ("Resources", rule.resources),
             ("NonResourceURLs", rule.non_resource_urls), ("ResourceNames", rule.resource_names),
             ("Verbs", rule.verbs))
    return "{" + ", ".join(f"{name}:{listed(values)}" for name, values in named if values) + "}"


def listed(values: Iterable[str]) -> str:
    """Return texts as Go prints a list of them: `["get" "list"]`."""
    return f"[{' '.join(json.dumps(value, ensure_ascii=False) for value in values)}]"


def aggregated(role: rbac.ClusterRole, roles: Iterable[rbac.ClusterRole]) -> Rules:
    """Return the rules a ClusterRole with an aggregationRule collects from all others, in the order of their names."""
    if role.aggregation_rule is None:
        return role.rules
    found: dict[rbac.PolicyRule, None] = {}
    known = sorted((each for each in roles if each.metadata.name != role.metadata.name),
                   key=lambda each: each.metadata.name)
    for selector in role.aggregation_rule.cluster_role_selectors:
        selected = labels.from_label_selector(selector)
        for other in known:
            if selected.matches(other.metadata.labels):
                found.update(dict.fromkeys(other.rules))
    return tuple(found)


def _each(names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple((name,) for name in names) or ((),)


def _within(wanted: Sequence[str], held: Sequence[str]) -> bool:
    return _ALL in held or all(each in held for each in wanted)


def _resource(held: Sequence[str], wanted: str) -> bool:
    if wanted in held:
        return True
    _, slash, subresource = wanted.partition("/")
    return bool(slash) and f"*/{subresource}" in held


def _path(held: Sequence[str], wanted: str) -> bool:
    return any(each == wanted or (each.endswith(_ALL) and wanted.startswith(each.rstrip(_ALL))) for each in held)
