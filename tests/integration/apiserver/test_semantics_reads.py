"""Lists and gets as Kubernetes has them: revisions, pages, selectors, and the words of what is refused."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.integration.conftest import Cluster

MAPS = "/api/v1/namespaces/default/configmaps"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


async def make(cluster: Cluster, *names: str, **labels: str) -> None:
    for name in names:
        await cluster.request("POST", MAPS, {"metadata": {"name": name, "labels": labels}}, code=201)


def names(listing: dict[str, Any]) -> list[str]:
    return [item["metadata"]["name"] for item in listing["items"]]


@pytest.mark.parametrize(("query", "words"), [
    ("resourceVersionMatch=Exact",
     "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"),
    ("resourceVersionMatch=Exact&resourceVersion=0",
     'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'),
    ("resourceVersionMatch=Newest&resourceVersion=1", 'resourceVersionMatch: Unsupported value: "Newest": supported '
                                                      'values: "Exact", "NotOlderThan", ""'),
    ("resourceVersionMatch=NotOlderThan&resourceVersion=1&continue=x",
     "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided"),
    ("sendInitialEvents=true", "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"),
    ("watch=1&sendInitialEvents=true", "resourceVersionMatch: Forbidden: sendInitialEvents requires setting "
                                       "resourceVersionMatch to NotOlderThan"),
    ("watch=1&resourceVersionMatch=NotOlderThan&resourceVersion=1", "resourceVersionMatch: Forbidden: "
     "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"),
])
async def test_options_that_do_not_go_together(cluster: Cluster, query: str, words: str) -> None:
    answer = await cluster.request("GET", f"{MAPS}?{query}", code=422)
    assert answer["message"] == f'ListOptions.meta.k8s.io "" is invalid: {words}'
    assert (answer["reason"], answer["details"]["kind"]) == ("Invalid", "ListOptions")


async def test_what_a_revision_asks_for(cluster: Cluster) -> None:
    await make(cluster, "a", "b")
    before = (await cluster.request("GET", MAPS))["metadata"]["resourceVersion"]
    await make(cluster, "c")
    for query, wanted in (("", ["a", "b", "c"]), ("resourceVersion=0", ["a", "b", "c"]),
                          (f"resourceVersion={before}", ["a", "b", "c"]),
                          (f"resourceVersion={before}&resourceVersionMatch=NotOlderThan", ["a", "b", "c"]),
                          (f"resourceVersion={before}&resourceVersionMatch=NotOlderThan&limit=5", ["a", "b", "c"]),
                          (f"resourceVersion={before}&resourceVersionMatch=Exact", ["a", "b"]),
                          (f"resourceVersion={before}&limit=5", ["a", "b"])):
        assert names(await cluster.request("GET", f"{MAPS}?{query}", code=200)) == wanted, query


async def test_what_has_not_happened_yet(cluster: Cluster) -> None:
    await make(cluster, "a")
    for path in (f"{MAPS}?resourceVersion=999999", f"{MAPS}/a?resourceVersion=999999",
                 f"{MAPS}?resourceVersion=999999&resourceVersionMatch=Exact"):
        answer = await cluster.request("GET", path, code=504)
        assert (answer["reason"], answer["details"]["causes"][0]["reason"]) == ("Timeout", "ResourceVersionTooLarge")
        assert answer["message"].startswith("Timeout: Too large resource version: 999999, current: ")
    answer = await cluster.request("GET", f"{MAPS}/a?resourceVersion=x", code=400)
    assert answer["message"] == ('invalid resource version: resourceVersion: Invalid value: "x": strconv.ParseUint: '
                                 'parsing "x": invalid syntax')
    await cluster.request("GET", f"{MAPS}/a?resourceVersion=0", code=200)


async def test_a_page_whose_snapshot_is_gone_can_be_gone_on_from(cluster: Cluster) -> None:
    await make(cluster, "a", "b", "c", "d")
    first = await cluster.request("GET", f"{MAPS}?limit=2", code=200)
    await make(cluster, "bb", "e")
    await cluster.server.service.store.compact(0)
    gone = await cluster.request("GET", f"{MAPS}?limit=2&continue={first['metadata']['continue']}", code=410)
    assert gone["reason"] == "Expired"
    assert "Continuing with the provided token results in an inconsistent list" in gone["message"]
    second = await cluster.request("GET", f"{MAPS}?limit=2&continue={gone['metadata']['continue']}", code=200)
    assert names(second) == ["bb", "c"]
    third = await cluster.request("GET", f"{MAPS}?limit=9&continue={second['metadata']['continue']}", code=200)
    assert names(third) == ["d", "e"]
    old = await cluster.request("GET", f"{MAPS}?resourceVersion=1&resourceVersionMatch=Exact", code=410)
    assert old["message"] == "The resourceVersion for the provided list is too old."
    assert "continue" not in old["metadata"]


async def test_a_page_goes_on_at_its_own_revision_only(cluster: Cluster) -> None:
    await make(cluster, "a", "b")
    token = (await cluster.request("GET", f"{MAPS}?limit=1"))["metadata"]["continue"]
    await cluster.request("GET", f"{MAPS}?limit=1&continue={token}&resourceVersion=0", code=200)
    refused = await cluster.request("GET", f"{MAPS}?limit=1&continue={token}&resourceVersion=1", code=400)
    assert refused["message"] == "specifying resource version is not allowed when using continue"
    other = await cluster.request("GET", f"/api/v1/pods?limit=1&continue={token}", code=400)
    assert other["message"].startswith("invalid continue token: continue key is not valid: ")


async def test_pages_of_a_selection_do_not_say_how_many_are_left(cluster: Cluster) -> None:
    await make(cluster, "a", "b", "c", odd="1")
    await make(cluster, "d", "e", odd="2")
    page = await cluster.request("GET", f"{MAPS}?limit=2&labelSelector=odd%3D1", code=200)
    assert names(page) == ["a", "b"]
    assert page["metadata"]["continue"]
    assert "remainingItemCount" not in page["metadata"]
    last = await cluster.request("GET", f"{MAPS}?limit=2&labelSelector=odd%3D1&continue={page['metadata']['continue']}")
    assert names(last) == ["c"]
    assert "continue" not in last["metadata"]
    assert (await cluster.request("GET", f"{MAPS}?limit=2"))["metadata"]["remainingItemCount"] == 3
    exactly = await cluster.request("GET", f"{MAPS}?limit=5")
    assert "continue" not in exactly["metadata"]


@pytest.mark.parametrize(("selector", "wanted"), [
    ("tier=a", ["one"]), ("tier==a", ["one"]), ("tier!=a", ["three", "two"]), ("tier in (a,b)", ["one", "two"]),
    ("tier notin (a)", ["three", "two"]), ("tier", ["one", "two"]), ("!tier", ["three"]),
    ("tier=a,app!=x", []), ("tier in (b),app", ["two"])])
async def test_label_selectors(cluster: Cluster, selector: str, wanted: list[str]) -> None:
    await make(cluster, "one", tier="a", app="x")
    await make(cluster, "two", tier="b", app="x")
    await make(cluster, "three", app="y")
    for path in (MAPS, "/api/v1/configmaps"):
        assert names(await cluster.request("GET", f"{path}?labelSelector={quote(selector)}", code=200)) == wanted


@pytest.mark.parametrize(("path", "selector", "words"), [
    ("/api/v1/configmaps", "data.x=1", '"data.x" is not a known field selector: only "metadata.name", '
                                       '"metadata.namespace"'),
    ("/apis/apps/v1/deployments", "spec.replicas=1", '"spec.replicas" is not a known field selector: only '
                                                     '"metadata.name", "metadata.namespace"'),
    ("/api/v1/pods", "spec.nodename=x", "field label not supported: spec.nodename"),
    ("/apis/batch/v1/jobs", "status.active=1", 'field label "status.active" not supported for Job'),
    ("/api/v1/pods", "metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
])
async def test_field_selectors_that_are_none(cluster: Cluster, path: str, selector: str, words: str) -> None:
    for query in ("", "watch=1&"):
        answer = await cluster.request("GET", f"{path}?{query}fieldSelector={quote(selector)}", code=400)
        assert (answer["reason"], answer["message"]) == ("BadRequest", words)


@pytest.mark.parametrize(("selector", "wanted"), [
    ("spec.nodeName=n1", ["a"]), ("spec.host=n1", ["a"]), ("spec.nodeName!=n1", ["b"]), ("spec.nodeName=", ["b"]),
    ("status.phase=Pending", ["a", "b"]), ("metadata.name!=a", ["b"]), ("metadata.namespace=default", ["a", "b"]),
    ("metadata.namespace!=default", []), ("spec.hostNetwork=false", ["a", "b"]), ("spec.restartPolicy=Never", ["a"])])
async def test_pods_by_their_fields(cluster: Cluster, selector: str, wanted: list[str]) -> None:
    for name, node, policy in (("a", "n1", "Never"), ("b", "", "Always")):
        await cluster.request("POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": name}, "spec": {
            "nodeName": node, "restartPolicy": policy, "containers": [{"name": "m", "image": "x"}]}}, code=201)
    found = await cluster.request("GET", f"/api/v1/pods?fieldSelector={quote(selector)}", code=200)
    assert names(found) == wanted


async def test_old_versions_and_custom_kinds_are_selected_and_paged_alike(cluster: Cluster) -> None:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"color": {"type": "string"}}}}}
    await cluster.request("POST", DEFINITIONS, {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "shirts.stable.example.com"},
        "spec": {"group": "stable.example.com", "scope": "Namespaced",
                 "names": {"plural": "shirts", "singular": "shirt", "kind": "Shirt"},
                 "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema},
                               "selectableFields": [{"jsonPath": ".spec.color"}]}]}}, code=201)
    shirts = "/apis/stable.example.com/v1/namespaces/default/shirts"
    for name, color in (("a", "blue"), ("b", "green"), ("c", "blue")):
        await cluster.request("POST", shirts, {
            "apiVersion": "stable.example.com/v1", "kind": "Shirt", "metadata": {"name": name},
            "spec": {"color": color}}, code=201)
    page = await cluster.request("GET", f"{shirts}?limit=1&fieldSelector=spec.color%3Dblue", code=200)
    assert names(page) == ["a"]
    rest = await cluster.request("GET", f"{shirts}?fieldSelector=spec.color%3Dblue&continue="
                                        f"{page['metadata']['continue']}", code=200)
    assert names(rest) == ["c"]
    refused = await cluster.request("GET", f"{shirts}?fieldSelector=spec.size%3D1", code=400)
    assert refused["message"] == "field label not supported: spec.size"
    workload = {"metadata": {"name": "web"}, "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "m", "image": "x"}]}}}}
    await cluster.request("POST", "/apis/apps/v1/namespaces/default/deployments", workload, code=201)
    old = await cluster.request("GET", "/apis/apps/v1beta1/deployments?fieldSelector=metadata.name%3Dweb&limit=1")
    assert (old["apiVersion"], names(old), old["items"][0]["apiVersion"]) == (
        "apps/v1beta1", ["web"], "apps/v1beta1")


async def test_a_get_is_no_watch(cluster: Cluster) -> None:
    await make(cluster, "a")
    assert (await cluster.request("GET", f"{MAPS}/a?watch=1", code=200))["metadata"]["name"] == "a"
