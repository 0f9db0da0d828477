"""What is wrong with roles and bindings."""

from __future__ import annotations

import json

from edge.api import rbac
from edge.api import validation_words as words
from edge.api.errors import Cause

Binding = rbac.RoleBinding | rbac.ClusterRoleBinding


def role(obj: rbac.Role) -> words.Causes:
    """Yield what is wrong with a Role."""
    for index, rule in enumerate(obj.rules):
        yield from _rule(f"rules[{index}]", rule, namespaced=True)


def cluster_role(obj: rbac.ClusterRole) -> words.Causes:
    """Yield what is wrong with a ClusterRole."""
    for index, rule in enumerate(obj.rules):
        yield from _rule(f"rules[{index}]", rule, namespaced=False)
    if obj.aggregation_rule is None:
        return
    here = "aggregationRule.clusterRoleSelectors"
    if not obj.aggregation_rule.cluster_role_selectors:
        yield words.required(here, "at least one clusterRoleSelector required if aggregationRule is non-nil")
    for index, selector in enumerate(obj.aggregation_rule.cluster_role_selectors):
        yield from words.label_selector(f"{here}[{index}]", selector)


def role_binding(obj: rbac.RoleBinding) -> words.Causes:
    """Yield what is wrong with a RoleBinding."""
    yield from _role_ref(obj.role_ref, (rbac.ROLE, rbac.CLUSTER_ROLE))
    for index, subject in enumerate(obj.subjects):
        yield from _subject(f"subjects[{index}]", subject, namespaced=True)


def cluster_role_binding(obj: rbac.ClusterRoleBinding) -> words.Causes:
    """Yield what is wrong with a ClusterRoleBinding."""
    yield from _role_ref(obj.role_ref, (rbac.CLUSTER_ROLE,))
    for index, subject in enumerate(obj.subjects):
        yield from _subject(f"subjects[{index}]", subject, namespaced=False)


def update_binding(new: Binding, old: Binding) -> words.Causes:
    """Yield what of a change to a binding is not allowed."""
    if new.role_ref != old.role_ref:
        shown = ", ".join(f"{name}:{json.dumps(value, ensure_ascii=False)}" for name, value in (
            ("APIGroup", new.role_ref.api_group), ("Kind", new.role_ref.kind), ("Name", new.role_ref.name)))
        yield Cause(reason="FieldValueInvalid", field="roleRef",
                    message=f"Invalid value: rbac.RoleRef{{{shown}}}: cannot change roleRef")


def _rule(here: str, rule: rbac.PolicyRule, *, namespaced: bool) -> words.Causes:
    if not rule.verbs:
        yield words.required(f"{here}.verbs", "verbs must contain at least one value")
    if rule.non_resource_urls:
        urls = f"{here}.nonResourceURLs"
        if namespaced:
            yield words.invalid(urls, rule.non_resource_urls,
                                "namespaced rules cannot apply to non-resource URLs")
        if rule.api_groups or rule.resources or rule.resource_names:
            yield words.invalid(urls, rule.non_resource_urls,
                                "rules cannot apply to both regular resources and non-resource URLs")
        return
    if not rule.api_groups:
        yield words.required(f"{here}.apiGroups", "resource rules must supply at least one api group")
    if not rule.resources:
        yield words.required(f"{here}.resources", "resource rules must supply at least one resource")


def _role_ref(ref: rbac.RoleRef, kinds: tuple[str, ...]) -> words.Causes:
    if ref.api_group != rbac.GROUP:
        yield words.unsupported("roleRef.apiGroup", ref.api_group, (rbac.GROUP,))
    if ref.kind not in kinds:
        yield words.unsupported("roleRef.kind", ref.kind, kinds)
    yield from words.name_of("roleRef.name", ref.name, words.path_segment)


def _subject(here: str, subject: rbac.Subject, *, namespaced: bool) -> words.Causes:
    if not subject.name:
        yield words.required(f"{here}.name")
    if subject.kind == rbac.SERVICE_ACCOUNT:
        if subject.name:
            yield from words.check(f"{here}.name", subject.name, words.dns_subdomain)
        if subject.api_group:
            yield words.unsupported(f"{here}.apiGroup", subject.api_group, ("",))
        if not namespaced and not subject.namespace:
            yield words.required(f"{here}.namespace")
    elif subject.kind in (rbac.USER, rbac.USER_GROUP):
        if subject.api_group != rbac.GROUP:
            yield words.unsupported(f"{here}.apiGroup", subject.api_group, (rbac.GROUP,))
    else:
        yield words.unsupported(f"{here}.kind", subject.kind, (rbac.SERVICE_ACCOUNT, rbac.USER, rbac.USER_GROUP))
