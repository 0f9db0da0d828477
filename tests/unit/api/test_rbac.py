"""Roles and bindings: defaults, validation, and arithmetic of rules."""

from __future__ import annotations

from typing import Any

import pytest

from edge.api import codec, defaults, meta, rbac, rbac_rules, scheme, validation

RBAC = "rbac.authorization.k8s.io"
REF = {"apiGroup": RBAC, "kind": "Role", "name": "r"}


def decoded(kind: type[meta.Object], **body: Any) -> meta.Object:
    resource = scheme.of_type(kind)
    metadata = {"name": "x"} | ({"namespace": "default"} if resource.namespaced else {})
    return defaults.apply(codec.decode(resource, {"metadata": metadata, **body}))


def problems(kind: type[meta.Object], **body: Any) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validation.create(decoded(kind, **body))]


def rule(verbs: str, resources: str = "", groups: str = "", names: str = "", urls: str = "") -> rbac.PolicyRule:
    return rbac.PolicyRule(verbs=tuple(verbs.split()), resources=tuple(resources.split()),
                           api_groups=() if urls else tuple(groups.split(" ")), resource_names=tuple(names.split()),
                           non_resource_urls=tuple(urls.split()))


def test_groups_of_subjects_and_roles_are_filled_in() -> None:
    made = decoded(rbac.RoleBinding, roleRef={"kind": "Role", "name": "r"}, subjects=[
        {"kind": "User", "name": "u"}, {"kind": "Group", "name": "g"}, {"kind": "ServiceAccount", "name": "s"}])
    assert isinstance(made, rbac.RoleBinding)
    assert made.role_ref.api_group == RBAC
    assert [subject.api_group for subject in made.subjects] == [RBAC, RBAC, ""]
    assert defaults.apply(made) == made
    assert validation.create(made) == ()


def test_names_only_have_to_fit_into_a_path() -> None:
    for name in ("system:node", "A b", "x@y"):
        role = rbac.ClusterRole(metadata=meta.ObjectMeta(name=name))
        assert validation.create(role) == ()
    for name, why in (("a/b", "may not contain '/'"), ("..", "may not be '..'"), ("a%", "may not contain '%'")):
        (cause,) = validation.create(rbac.ClusterRole(metadata=meta.ObjectMeta(name=name)))
        assert cause.message == f'Invalid value: "{name}": {why}'


@pytest.mark.parametrize(("given", "want"), [
    ({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}, []),
    ({"apiGroups": [""], "resources": ["pods"]},
     ["rules[0].verbs: Required value: verbs must contain at least one value"]),
    ({"verbs": ["get"]},
     ["rules[0].apiGroups: Required value: resource rules must supply at least one api group",
      "rules[0].resources: Required value: resource rules must supply at least one resource"]),
    ({"verbs": ["get"], "nonResourceURLs": ["/x"], "resources": ["pods"]},
     ['rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
      'rules[0].nonResourceURLs: Invalid value: ["/x"]: rules cannot apply to both regular resources and '
      "non-resource URLs"]),
])
def test_rules_of_a_role(given: dict[str, Any], want: list[str]) -> None:
    assert problems(rbac.Role, rules=[given]) == want


def test_a_cluster_role_may_be_about_paths_and_has_to_say_what_it_collects() -> None:
    assert problems(rbac.ClusterRole, rules=[{"verbs": ["get"], "nonResourceURLs": ["/x"]}]) == []
    assert problems(rbac.ClusterRole, aggregationRule={}) == [
        "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if "
        "aggregationRule is non-nil"]
    (problem,) = problems(rbac.ClusterRole, aggregationRule={"clusterRoleSelectors": [{"matchExpressions": [
        {"key": "a", "operator": "Near"}]}]})
    assert problem.startswith("aggregationRule.clusterRoleSelectors[0].matchExpressions[0].operator: ")


@pytest.mark.parametrize(("kind", "body", "want"), [
    (rbac.RoleBinding, {"roleRef": REF}, []),
    (rbac.RoleBinding, {"roleRef": {}}, ['roleRef.kind: Unsupported value: "": supported values: "Role", "ClusterRole"',
                                         "roleRef.name: Required value"]),
    (rbac.RoleBinding, {"roleRef": {**REF, "apiGroup": "apps"}},
     [f'roleRef.apiGroup: Unsupported value: "apps": supported values: "{RBAC}"']),
    (rbac.ClusterRoleBinding, {"roleRef": REF},
     ['roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"']),
    (rbac.ClusterRoleBinding, {"roleRef": {**REF, "kind": "ClusterRole"}, "subjects": [
        {"kind": "ServiceAccount", "name": "s"}]}, ["subjects[0].namespace: Required value"]),
    (rbac.RoleBinding, {"roleRef": REF, "subjects": [{"kind": "ServiceAccount", "name": "S", "apiGroup": RBAC}]},
     ['subjects[0].name: Invalid value: "S": a lowercase RFC 1123 subdomain',
      f'subjects[0].apiGroup: Unsupported value: "{RBAC}": supported values: ""']),
    (rbac.RoleBinding, {"roleRef": REF, "subjects": [{"kind": "User", "apiGroup": "x"}]},
     ["subjects[0].name: Required value",
      f'subjects[0].apiGroup: Unsupported value: "x": supported values: "{RBAC}"']),
    (rbac.RoleBinding, {"roleRef": REF, "subjects": [{"kind": "Pod", "name": "p"}]},
     ['subjects[0].kind: Unsupported value: "Pod": supported values: "ServiceAccount", "User", "Group"']),
])
def test_bindings(kind: type[meta.Object], body: dict[str, Any], want: list[str]) -> None:
    found = problems(kind, **body)
    assert len(found) == len(want)
    assert all(one.startswith(other) for one, other in zip(found, want, strict=True)), found


def test_the_role_of_a_binding_cannot_change() -> None:
    old = decoded(rbac.RoleBinding, roleRef=REF)
    (cause,) = validation.update(decoded(rbac.RoleBinding, roleRef={**REF, "name": "s"}), old)
    assert f"{cause.field}: {cause.message}" == (
        f'roleRef: Invalid value: rbac.RoleRef{{APIGroup:"{RBAC}", Kind:"Role", Name:"s"}}: cannot change roleRef')
    more = decoded(rbac.RoleBinding, roleRef=REF, subjects=[{"kind": "User", "name": "u"}])
    assert validation.update(more, old) == ()


@pytest.mark.parametrize(("held", "wanted", "want"), [
    (rule("get list", "pods"), rule("get", "pods"), True), (rule("get", "pods"), rule("get list", "pods"), False),
    (rule("*", "*", "*"), rule("escalate", "roles", "rbac"), True),
    (rule("*", "*", "*"), rule("get", urls="/x"), False),
    (rule("get", "pods", "*"), rule("get", "pods", "apps"), True),
    (rule("get", "pods"), rule("get", "pods", "*"), False),
    (rule("get", "*/scale", "apps"), rule("get", "deployments/scale", "apps"), True),
    (rule("get", "*/scale", "apps"), rule("get", "deployments", "apps"), False),
    (rule("get", "*/scale", "apps"), rule("get", "*/scale", "apps"), True),
    (rule("get", "pods", names="a b"), rule("get", "pods", names="a"), True),
    (rule("get", "pods", names="a"), rule("get", "pods", names="a b"), False),
    (rule("get", "pods", names="a"), rule("get", "pods"), False),
    (rule("get", "pods"), rule("get", "pods", names="a"), True),
    (rule("get", urls="/a/*"), rule("get", urls="/a/b"), True),
    (rule("get", urls="/a/*"), rule("get", urls="/a"), False),
    (rule("get", urls="*"), rule("get", urls="/a/*"), True), (rule("get", urls="/a"), rule("get", urls="/b"), False),
])
def test_covering(held: rbac.PolicyRule, wanted: rbac.PolicyRule, want: bool) -> None:
    assert rbac_rules.covers(held, wanted) is want


def test_what_is_missing_is_told_in_one_line_for_each_resource() -> None:
    held = (rule("get", "pods"), rule("list", "pods services"))
    lacking = rbac_rules.missing(held, (rule("get list watch", "pods services"), rule("get", urls="/a /b")))
    assert [rbac_rules.line(each) for each in lacking] == [
        '{NonResourceURLs:["/a"], Verbs:["get"]}', '{NonResourceURLs:["/b"], Verbs:["get"]}',
        '{APIGroups:[""], Resources:["pods"], Verbs:["watch"]}',
        '{APIGroups:[""], Resources:["services"], Verbs:["get" "watch"]}']
    assert rbac_rules.missing(held, held) == ()
    assert rbac_rules.missing((*held, rule("*", "*", "*")), (rule("get list watch", "pods services"),)) == ()


def test_rules_for_single_objects_stay_apart() -> None:
    found = rbac_rules.compact((rule("get", "pods", names="a"), rule("list", "pods"), rule("patch", "pods", names="a")))
    assert found == (rule("get patch", "pods", names="a"), rule("list", "pods"))


def test_a_role_collects_what_it_selects_once_and_never_itself() -> None:
    def role(name: str, label: str, *rules: rbac.PolicyRule, selects: str = "") -> rbac.ClusterRole:
        selector = (meta.LabelSelector(match_labels={selects: "true"}),)
        return rbac.ClusterRole(
            metadata=meta.ObjectMeta(name=name, labels={label: "true"}), rules=rules,
            aggregation_rule=rbac.AggregationRule(cluster_role_selectors=selector) if selects else None)

    top = role("top", "part", rule("delete", "old"), selects="part")
    others = (role("b", "part", rule("get", "pods"), rule("get", "nodes")), role("a", "part", rule("get", "pods")),
              role("c", "other", rule("get", "secrets")), top)
    assert rbac_rules.aggregated(top, others) == (rule("get", "pods"), rule("get", "nodes"))
    assert rbac_rules.aggregated(others[0], others) == others[0].rules
