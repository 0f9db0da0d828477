"""Paths, bodies and errors of the API, and kubeconfig documents."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from edge.api import apps, core, errors, meta, scheme
from edge.client import kubeconfig, requests

PODS, NODES, DEPLOYMENTS = (scheme.of_type(kind) for kind in (core.Pod, core.Node, apps.Deployment))


def test_paths() -> None:
    assert requests.path(PODS) == "/api/v1/pods"
    assert requests.path(PODS, namespace="a") == "/api/v1/namespaces/a/pods"
    assert requests.path(PODS, "web", "a", "log") == "/api/v1/namespaces/a/pods/web/log"
    assert requests.path(NODES, "n") == "/api/v1/nodes/n"
    assert requests.path(NODES, "n", "ignored") == "/api/v1/nodes/n"
    assert requests.path(DEPLOYMENTS, "d", "a") == "/apis/apps/v1/namespaces/a/deployments/d"
    assert requests.path(NODES, "../x?y") == "/api/v1/nodes/..%2Fx%3Fy"
    with pytest.raises(ValueError, match="namespace"):
        requests.path(PODS, "web")


def test_selectors_are_encoded() -> None:
    request = requests.watch(PODS, "a", resource_version="7", labels="a in (b,c)", fields="spec.nodeName=n")
    assert request.target == ("/api/v1/namespaces/a/pods?watch=true&allowWatchBookmarks=true&resourceVersion=7"
                              "&labelSelector=a%20in%20%28b%2Cc%29&fieldSelector=spec.nodeName%3Dn")


def test_bodies_say_version_and_kind() -> None:
    request = requests.create(PODS, core.Pod(metadata=meta.ObjectMeta(name="web", namespace="a")))
    assert request.body
    body = msgspec.json.decode(request.body)
    assert (body["apiVersion"], body["kind"]) == ("v1", "Pod")
    assert (request.method, request.path) == ("POST", "/api/v1/namespaces/a/pods")
    with pytest.raises(ValueError, match="namespace"):
        requests.create(PODS, core.Pod(metadata=meta.ObjectMeta(name="web")))


def test_delete_options() -> None:
    request = requests.delete(PODS, "web", "a", uid="u", grace_period_seconds=0, propagation_policy="Orphan")
    assert request.body
    assert msgspec.json.decode(request.body) == {
        "kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "u"}, "gracePeriodSeconds": 0,
        "propagationPolicy": "Orphan"}


def test_errors_of_answers() -> None:
    status = errors.not_found("pods", "web").status()
    assert isinstance(requests.error(404, msgspec.json.encode(status)), errors.NotFound)
    assert isinstance(requests.error(503, b"\xff\xfe"), errors.Unavailable)
    bare = requests.error(418, b"")
    assert (bare.code, bare.message) == (418, "the server answered with code 418")
    assert requests.error(429, b"slow", {"Retry-After": "3"}).details == {"retryAfterSeconds": "3"}
    odd = requests.error(500, b'{"kind": "Status", "message": "odd", "reason": "Strange"}')
    assert (odd.code, odd.message) == (500, "odd")


def document(**changes: Any) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "cluster": {"server": "https://10.0.0.1:6443", "certificate-authority-data": _base64("CA")},
        "user": {"client-certificate-data": _base64("CERT"), "client-key-data": _base64("KEY")},
        "context": {"cluster": "rack", "user": "admin", "namespace": "apps"}}
    for name, values in changes.items():
        parts[name] = {**parts[name], **values}
    return {"current-context": "admin@rack", "clusters": [{"name": "rack", "cluster": parts["cluster"]}],
            "users": [{"name": "admin", "user": parts["user"]}],
            "contexts": [{"name": "admin@rack", "context": parts["context"]}]}


def _base64(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def test_kubeconfig_round_trip() -> None:
    access = kubeconfig.parse(document())
    assert access == kubeconfig.Access(server="https://10.0.0.1:6443", ca=b"CA", certificate=b"CERT", key=b"KEY",
                                       namespace="apps", context="admin@rack")
    assert kubeconfig.parse(kubeconfig.render(access, cluster="rack", user="admin")) == access
    assert kubeconfig.contexts(document()) == ("admin@rack",)
    assert "KEY" not in repr(access)


@pytest.mark.parametrize(("broken", "words"), [
    (None, "must be a mapping"),
    ({}, "no current-context"),
    (document() | {"current-context": "x"}, 'no context "x"'),
    (document() | {"clusters": None}, 'no cluster "rack"'),
    (document() | {"users": {}}, 'no user "admin"'),
    (document() | {"users": 7}, "users must be a list"),
    (document(cluster={"server": "10.0.0.1"}), "http or https"),
    (document(cluster={"server": 7}), "server must be a string"),
    (document(cluster={"insecure-skip-tls-verify": True}), "not supported"),
    (document(cluster={"certificate-authority-data": "%"}), "not base64"),
    (document(user={"exec": {"command": "x"}}), "exec is not supported"),
    (document(user={"client-key-data": ""}), "needs its key"),
])
def test_an_unusable_kubeconfig_is_told(broken: object, words: str) -> None:
    with pytest.raises(kubeconfig.KubeconfigError, match=words):
        kubeconfig.parse(broken)
