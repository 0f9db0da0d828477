"""Who may do what: the order of masters, nodes and roles, what is open to all, and the words of refusals."""

from __future__ import annotations

import pytest

from edge.api import meta, rbac
from edge.apiserver import authorize, rbac_defaults
from edge.apiserver.authenticate import ANONYMOUS, User
from edge.apiserver.authorize import Authorizer
from edge.apiserver.node_authorizer import NodeAuthorizer
from edge.apiserver.paths import Options, ResourceRequest
from edge.apiserver.rbac import Index

MASTER = User("admin", ("system:masters", "system:authenticated"))
JANE = User("jane", ("system:authenticated",))
NODE = User("system:node:node-1", ("system:nodes", "system:authenticated"))
JOINING = User("system:bootstrap:abcdef", ("system:bootstrappers", "system:authenticated"))
REQUESTS = "certificatesigningrequests"
CERTIFICATES = "certificates.k8s.io"


def authorizer(*more: object) -> Authorizer:
    """Return an authorizer with the default roles, further ones, and no pods."""
    known = (*rbac_defaults.defaults(), *more)
    index = Index((each for each in known if isinstance(each, rbac.Role)),
                  (each for each in known if isinstance(each, rbac.ClusterRole)),
                  (each for each in known if isinstance(each, rbac.RoleBinding)),
                  (each for each in known if isinstance(each, rbac.ClusterRoleBinding)))
    return Authorizer(lambda: index, NodeAuthorizer(lambda namespace, name: None, lambda namespace: ()))


def request(verb: str, resource: str, name: str = "", *, group: str = "", subresource: str = "",
            fields: str = "", namespace: str = "default") -> ResourceRequest:
    return ResourceRequest(verb=verb, group=group, version="v1", resource=resource, name=name, namespace=namespace,
                           subresource=subresource, options=Options(field_selector=fields))


@pytest.mark.parametrize(("user", "asked", "want"), [
    (MASTER, request("delete", "nodes", "n"), True),
    (JANE, request("list", "pods"), False),
    (ANONYMOUS, request("list", "pods"), False),
    (JANE, request("create", "selfsubjectreviews", group="authentication.k8s.io"), True),
    (JANE, request("create", "selfsubjectaccessreviews", group="authorization.k8s.io"), True),
    (JANE, request("create", "subjectaccessreviews", group="authorization.k8s.io"), False),
    (ANONYMOUS, request("create", "selfsubjectreviews", group="authentication.k8s.io"), False),
    (NODE, request("create", "selfsubjectreviews", group="authentication.k8s.io"), True),
    (NODE, request("get", "nodes", "node-1"), True),
    (NODE, request("get", "secrets", "s"), False),
    (NODE, request("create", REQUESTS, group=CERTIFICATES), True),
    (JOINING, request("create", REQUESTS, group=CERTIFICATES), True),
    (JOINING, request("get", REQUESTS, "x", group=CERTIFICATES), True),
    (JOINING, request("update", REQUESTS, "x", group=CERTIFICATES, subresource="approval"), False),
    (JOINING, request("get", "secrets", "s"), False),
])
def test_what_the_default_roles_give(user: User, asked: ResourceRequest, want: bool) -> None:
    assert authorizer().allowed(user, asked).allowed is want


@pytest.mark.parametrize(("user", "path", "want"), [
    (ANONYMOUS, "/version", True), (ANONYMOUS, "/readyz/ping", True), (ANONYMOUS, "/edge/v1/ca", True),
    (ANONYMOUS, "/apis", False), (ANONYMOUS, "/versions", False), (ANONYMOUS, "/healthzz", False),
    (JANE, "/openapi/v3/api/v1", True), (JANE, "/api/v1", True), (JANE, "/metrics", False), (MASTER, "/metrics", True),
    (User("system:serviceaccount:a:b", ("system:serviceaccounts",)), "/openid/v1/jwks", True),
    (User("monitor", ("system:monitoring",)), "/metrics", True)])
def test_paths(user: User, path: str, want: bool) -> None:
    assert authorizer().allowed_path(user, "get", path).allowed is want


def test_open_paths_are_open_for_reading_only() -> None:
    assert not authorizer().allowed_path(ANONYMOUS, "post", "/healthz").allowed


def test_a_role_may_give_a_node_more_and_a_refusal_has_the_reasons_of_both() -> None:
    gone = rbac.ClusterRoleBinding(
        metadata=meta.ObjectMeta(name="x"), subjects=(rbac.Subject(kind="Group", name="system:nodes"),),
        role_ref=rbac.RoleRef(kind="ClusterRole", name="gone"))
    refused = authorizer(gone).allowed(NODE, request("list", "nodes", namespace=""))
    assert refused.reason == ("node 'node-1' cannot read all nodes, only its own Node object\n"
                              'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found')
    role = rbac.ClusterRole(metadata=meta.ObjectMeta(name="gone"), rules=(
        rbac.PolicyRule(verbs=("list",), api_groups=("",), resources=("nodes",)),))
    assert authorizer(gone, role).allowed(NODE, request("list", "nodes", namespace="")).allowed


@pytest.mark.parametrize(("fields", "name"), [
    ("metadata.name=web", "web"), ("metadata.name==web", "web"), ("status.phase=Running,metadata.name=web", "web"),
    ("metadata.name!=web", ""), ("metadata.name=", ""), ("metadata.name=a/b", ""), ("", ""),
    ("xmetadata.name=web", ""), (r"type!=x\,metadata.name=web", ""), ("metadata.name", ""),
    (r"metadata.name=a\,b", "a,b"), (r"metadata.name=a\,metadata.name=web", "")])
def test_a_field_selector_may_name_the_one_object(fields: str, name: str) -> None:
    assert authorize.named(request("list", "pods", fields=fields)).name == name
    assert authorize.named(request("get", "pods", "own", fields=fields)).name == "own"


def test_masters_have_every_rule_and_a_nodes_list_is_incomplete() -> None:
    rules, problem = authorizer().rules_of(MASTER, "default")
    assert ((rules[0].verbs, rules[1].non_resource_urls), problem) == ((("*",), ("*",)), "")
    assert authorizer().rules_of(NODE, "default")[1] == "node authorizer does not support user rule resolution"
    assert authorizer().rules_of(JANE, "default")[1] == ""


def test_refusals_are_worded_as_kubernetes_words_them() -> None:
    assert authorize.forbidden(JANE, request("list", "pods")).message == (
        'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"')
    assert authorize.forbidden(JANE, request("get", "deployments", "web", group="apps", subresource="scale")).message \
        == ('deployments.apps "web" is forbidden: User "jane" cannot get resource "deployments/scale" in API group '
            '"apps" in the namespace "default"')
    assert authorize.forbidden_path(JANE, "get", "/metrics", "why").message == (
        'forbidden: User "jane" cannot get path "/metrics": why')
