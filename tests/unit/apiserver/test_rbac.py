"""Roles and bindings: which rule allows what, to whom, and why."""

from __future__ import annotations

import pytest

from edge.api import meta, rbac
from edge.apiserver.authenticate import User
from edge.apiserver.paths import ResourceRequest
from edge.apiserver.rbac import Index

JANE = User("jane", ("dev", "system:authenticated"))
ROBOT = User("system:serviceaccount:team:robot", ("system:serviceaccounts", "system:serviceaccounts:team"))


def rule(verbs: str = "get", groups: str = "core", resources: str = "", names: str = "",
         urls: str = "") -> rbac.PolicyRule:
    return rbac.PolicyRule(
        verbs=tuple(verbs.split()), resources=tuple(resources.split()), resource_names=tuple(names.split()),
        api_groups=() if urls else tuple("" if each == "core" else each for each in groups.split()),
        non_resource_urls=tuple(urls.split()))


def cluster(*rules: rbac.PolicyRule, subject: rbac.Subject | None = None) -> Index:
    """Return an index with one ClusterRole, given to jane or the subject everywhere."""
    to = subject or rbac.Subject(kind="User", name="jane")
    return Index(cluster_roles=(rbac.ClusterRole(metadata=meta.ObjectMeta(name="r"), rules=rules),),
                 cluster_bindings=(rbac.ClusterRoleBinding(
                     metadata=meta.ObjectMeta(name="b"), subjects=(to,),
                     role_ref=rbac.RoleRef(kind="ClusterRole", name="r")),))


def ask(verb: str, resource: str, name: str = "", *, group: str = "", namespace: str = "") -> ResourceRequest:
    plural, _, subresource = resource.partition("/")
    return ResourceRequest(verb=verb, group=group, version="v1", resource=plural, subresource=subresource, name=name,
                           namespace=namespace)


@pytest.mark.parametrize(("given", "asked", "want"), [
    (rule("get", resources="pods"), ask("get", "pods"), True),
    (rule("get", resources="pods"), ask("list", "pods"), False),
    (rule("get", resources="pods"), ask("get", "pods", group="apps"), False),
    (rule("get", resources="pods"), ask("get", "pods/log"), False),
    (rule("get", resources="pods/log"), ask("get", "pods/log"), True),
    (rule("get", resources="pods/log"), ask("get", "pods"), False),
    (rule("*", resources="pods"), ask("explode", "pods"), True),
    (rule("get", "*", "pods"), ask("get", "pods", group="apps"), True),
    (rule("get", "core", "*"), ask("get", "pods/log"), True),
    (rule("get", "core", "*"), ask("get", "deployments", group="apps"), False),
    (rule("update", "*", "*/scale"), ask("update", "deployments/scale", group="apps"), True),
    (rule("update", "*", "*/scale"), ask("update", "deployments", group="apps"), False),
    (rule("update", "*", "*/scale"), ask("update", "deployments/status", group="apps"), False),
    (rule("get", resources="secrets", names="a b"), ask("get", "secrets", "b"), True),
    (rule("get", resources="secrets", names="a b"), ask("get", "secrets", "c"), False),
    (rule("list", resources="secrets", names="a b"), ask("list", "secrets"), False),
    (rule("*", "*", "*"), ask("*", "*", group="*"), True),
    (rule("get", "*", "*"), ask("*", "*", group="*"), False),
    (rule("get", urls="/metrics"), ask("get", "pods"), False),
])
def test_rules(given: rbac.PolicyRule, asked: ResourceRequest, want: bool) -> None:
    assert cluster(given).allowed(JANE, asked).allowed is want
    assert not cluster(given).allowed(User("joe"), asked).allowed


@pytest.mark.parametrize(("urls", "path", "want"), [
    ("/healthz", "/healthz", True), ("/healthz", "/healthz/ping", False), ("/healthz/*", "/healthz/ping", True),
    ("/healthz/*", "/healthz", False), ("/healthz*", "/healthz", True), ("*", "/any/thing", True), ("/a", "/b", False)])
def test_paths(urls: str, path: str, want: bool) -> None:
    assert cluster(rule("get", urls=urls)).allowed_path(JANE, "get", path).allowed is want
    assert not cluster(rule("get", urls=urls)).allowed_path(JANE, "post", path).allowed


@pytest.mark.parametrize(("subject", "user", "shown"), [
    (rbac.Subject(kind="User", name="jane"), JANE, 'User "jane"'),
    (rbac.Subject(kind="Group", name="dev"), JANE, 'Group "dev"'),
    (rbac.Subject(kind="ServiceAccount", name="robot", namespace="team"), ROBOT, 'ServiceAccount "robot/team"'),
])
def test_subjects_and_reasons(subject: rbac.Subject, user: User, shown: str) -> None:
    decision = cluster(rule(resources="pods"), subject=subject).allowed(user, ask("get", "pods", namespace="x"))
    assert decision.allowed
    assert decision.reason == f'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to {shown}'


@pytest.mark.parametrize("subject", [
    rbac.Subject(kind="Group", name="jane"), rbac.Subject(kind="User", name="dev"),
    rbac.Subject(kind="ServiceAccount", name="jane", namespace="team"),
    rbac.Subject(kind="ServiceAccount", name="jane"), rbac.Subject(kind="Robot", name="jane"), rbac.Subject()])
def test_subjects_that_are_somebody_else(subject: rbac.Subject) -> None:
    assert not cluster(rule(resources="pods"), subject=subject).allowed(JANE, ask("get", "pods")).allowed


def in_namespace(kind: str, *, account: str = "") -> Index:
    """Return an index whose binding in `team` gives a Role or ClusterRole called r, both of which may get pods."""
    subject = rbac.Subject(kind="ServiceAccount", name="robot", namespace=account)
    pods = (rule(resources="pods"),)
    return Index(roles=(rbac.Role(metadata=meta.ObjectMeta(name="r", namespace="team"), rules=pods),),
                 cluster_roles=(rbac.ClusterRole(metadata=meta.ObjectMeta(name="r"), rules=pods),),
                 bindings=(rbac.RoleBinding(metadata=meta.ObjectMeta(name="b", namespace="team"), subjects=(subject,),
                                            role_ref=rbac.RoleRef(kind=kind, name="r")),))


@pytest.mark.parametrize("kind", ["Role", "ClusterRole"])
def test_a_binding_in_a_namespace_gives_nothing_outside(kind: str) -> None:
    index = in_namespace(kind)
    decision = index.allowed(ROBOT, ask("get", "pods", namespace="team"))
    assert decision.reason == f'RBAC: allowed by RoleBinding "b/team" of {kind} "r" to ServiceAccount "robot/team"'
    assert not index.allowed(ROBOT, ask("get", "pods", namespace="other")).allowed
    assert not index.allowed(ROBOT, ask("get", "pods")).allowed
    assert not index.allowed_path(ROBOT, "get", "/metrics").allowed


def test_an_account_of_another_namespace_is_somebody_else() -> None:
    assert not in_namespace("Role", account="other").allowed(ROBOT, ask("get", "pods", namespace="team")).allowed


def test_roles_that_are_not_there_give_nothing_and_are_named() -> None:
    def binding(name: str, kind: str) -> rbac.RoleBinding:
        return rbac.RoleBinding(metadata=meta.ObjectMeta(name=name, namespace="team"),
                                subjects=(rbac.Subject(kind="User", name="jane"),),
                                role_ref=rbac.RoleRef(kind=kind, name="gone"))

    one = Index(bindings=(binding("a", "Role"), binding("b", "Role")))
    assert one.allowed(JANE, ask("get", "pods", namespace="team")).reason == (
        'RBAC: role.rbac.authorization.k8s.io "gone" not found')
    two = Index(bindings=(binding("a", "Role"), binding("b", "ClusterRole")))
    assert two.allowed(JANE, ask("get", "pods", namespace="team")).reason == (
        'RBAC: [role.rbac.authorization.k8s.io "gone" not found, clusterrole.rbac.authorization.k8s.io "gone" not '
        "found]")
    assert two.rules_of(JANE, "team")[0] == ()
    assert two.rules_of(JANE, "team")[1].startswith("[role.rbac")
    assert two.allowed(JANE, ask("get", "pods", namespace="other")).reason == ""


def test_the_rules_of_a_user_are_those_of_all_his_roles_once() -> None:
    pods, nodes = rule(resources="pods"), rule(resources="nodes")
    everywhere = cluster(nodes)
    assert everywhere.rules_of(JANE, "team")[0] == (nodes,)
    both = Index(
        cluster_roles=(rbac.ClusterRole(metadata=meta.ObjectMeta(name="r"), rules=(pods,)),),
        bindings=tuple(rbac.RoleBinding(metadata=meta.ObjectMeta(name=name, namespace="team"),
                                        subjects=(rbac.Subject(kind="Group", name="dev"),),
                                        role_ref=rbac.RoleRef(kind="ClusterRole", name="r")) for name in "ab"))
    assert both.rules_of(JANE, "team") == ((pods,), "")
    assert both.rules_of(JANE, "") == ((), "")
    assert both.role_rules(rbac.RoleRef(kind="ClusterRole", name="r"), "team") == (pods,)
    assert both.role_rules(rbac.RoleRef(kind="Role", name="r"), "team") is None


def test_a_role_without_group_or_with_odd_values_harms_nobody() -> None:
    odd = rbac.PolicyRule(verbs=("get",), resources=("pods",), non_resource_urls=("", "**"))
    index = cluster(odd, rbac.PolicyRule())
    assert not index.allowed(JANE, ask("get", "pods")).allowed
    assert not index.allowed(JANE, ask("", "")).allowed
