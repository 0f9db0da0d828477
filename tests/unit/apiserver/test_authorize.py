"""Who may do what."""

from __future__ import annotations

import pytest

from edge.apiserver import authorize
from edge.apiserver.authenticate import ANONYMOUS, User
from edge.apiserver.paths import Options, ResourceRequest

MASTER = User("admin", ("system:masters", "system:authenticated"))
JANE = User("jane", ("system:authenticated",))
NODE = User("system:node:node-1", ("system:nodes", "system:authenticated"))
JOINING = User("system:bootstrap:abcdef", ("system:bootstrappers", "system:authenticated"))


def request(verb: str, resource: str, name: str = "", *, group: str = "", subresource: str = "",
            fields: str = "") -> ResourceRequest:
    return ResourceRequest(verb=verb, group=group, version="v1", resource=resource, name=name, namespace="default",
                           subresource=subresource, options=Options(field_selector=fields))


REQUESTS = "certificatesigningrequests"
CERTIFICATES = "certificates.k8s.io"


@pytest.mark.parametrize(("user", "asked", "want"), [
    (MASTER, request("delete", "nodes", "n"), True),
    (JANE, request("list", "pods"), False),
    (ANONYMOUS, request("list", "pods"), False),
    (JANE, request("create", "selfsubjectreviews", group="authentication.k8s.io"), True),
    (ANONYMOUS, request("create", "selfsubjectreviews", group="authentication.k8s.io"), False),
    (NODE, request("get", "nodes", "node-1"), True),
    (NODE, request("patch", "nodes", "node-1"), False),
    (NODE, request("patch", "nodes", "node-1", subresource="status"), False),
    (NODE, request("get", "nodes", "node-1", subresource="proxy"), False),
    (NODE, request("delete", "nodes", "node-1"), False),
    (NODE, request("get", "nodes", "node-2"), False),
    (NODE, request("list", "pods", fields="spec.nodeName=node-1"), True),
    (NODE, request("list", "pods", fields="spec.nodeName=node-12"), False),
    (NODE, request("list", "pods"), False),
    (NODE, request("get", "pods", "mine"), True),
    (NODE, request("get", "pods", "other"), False),
    (NODE, request("get", "pods", "mine", subresource="exec"), False),
    (NODE, request("get", "secrets", "s"), False),
    (NODE, request("create", REQUESTS, group=CERTIFICATES), True),
    (JOINING, request("create", REQUESTS, group=CERTIFICATES), True),
    (JOINING, request("get", REQUESTS, "x", group=CERTIFICATES), True),
    (JOINING, request("list", REQUESTS, group=CERTIFICATES), False),
    (JOINING, request("update", REQUESTS, "x", group=CERTIFICATES, subresource="approval"), False),
    (JOINING, request("get", "secrets", "s"), False),
])
def test_rules(user: User, asked: ResourceRequest, want: bool) -> None:
    nodes = {"mine": "node-1", "other": "node-2"}
    assert authorize.allowed(user, asked, lambda namespace, name: nodes[name]).allowed is want


@pytest.mark.parametrize(("user", "path", "want"), [
    (ANONYMOUS, "/version", True), (ANONYMOUS, "/readyz/ping", True), (ANONYMOUS, "/edge/v1/ca", True),
    (ANONYMOUS, "/apis", False), (ANONYMOUS, "/versions", False), (JANE, "/openapi/v3/api/v1", True),
    (JANE, "/api/v1", True), (JANE, "/metrics", False), (MASTER, "/metrics", True)])
def test_paths(user: User, path: str, want: bool) -> None:
    assert authorize.allowed_path(user, path).allowed is want


def test_refusals_are_worded_as_kubernetes_words_them() -> None:
    assert authorize.forbidden(JANE, request("list", "pods")).message == (
        'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"')
    assert authorize.forbidden(JANE, request("get", "deployments", "web", group="apps", subresource="scale")).message \
        == ('deployments.apps "web" is forbidden: User "jane" cannot get resource "deployments/scale" in API group '
            '"apps" in the namespace "default"')
