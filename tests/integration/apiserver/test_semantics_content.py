"""In which form things are asked for and answered: media types, paths, methods, queries."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
import yaml

from tests.integration.conftest import Cluster, client_context

MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIALS = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
PROTOBUF = "application/vnd.kubernetes.protobuf"


async def make(cluster: Cluster, name: str, **data: str) -> dict[str, Any]:
    made: dict[str, Any] = await cluster.request("POST", MAPS, {"metadata": {"name": name}, "data": data}, code=201)
    return made


async def answered(cluster: Cluster, path: str, accept: str, method: str = "GET") -> tuple[int, str, bytes]:
    async with cluster.http.request(method, cluster.url + path, headers={"Accept": accept}) as answer:
        return answer.status, answer.headers["Content-Type"].partition(";")[0], await answer.read()


async def test_people_can_have_yaml(cluster: Cluster) -> None:
    made = await make(cluster, "a", on="yes", lines="one\ntwo\n")
    for path in (MAPS, f"{MAPS}/a", f"{MAPS}/nothing", "/apis", "/api/v1"):
        code, media, body = await answered(cluster, path, "application/yaml")
        plain = msgspec.json.decode((await answered(cluster, path, "application/json"))[2])
        assert (code, media, yaml.safe_load(body)) == (404 if "nothing" in path else 200, "application/yaml", plain)
    code, media, body = await answered(cluster, f"{MAPS}/a", "application/yaml, application/json")
    assert yaml.safe_load(body) == made
    sent = yaml.safe_dump({"metadata": {"name": "b"}, "data": {"a": "b"}}).encode()
    await cluster.request("POST", MAPS, sent, headers={"Content-Type": "application/yaml"}, code=201)
    await cluster.request("PUT", f"{MAPS}/b", sent, headers={"Content-Type": "application/yaml"}, code=200)


async def test_tables_and_metadata_alone(cluster: Cluster) -> None:
    await make(cluster, "a", a="b")
    for path, accept, kind in ((MAPS, TABLE, "Table"), (f"{MAPS}/a", TABLE, "Table"),
                               (MAPS, PARTIALS, "PartialObjectMetadataList"),
                               (f"{MAPS}/a", PARTIAL, "PartialObjectMetadata"),
                               (MAPS, f"{PROTOBUF};as=Table;v=v1;g=meta.k8s.io,{TABLE},application/json", "Table")):
        code, _, body = await answered(cluster, path, accept)
        assert (code, msgspec.json.decode(body)["kind"]) == (200, kind)
    made = await cluster.request("POST", MAPS, {"metadata": {"name": "b"}}, headers={"Accept": TABLE}, code=201)
    assert (made["kind"], made["rows"][0]["cells"][0]) == ("Table", "b")
    gone = await cluster.request("DELETE", f"{MAPS}/b", headers={"Accept": TABLE}, code=200)
    assert (gone["kind"], gone["status"]) == ("Status", "Success")


@pytest.mark.parametrize(("path", "accept", "words"), [
    (MAPS, PROTOBUF, "only the following media types are accepted: application/json, application/yaml"),
    (MAPS, "text/html", "only the following media types are accepted: application/json, application/yaml"),
    (MAPS, PARTIAL, "you requested PartialObjectMetadata, but the requested object is a list (*v1.ConfigMapList)"),
    (f"{MAPS}/a", PARTIALS,
     "you requested PartialObjectMetadataList, but the requested object is not a list (*v1.ConfigMap)")])
async def test_forms_that_cannot_be_had(cluster: Cluster, path: str, accept: str, words: str) -> None:
    await make(cluster, "a")
    answer = await cluster.request("GET", path, headers={"Accept": accept}, code=406)
    assert (answer["reason"], answer["message"]) == ("NotAcceptable", words)


async def test_what_rows_carry(cluster: Cluster) -> None:
    await make(cluster, "a", a="b")
    for include, kind in (("", "PartialObjectMetadata"), ("Metadata", "PartialObjectMetadata"),
                          ("Object", "ConfigMap"), ("None", None)):
        table = await cluster.request("GET", f"{MAPS}?includeObject={include}", headers={"Accept": TABLE}, code=200)
        assert table["rows"][0].get("object", {}).get("kind") == kind
    wrong = await cluster.request("GET", f"{MAPS}?includeObject=Some", headers={"Accept": TABLE}, code=400)
    assert wrong["message"].startswith('Unable to convert to Table as requested: includeObject: Invalid value: "Some"')


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "application/cbor", "text/html",
                                   "application/merge-patch+json", "*/*"])
async def test_bodies_of_other_types(cluster: Cluster, media: str) -> None:
    answer = await cluster.request("POST", MAPS, b'{"metadata":{"name":"a"}}', code=415,
                                   headers={"Content-Type": media})
    assert answer["reason"] == "UnsupportedMediaType"
    assert answer["message"] == ("the body of the request was in an unknown format - accepted media types include: "
                                 "application/json, application/yaml, application/vnd.kubernetes.protobuf")


@pytest.mark.parametrize(("media", "body"), [("application/json;charset=utf-8", b'{"metadata":{"name":"a"}}'),
                                             ("Application/JSON", b'{"metadata":{"name":"a"}}'),
                                             ("application/json", b'  {"metadata":{"name":"a"}}\n\n')])
async def test_bodies_that_are_json(cluster: Cluster, media: str, body: bytes) -> None:
    await cluster.request("POST", f"{MAPS}?pretty=true", body, headers={"Content-Type": media}, code=201)


@pytest.mark.parametrize(("method", "path", "code"), [
    ("HEAD", MAPS, 200), ("HEAD", f"{MAPS}/none", 404), ("HEAD", "/version", 200),
    ("OPTIONS", MAPS, 405), ("TRACE", f"{MAPS}/a", 405), ("PUT", MAPS, 405), ("PATCH", MAPS, 405),
    ("POST", f"{MAPS}/a", 405), ("POST", "/version", 405), ("DELETE", "/apis", 405),
    ("GET", f"{MAPS}/", 200), ("GET", "/api/", 200), ("GET", "/apis/apps/", 200), ("GET", "/apis/apps/v1/", 200),
    ("GET", "/version/", 200), ("GET", "//api/v1/pods", 404), ("GET", "/api//v1/pods", 404),
    ("GET", "/api/v1//pods", 404), ("GET", "/api/v1/namespaces//configmaps", 404),
    ("GET", "/api/v1/namespaces/default/%63onfigmaps", 200), ("GET", f"{MAPS}/%E2%82%AC", 404),
    ("GET", f"{MAPS}/a%00b", 404), ("GET", f"{MAPS}/%FF%FE", 404), ("GET", f"{MAPS}/..", 404),
    ("GET", "/api/v2/pods", 404), ("GET", "/apis/none/v1", 404), ("GET", "/apis/none", 404), ("GET", "/nothing", 404),
    ("GET", "/healthzz", 404), ("GET", "/livez/nothing", 404), ("GET", "/", 200),
    ("GET", f"{MAPS}/a/nothing", 404), ("GET", f"{MAPS}/a/status", 404),
    ("GET", f"{MAPS}?a&&=&==&%&limit", 200), ("GET", f"{MAPS}?%FF=%FE&labelSelector=", 200),
    ("GET", f"{MAPS}?;;;", 200), ("GET", f"{MAPS}?limit=0x10", 400),
    ("GET", f"{MAPS}?limit=-5", 200), ("GET", f"{MAPS}?dryRun=Some", 200),
])
async def test_methods_and_paths(cluster: Cluster, method: str, path: str, code: int) -> None:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", cluster.server.port,
        ssl=client_context(cluster.authority, cluster.authority.issue("admin", "system:masters")))
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(20):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert int(head.split(b" ", 2)[1]) == code, (head, body)
    if method == "HEAD":
        assert body == b""
    elif code >= 400:
        assert msgspec.json.decode(body)["kind"] == "Status"
