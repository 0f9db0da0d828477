"""Health, metrics, discovery and OpenAPI: what clients read before anything else, and what they keep of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edge.api import scheme
from tests.integration.conftest import Cluster

V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
V2_BETA = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
SECONDS_FOR_ALL_KINDS = 60


async def text(cluster: Cluster, path: str) -> tuple[int, str]:
    async with cluster.http.get(cluster.url + path) as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize(("path", "code", "body"), [
    ("/healthz", 200, "ok"), ("/livez/ping", 200, "ok"), ("/readyz?exclude=ping", 200, "ok"),
    ("/readyz?verbose", 200, "[+]ping ok\nreadyz check passed\n"),
    ("/readyz?verbose&exclude=ping", 200, "[+]ping excluded: ok\nreadyz check passed\n"),
    ("/livez?verbose&exclude=b&exclude=a", 200, '[+]ping ok\nwarn: some health checks cannot be excluded: no matches '
                                                'for "a", "b"\nlivez check passed\n')])
async def test_health(cluster: Cluster, path: str, code: int, body: str) -> None:
    assert await text(cluster, path) == (code, body)


async def test_metrics(cluster: Cluster) -> None:
    await cluster.request("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "a"}}, code=201)
    async with cluster.http.get(f"{cluster.url}/api/v1/pods?watch=1"), \
            cluster.http.get(f"{cluster.url}/metrics") as got:
        assert got.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        lines = (await got.text()).splitlines()
    assert 'apiserver_storage_objects{resource="configmaps"} 1' in lines
    assert 'apiserver_longrunning_requests{verb="WATCH"} 1' in lines
    memory = next(line for line in lines if line.startswith("process_resident_memory_bytes "))
    assert int(memory.split()[1]) > 1 << 20


async def test_what_clients_keep_of_discovery_is_checked_again(cluster: Cluster) -> None:
    for path in ("/api", "/apis"):
        for accept in (V2, V2_BETA, f"{V2},{V2_BETA},application/json"):
            url = cluster.url + path
            async with cluster.http.get(url, headers={"Accept": accept}) as first:
                assert (first.headers["Cache-Control"], first.headers["Vary"]) == ("public", "Accept")
                tag = first.headers["ETag"]
            async with cluster.http.get(url, headers={"Accept": accept, "If-None-Match": tag}) as second:
                assert (second.status, second.headers["ETag"], await second.read()) == (304, tag, b"")
    await cluster.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "shirts.example.com"},
        "spec": {"group": "example.com", "scope": "Cluster", "names": {"plural": "shirts", "kind": "Shirt"},
                 "versions": [{"name": "v1", "served": True, "storage": True,
                               "schema": {"openAPIV3Schema": {"type": "object"}}}]}}, code=201)
    async with cluster.http.get(f"{cluster.url}/apis", headers={"Accept": V2, "If-None-Match": tag}) as third:
        assert third.status == 200
        assert third.headers["ETag"] != tag


async def test_documents_with_a_hash_last_for_ever(cluster: Cluster) -> None:
    index = await cluster.request("GET", "/openapi/v3", code=200)
    address = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
    async with cluster.http.get(cluster.url + address) as answer:
        assert answer.headers["Cache-Control"] == "public, immutable, max-age=31536000"
        tag = answer.headers["ETag"]
        document = await answer.json()
    async with cluster.http.get(cluster.url + address, headers={"If-None-Match": tag}) as again:
        assert again.status == 304
    wrong = cluster.url + address.partition("=")[0] + "=0"
    async with cluster.http.get(wrong, allow_redirects=False) as moved:
        assert (moved.status, moved.headers["Location"]) == (301, address)
    async with cluster.http.get(cluster.url + address.partition("?")[0]) as plain:
        assert "immutable" not in plain.headers.get("Cache-Control", "")
        assert await plain.json() == document
    only = {"Accept": "application/com.github.proto-openapi.spec.v3.v1.0+protobuf"}
    await cluster.request("GET", address, headers=only, code=406)
    await cluster.request("GET", "/openapi/v3/apis/none/v1?hash=1", code=404)


async def test_openapi_v2_in_all_its_forms(cluster: Cluster) -> None:
    url = f"{cluster.url}/openapi/v2"
    protobuf = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
    for accept, media in (("application/json", "application/json"), ("*/*", "application/json"),
                          ("application/com.github.proto-openapi.spec.v2@v1.0+protobuf", protobuf),
                          (protobuf, protobuf)):
        for encoding in ("identity", "gzip"):
            headers = {"Accept": accept, "Accept-Encoding": encoding}
            async with cluster.http.get(url, headers=headers) as answer:
                assert (answer.status, answer.headers["Content-Type"]) == (200, media)
                assert answer.headers.get("Content-Encoding", "identity") == encoding
                tag = answer.headers["ETag"]
            async with cluster.http.get(url, headers={**headers, "If-None-Match": tag}) as again:
                assert (again.status, await again.read()) == (304, b"")


async def test_the_root_lists_what_there_is(cluster: Cluster) -> None:
    listed = (await cluster.request("GET", "/", code=200))["paths"]
    assert {"/api/v1", "/apis/apps/v1", "/healthz/ping", "/metrics", "/openapi/v3"} <= set(listed)
    for path in listed:
        assert (await text(cluster, path))[0] == 200, path


def every_kind() -> list[scheme.Resource]:
    return [each for each in scheme.resources() if "list" in each.verbs]


async def test_discovery_names_every_kind(cluster: Cluster) -> None:
    for resource in scheme.resources():
        path = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
        listed = {each["name"]: each for each in (await cluster.request("GET", path))["resources"]}
        assert listed[resource.plural]["verbs"] == list(resource.verbs)
        for below in resource.subresources:
            assert listed[f"{resource.plural}/{below}"]["kind"]


async def test_every_kind_is_listed_as_a_table_and_as_metadata(cluster: Cluster) -> None:
    for resource in every_kind():
        for version in (resource.api_version, *resource.old_versions):
            path = f"/apis/{version}/{resource.plural}" if "/" in version else f"/api/{version}/{resource.plural}"
            for form, kind in (("Table", "Table"), ("PartialObjectMetadataList", "PartialObjectMetadataList")):
                accept = {"Accept": f"application/json;as={form};v=v1;g=meta.k8s.io"}
                assert (await cluster.request("GET", path, headers=accept, code=200))["kind"] == kind


async def test_every_kind_is_explained_and_got(cluster: Cluster) -> None:
    resources = every_kind()
    unexplained: list[Any] = []

    async def of(resource: scheme.Resource) -> None:
        told = await cluster.kubectl("explain", "--recursive", resource.plural, f"--api-version={resource.api_version}",
                                     code=None)
        got = await cluster.kubectl("get", resource.group_resource, "--all-namespaces", code=None)
        if told.code or resource.kind not in told.out or "FIELDS:" not in told.out or got.code:
            unexplained.append((resource.group_resource, told.err, got.err))

    async def worker() -> None:
        while resources:
            await of(resources.pop())

    async with asyncio.timeout(SECONDS_FOR_ALL_KINDS):
        await asyncio.gather(*(worker() for _ in range(3)))
    assert unexplained == []
