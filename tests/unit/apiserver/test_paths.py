"""Paths, queries and verbs."""

from __future__ import annotations

import pytest

from edge.api import errors
from edge.apiserver import paths


@pytest.mark.parametrize(("method", "path", "query", "want"), [
    ("GET", "/api/v1/pods", "", ("list", "", "pods", "", "", "")),
    ("GET", "/api/v1/namespaces/a/pods", "watch=1", ("watch", "", "pods", "a", "", "")),
    ("GET", "/api/v1/namespaces/a/pods/", "watch=false", ("list", "", "pods", "a", "", "")),
    ("GET", "/api/v1/namespaces", "", ("list", "", "namespaces", "", "", "")),
    ("GET", "/api/v1/namespaces/a", "", ("get", "", "namespaces", "a", "a", "")),
    ("PUT", "/api/v1/namespaces/a/finalize", "", ("update", "", "namespaces", "a", "a", "finalize")),
    ("PATCH", "/apis/apps/v1/namespaces/a/deployments/web/scale", "",
     ("patch", "apps", "deployments", "a", "web", "scale")),
    ("DELETE", "/apis/apps/v1/namespaces/a/deployments", "", ("deletecollection", "apps", "deployments", "a", "", "")),
    ("DELETE", "/api/v1/nodes/n%3A1", "", ("delete", "", "nodes", "", "n:1", "")),
    ("GET", "/api/v1/namespaces/a/pods/web", "watch=1", ("get", "", "pods", "a", "web", "")),
    ("GET", "/api/v1/watch/namespaces/a/pods/web", "", ("watch", "", "pods", "a", "web", "")),
    ("GET", "/apis/apps/v1/watch/deployments", "", ("watch", "apps", "deployments", "", "", "")),
    ("GET", "/api/v1/watch/namespaces/a", "", ("watch", "", "namespaces", "a", "a", "")),
    ("POST", "/api/v1/namespaces/a/pods/web/exec", "command=ls&watch=1", ("create", "", "pods", "a", "web", "exec")),
])
def test_requests(method: str, path: str, query: str, want: tuple[str, ...]) -> None:
    found = paths.parse(method, path, query)
    assert found is not None
    assert (found.verb, found.group, found.resource, found.namespace, found.name, found.subresource) == want


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/version", "",
                                  "/api/v1/namespaces/a/pods/web/log/extra", "/healthz/ping"])
def test_paths_that_are_no_resource(path: str) -> None:
    assert paths.parse("GET", path) is None


def test_what_follows_proxy_stays_as_it_came() -> None:
    found = paths.parse("GET", "/api/v1/namespaces/a/services/http:web:80/proxy/a%2Fb//c/", "x=1")
    assert found is not None
    assert (found.name, found.rest) == ("http:web:80", "a%2Fb//c/")
    bare = paths.parse("GET", "/api/v1/nodes/node-1/proxy")
    assert bare is not None
    assert (bare.subresource, bare.rest) == ("proxy", "")


def test_options() -> None:
    found = paths.parse("GET", "/api/v1/pods", "limit=5&continue=x&labelSelector=a%3Db&timeoutSeconds=9&dryRun=All"
                                               "&allowWatchBookmarks=true&gracePeriodSeconds=0")
    assert found is not None
    assert found.options == paths.Options(limit=5, continue_token="x", label_selector="a=b",
                                          timeout_seconds=9, dry_run=True, bookmarks=True, grace_period_seconds=0)


@pytest.mark.parametrize("query", ["limit=x", "limit=1_000", "limit=" + "9" * 30, "timeoutSeconds=1.5"])
def test_bad_options(query: str) -> None:
    with pytest.raises(errors.BadRequest):
        paths.parse("GET", "/api/v1/pods", query)


def test_nothing_is_written_where_only_watches_are() -> None:
    with pytest.raises(errors.MethodNotAllowed):
        paths.parse("DELETE", "/api/v1/watch/namespaces/a/pods")


def test_unknown_methods() -> None:
    with pytest.raises(errors.MethodNotAllowed):
        paths.parse("BREW", "/api/v1/pods")


@pytest.mark.parametrize(("path", "query"), [
    ("/api/v1/pods", "watch=1"), ("/api/v1/watch/pods", ""), ("/api/v1/namespaces/a/pods/b/log", "follow=1"),
    ("/api/v1/namespaces/a/pods/b/exec", ""),
])
def test_a_stream_has_no_head_alone(path: str, query: str) -> None:
    with pytest.raises(errors.MethodNotAllowed):
        paths.parse("HEAD", path, query)
    assert paths.parse("HEAD", "/api/v1/namespaces/a/pods/b") is not None
