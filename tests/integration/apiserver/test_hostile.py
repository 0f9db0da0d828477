"""What clients must not be able to do: end the process, reach what is not theirs, or leave what cannot be deleted."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import msgspec
import pytest

from edge.api import core, meta
from edge.apiserver import http_call
from tests.integration.conftest import Cluster

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
YAML = {"Content-Type": "application/yaml"}


def pod(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "main", "image": "x"}], **spec}}


def bomb(levels: int) -> bytes:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    for level in range(1, levels):
        before, name = chr(96 + level), chr(97 + level)
        lines.append(f"{name}: &{name} [{','.join(['*' + before] * 10)}]")
    return "\n".join(lines).encode()


@pytest.mark.parametrize(("body", "why"), [
    (b"[" * 200_000, "exceeded max depth"),
    (b"- " * 200_000, "exceeded max depth"),
    (bomb(7), "excessive aliasing"),
    (b"a: &a [*a]", "an anchor contains itself"),
])
async def test_yaml_that_would_end_the_process_is_refused(cluster: Cluster, body: bytes, why: str) -> None:
    answer = await cluster.request("POST", MAPS, body, headers=YAML, code=400)
    assert why in answer["message"]


async def test_yaml_with_anchors_is_taken(cluster: Cluster) -> None:
    body = b"metadata: {name: one}\ndata:\n  a: &a x\n  b: *a\n"
    assert (await cluster.request("POST", MAPS, body, headers=YAML, code=201))["data"] == {"a": "x", "b": "x"}


@pytest.mark.parametrize(("method", "path", "code"), [
    ("GET", "/api/v1/namespaces/default%2Fx/pods", 404),
    ("GET", "/api/v1/namespaces/default/nodes", 404),
    ("GET", "/api/v1/namespaces/default/nodes/one", 404),
    ("GET", "/api/v1/pods/one", 404),
    ("DELETE", "/api/v1/configmaps", 405),
    ("POST", "/api/v1/configmaps", 405),
])
async def test_paths_that_kubernetes_does_not_have(cluster: Cluster, method: str, path: str, code: int) -> None:
    await cluster.request("POST", MAPS, {"metadata": {"name": "kept"}}, code=201)
    await cluster.request(method, path, {} if method == "POST" else None, code=code)
    await cluster.request("GET", f"{MAPS}/kept", code=200)


async def test_a_pod_with_an_endless_grace_period_can_be_deleted(cluster: Cluster) -> None:
    await cluster.request("POST", PODS, pod("one", terminationGracePeriodSeconds=10**15, nodeName="n"), code=201)
    gone = await cluster.request("DELETE", f"{PODS}/one", code=200)
    assert gone["metadata"]["deletionGracePeriodSeconds"] < 10**9
    await cluster.request("DELETE", f"{PODS}/one?gracePeriodSeconds=0", code=200)
    await cluster.request("GET", f"{PODS}/one", code=404)


async def test_a_watch_from_the_future_says_so(cluster: Cluster) -> None:
    async with cluster.http.get(f"{cluster.url}{PODS}?watch=1&resourceVersion=99999999") as answer:
        event = msgspec.json.decode(await answer.content.readline())
        assert (event["type"], event["object"]["code"]) == ("ERROR", 504)
        assert await answer.content.readline() == b""


async def test_a_watch_with_bookmarks_ends_with_one(cluster: Cluster) -> None:
    made = await cluster.request("POST", MAPS, {"metadata": {"name": "one"}}, code=201)
    revision = made["metadata"]["resourceVersion"]
    async with cluster.http.get(f"{cluster.url}{PODS}?watch=1&resourceVersion={revision}&allowWatchBookmarks=true"
                                "&timeoutSeconds=1") as answer:
        event = msgspec.json.decode(await answer.content.readline())
        assert event["type"] == "BOOKMARK"
        assert int(event["object"]["metadata"]["resourceVersion"]) >= int(revision)
        assert await answer.content.readline() == b""


async def test_pages_of_what_is_selected(cluster: Cluster) -> None:
    for number in range(7):
        await cluster.request("POST", MAPS, {"metadata": {"name": f"m{number}", "labels": {"odd": str(number % 2)}}})
    found, token = [], ""
    for _ in range(4):
        page = await cluster.request("GET", f"{MAPS}?labelSelector=odd%3D0&limit=2&continue={token}", code=200)
        found.append([item["metadata"]["name"] for item in page["items"]])
        token = page["metadata"].get("continue", "")
        if not token:
            break
    assert found == [["m0", "m2"], ["m4", "m6"]]


async def test_a_patch_in_a_form_nobody_reads_is_refused_and_changes_nothing(cluster: Cluster) -> None:
    answer = await cluster.request("PATCH", f"{MAPS}/one?fieldManager=me", b"\xa1ddata\xa0", code=415,
                                   headers={"Content-Type": "application/apply-patch+cbor"})
    assert answer["reason"] == "UnsupportedMediaType"
    await cluster.request("GET", f"{MAPS}/one", code=404)


async def test_impersonation_without_a_user(cluster: Cluster) -> None:
    await cluster.request("GET", PODS, headers={"Impersonate-Group": "system:masters"}, code=400)
    await cluster.request("GET", PODS, headers={"Impersonate-User": "joe"}, code=403)
    await cluster.request("GET", "/api", headers={"Impersonate-User": "system:anonymous"}, code=403)


async def test_a_body_that_does_not_come(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_call, "SLOWEST_BODY_SECONDS", 0.05)
    context = ssl.create_default_context(cafile=str(cluster.authority.ca))
    context.load_cert_chain(*cluster.authority.issue("slow", "system:masters"))
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.server.port, ssl=context)
    writer.write(f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
    async with asyncio.timeout(20):
        assert b" 400 " in await reader.readline()
    writer.close()


async def test_a_long_command_reaches_the_pod_that_is_not_there(cluster: Cluster) -> None:
    answer = await cluster.request("GET", f"{PODS}/none/exec?stdout=1&command={'x' * 30_000}", code=404)
    assert answer["message"] == 'pods "none" not found'


async def test_two_services_at_the_same_time_share_nothing(cluster: Cluster) -> None:
    def service(number: int) -> core.Service:
        return core.Service(metadata=meta.ObjectMeta(name=f"s{number}", namespace="default"), spec=core.ServiceSpec(
            type="NodePort", ports=(core.ServicePort(port=80),)))

    made = await asyncio.gather(*(cluster.client.create(service(number)) for number in range(20)))
    assert len({each.spec.cluster_ip for each in made}) == 20
    assert len({each.spec.ports[0].node_port for each in made}) == 20


async def test_a_time_that_is_none_is_refused(cluster: Cluster) -> None:
    answer = await cluster.request("POST", "/api/v1/namespaces/default/events", {
        "metadata": {"name": "one"}, "involvedObject": {"namespace": "default"}, "lastTimestamp": "yesterday"},
        code=400)
    assert 'parsing time lastTimestamp as "2006-01-02T15:04:05Z07:00"' in answer["message"]
