"""What is on the wire: verbs, revisions, watches, errors, identities."""

from __future__ import annotations

import asyncio
import base64
from asyncio import sslproto
from typing import Any

import aiohttp
import msgspec
import pytest

from edge.api import core, errors, meta
from edge.apiserver.local import LocalClient
from tests.integration.conftest import Cluster, client_context

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
MERGE = {"Content-Type": "application/merge-patch+json"}


def config(name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **more}, "data": {"a": "b"}}


def pod(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"containers": [{"name": "main", "image": "x"}]}}


async def events(cluster: Cluster, path: str, count: int, headers: dict[str, str] | None = None) -> list[Any]:
    """Read that many events of a watch."""
    found: list[Any] = []
    async with asyncio.timeout(20), cluster.http.get(cluster.url + path, headers=headers) as answer:
        assert answer.status == 200
        while len(found) < count:
            found.append(msgspec.json.decode(await answer.content.readline()))
    return found


async def test_create_get_list_delete(cluster: Cluster) -> None:
    made = await cluster.request("POST", MAPS, config("one"), code=201)
    assert made["metadata"]["uid"]
    assert made == await cluster.request("GET", f"{MAPS}/one", code=200)
    again = await cluster.request("POST", MAPS, config("one"), code=409)
    assert (again["reason"], again["details"]) == ("AlreadyExists", {"name": "one", "kind": "configmaps"})
    listed = await cluster.request("GET", MAPS, code=200)
    assert (listed["kind"], [item["metadata"]["name"] for item in listed["items"]]) == ("ConfigMapList", ["one"])
    gone = await cluster.request("DELETE", f"{MAPS}/one", code=200)
    assert (gone["status"], gone["details"]["uid"]) == ("Success", made["metadata"]["uid"])
    assert (await cluster.request("GET", f"{MAPS}/one", code=404))["message"] == 'configmaps "one" not found'


async def test_generated_names(cluster: Cluster) -> None:
    body = config("x")
    body["metadata"] = {"generateName": "job-"}
    names = {(await cluster.request("POST", MAPS, body, code=201))["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("job-") and len(name) == 9 for name in names)
    refused = await cluster.request("POST", MAPS, {**body, "metadata": {}}, code=422)
    assert refused["message"] == ('ConfigMap "" is invalid: metadata.name: Required value: '
                                  "name or generateName is required")


async def test_pages_are_of_one_snapshot(cluster: Cluster) -> None:
    for number in range(5):
        await cluster.request("POST", MAPS, config(f"m{number}"), code=201)
    first = await cluster.request("GET", f"{MAPS}?limit=2", code=200)
    assert first["metadata"]["remainingItemCount"] == 3
    await cluster.request("POST", MAPS, config("m11"), code=201)
    token = first["metadata"]["continue"]
    second = await cluster.request("GET", f"{MAPS}?limit=10&continue={token}", code=200)
    assert [item["metadata"]["name"] for item in second["items"]] == ["m2", "m3", "m4"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert (await cluster.request("GET", f"{MAPS}?continue=rubbish", code=400))["reason"] == "BadRequest"


async def test_revisions_in_requests(cluster: Cluster) -> None:
    made = await cluster.request("POST", MAPS, config("one"), code=201)
    revision = made["metadata"]["resourceVersion"]
    await cluster.request("PATCH", f"{MAPS}/one", {"data": {"a": "c"}}, code=200, headers=MERGE)
    exact = await cluster.request("GET", f"{MAPS}?resourceVersion={revision}&resourceVersionMatch=Exact", code=200)
    assert exact["items"][0]["data"] == {"a": "b"}
    await cluster.request("PUT", f"{MAPS}/one", made, code=409)
    patch = {"metadata": {"resourceVersion": revision}, "data": {"a": "d"}}
    await cluster.request("PATCH", f"{MAPS}/one", patch, code=409, headers=MERGE)
    far = await cluster.request("GET", f"{MAPS}?resourceVersion=999999999", code=504)
    assert "Too large resource version" in far["message"]
    await cluster.request("GET", f"{MAPS}?resourceVersion=abc", code=400)
    before = await cluster.request("GET", f"{MAPS}/one")
    same = await cluster.request("PATCH", f"{MAPS}/one", {"data": {"a": "c"}}, code=200, headers=MERGE)
    assert same == before


async def test_a_watch_tells_everything_in_order(cluster: Cluster) -> None:
    await cluster.request("POST", MAPS, config("one", labels={"tier": "a"}), code=201)
    listed = await cluster.request("GET", MAPS)
    revision = listed["metadata"]["resourceVersion"]
    path = f"{MAPS}?watch=1&labelSelector=tier%3Da&resourceVersion={revision}"
    reading = asyncio.create_task(events(cluster, path, 4))
    for body in ({"data": {"a": "2"}}, {"metadata": {"labels": {"tier": "b"}}}, {"data": {"a": "3"}},
                 {"metadata": {"labels": {"tier": "a"}}}):
        await cluster.request("PATCH", f"{MAPS}/one", body, code=200, headers=MERGE)
    await cluster.request("DELETE", f"{MAPS}/one", code=200)
    found = await reading
    assert [event["type"] for event in found] == ["MODIFIED", "DELETED", "ADDED", "DELETED"]
    assert found[1]["object"]["metadata"]["labels"] == {"tier": "a"}
    revisions = [int(event["object"]["metadata"]["resourceVersion"]) for event in found]
    assert revisions == sorted(revisions)


async def test_initial_events_end_with_a_bookmark(cluster: Cluster) -> None:
    await cluster.request("POST", MAPS, config("one"), code=201)
    path = f"{MAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    found = await events(cluster, path, 2)
    assert [event["type"] for event in found] == ["ADDED", "BOOKMARK"]
    assert found[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_watch_ends_in_time_and_an_old_one_is_told_so(cluster: Cluster) -> None:
    async with asyncio.timeout(10), cluster.http.get(f"{cluster.url}{MAPS}?watch=1&timeoutSeconds=1") as answer:
        assert await answer.read() == b""
    for number in range(3):
        await cluster.request("POST", MAPS, config(f"m{number}"), code=201)
    await cluster.server.service.store.compact(1)
    found = await events(cluster, f"{MAPS}?watch=1&resourceVersion=1", 1)
    assert (found[0]["type"], found[0]["object"]["code"], found[0]["object"]["reason"]) == ("ERROR", 410, "Expired")


async def test_watched_tables_carry_columns_once(cluster: Cluster) -> None:
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
    for name in ("one", "two"):
        await cluster.request("POST", MAPS, config(name), code=201)
    found = await events(cluster, f"{MAPS}?watch=1", 2, accept)
    assert [bool(event["object"]["columnDefinitions"]) for event in found] == [True, False]
    assert found[1]["object"]["rows"][0]["cells"][0] == "two"


async def test_a_client_that_leaves_lets_go_of_its_watch(cluster: Cluster) -> None:
    before = len(cluster.server._resources._streamer._tasks)
    async with cluster.http.get(f"{cluster.url}{MAPS}?watch=1") as answer:
        assert answer.status == 200
        assert len(cluster.server._resources._streamer._tasks) == before + 1
    async with asyncio.timeout(5):
        while len(cluster.server._resources._streamer._tasks) != before:
            await cluster.request("GET", MAPS)


async def test_pods_are_given_time_only_where_they_run(cluster: Cluster) -> None:
    for name in ("here", "nowhere"):
        await cluster.request("POST", PODS, pod(name), code=201)
    await cluster.request("POST", f"{PODS}/here/binding", {"target": {"kind": "Node", "name": "node-1"}}, code=201)
    again = await cluster.request("POST", f"{PODS}/here/binding", {"target": {"name": "node-2"}}, code=409)
    assert again["message"] == ('Operation cannot be fulfilled on pods/binding "here": pod here is already assigned to '
                                'node "node-1"')
    going = await cluster.request("DELETE", f"{PODS}/here", {"gracePeriodSeconds": 7}, code=200)
    assert going["metadata"]["deletionGracePeriodSeconds"] == 7
    await cluster.request("DELETE", f"{PODS}/nowhere", code=200)
    await cluster.request("GET", f"{PODS}/nowhere", code=404)
    wrong = await cluster.request("DELETE", f"{PODS}/here", {"preconditions": {"uid": "other"}}, code=409)
    assert "the UID in the precondition (other) does not match the UID in record" in wrong["message"]
    await cluster.request("DELETE", f"{PODS}/here", {"gracePeriodSeconds": 0}, code=200)
    await cluster.request("GET", f"{PODS}/here", code=404)


async def test_finalizers_hold_an_object_until_they_are_gone(cluster: Cluster) -> None:
    await cluster.request("POST", MAPS, config("one", finalizers=["edge.io/wait"]), code=201)
    going = await cluster.request("DELETE", f"{MAPS}/one", code=200)
    assert going["metadata"]["deletionTimestamp"]
    late = await cluster.request("PATCH", f"{MAPS}/one", {"metadata": {"finalizers": ["edge.io/wait", "b.io/c"]}},
                                 code=422, headers=MERGE)
    assert "no new finalizers can be added if the object is being deleted" in late["message"]
    await cluster.request("PATCH", f"{MAPS}/one", {"metadata": {"finalizers": None}}, code=200, headers=MERGE)
    await cluster.request("GET", f"{MAPS}/one", code=404)


async def test_a_namespace_closes_and_is_finalized(cluster: Cluster) -> None:
    team = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
    made = await cluster.request("POST", "/api/v1/namespaces", team, code=201)
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "team"}
    going = await cluster.request("DELETE", "/api/v1/namespaces/team", code=200)
    assert (going["status"]["phase"], going["spec"]["finalizers"]) == ("Terminating", ["kubernetes"])
    closed = await cluster.request("POST", MAPS.replace("default", "team"), config("one"), code=403)
    assert "because it is being terminated" in closed["message"]
    await cluster.request("PUT", "/api/v1/namespaces/team/finalize", {**going, "spec": {}}, code=200)
    await cluster.request("GET", "/api/v1/namespaces/team", code=404)
    await cluster.request("DELETE", "/api/v1/namespaces/default", code=403)


async def test_delete_collection_and_eviction(cluster: Cluster) -> None:
    for name, tier in (("one", "a"), ("two", "b")):
        await cluster.request("POST", MAPS, config(name, labels={"tier": tier}), code=201)
    await cluster.request("DELETE", f"{MAPS}?labelSelector=tier%3Da", code=200)
    assert [item["metadata"]["name"] for item in (await cluster.request("GET", MAPS))["items"]] == ["two"]
    await cluster.request("POST", PODS, pod("web"), code=201)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web", "namespace": "default"}}
    await cluster.request("POST", f"{PODS}/web/eviction", eviction, code=201)
    await cluster.request("GET", f"{PODS}/web", code=404)


@pytest.mark.parametrize(("method", "path", "body", "headers", "code", "text"), [
    ("POST", MAPS, b"{", {}, 400, "json parse error"),
    ("POST", MAPS, b"[]", {}, 400, "couldn't get version/kind"),
    ("POST", MAPS, b"\xff\xfe", {}, 400, "json parse error"),
    ("POST", MAPS, b"[" * 100_000, {}, 400, "json parse error"),
    ("POST", MAPS, b"a: [", {"Content-Type": "application/yaml"}, 400, "error converting YAML"),
    ("POST", MAPS, b"k8s\x00\xff\xff", {"Content-Type": "application/vnd.kubernetes.protobuf"}, 400, "protobuf"),
    ("POST", MAPS, b"<a/>", {"Content-Type": "application/xml"}, 415, "unknown format"),
    ("POST", MAPS, b'{"kind":"Pod","apiVersion":"v1"}', {}, 400, "cannot be handled as a ConfigMap"),
    ("POST", MAPS, b'{"kind":"ConfigMap","apiVersion":"v2"}', {}, 400, "does not match the expected API version"),
    ("POST", MAPS, b'{"metadata":{"name":"x","namespace":"other"}}', {}, 400, "does not match the namespace"),
    ("POST", MAPS, b" " * 3_200_000, {}, 413, "Request entity too large: limit is 3145728"),
    ("POST", PODS, b'{"metadata":{"name":"x"},"spec":{"containers":[{"name":"a","image":"x","env":[{"name":"A",'
     b'"value":"' + b"x" * 1_600_000 + b'"}]}]}}', {}, 413, "too large"),
    ("POST", MAPS, b"rubbish", {"Content-Encoding": "gzip"}, 400, "unable to read the request body"),
    ("PATCH", f"{MAPS}/x", b"{}", {}, 415, "application/merge-patch+json"),
    ("GET", MAPS, None, {"Accept": "application/vnd.kubernetes.protobuf"}, 406, "only the following media types"),
    ("GET", "/api/v1/nonsense", None, {}, 404, "the server could not find the requested resource"),
    ("GET", f"{MAPS}?limit=many", None, {}, 400, "not a number"),
    ("GET", f"{MAPS}?fieldSelector=spec.x%3D1", None, {}, 400, "\"spec.x\" is not a known field"),
    ("POST", f"{MAPS}/x", b"{}", {}, 405, "does not allow this method"),
    ("DELETE", f"{MAPS}/x", b'{"gracePeriodSeconds":"soon"}', {}, 400, "cannot be handled as a DeleteOptions"),
])
async def test_bad_requests(cluster: Cluster, method: str, path: str, body: bytes | None, headers: dict[str, str],
                            code: int, text: str) -> None:
    found = await cluster.request(method, path, body, code=code, headers=headers)
    assert (found["kind"], found["status"], found["code"]) == ("Status", "Failure", code)
    assert text in found["message"]


async def test_who_may_what(cluster: Cluster) -> None:
    async def ask(path: str, identity: str = "", *groups: str, token: str = "") -> tuple[int, Any]:
        certificate = cluster.authority.issue(identity, *groups) if identity else None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connector = aiohttp.TCPConnector(ssl=client_context(cluster.authority, certificate))
        async with aiohttp.ClientSession(connector=connector) as http, \
                http.get(cluster.url + path, headers=headers) as answer:
            body = await answer.read()
            return answer.status, msgspec.json.decode(body) if body.startswith(b"{") else body

    assert await ask("/edge/v1/ca") == (200, cluster.authority.ca.read_bytes())
    assert await ask("/readyz") == (200, b"ok")
    assert (await ask("/apis"))[0] == 403
    status, body = await ask("/api/v1/pods")
    assert (status, body["message"]) == (403, 'pods is forbidden: User "system:anonymous" cannot list resource "pods" '
                                              'in API group "" at the cluster scope')
    status, body = await ask("/api/v1/pods", token="rubbish")
    assert (status, body["message"]) == (401, "Unauthorized")
    assert (await ask("/apis", "jane"))[0] == 200
    assert (await ask("/api/v1/nodes/node-1", "node-1", "system:nodes"))[0] == 404
    assert (await ask("/api/v1/nodes/node-2", "node-1", "system:nodes"))[0] == 403
    assert (await ask("/api/v1/secrets", "node-1", "system:nodes"))[0] == 403
    data = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true"}
    await cluster.client.create(core.Secret(
        metadata=meta.ObjectMeta(name="bootstrap-token-abcdef", namespace="kube-system"),
        type="bootstrap.kubernetes.io/token",
        data={key: base64.b64encode(value.encode()).decode() for key, value in data.items()}))
    requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    assert (await ask(f"{requests}/x", token="abcdef.0123456789abcdef"))[0] == 404
    assert (await ask(requests, token="abcdef.0123456789abcdef"))[0] == 200
    assert (await ask("/api/v1/nodes", token="abcdef.0123456789abcdef"))[0] == 403
    assert (await ask(requests, token="abcdef.0123456789abcdeX"))[0] == 401


async def test_health_and_compression(cluster: Cluster) -> None:
    async with cluster.http.get(f"{cluster.url}/livez?verbose") as answer:
        assert await answer.text() == "[+]ping ok\nlivez check passed\n"
    for number in range(3):
        body = config(f"big-{number}")
        body["data"] = {"a": "x" * 100_000}
        await cluster.request("POST", MAPS, body, code=201)
    async with cluster.http.get(cluster.url + MAPS) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(msgspec.json.decode(await answer.read())["items"]) == 3


async def test_a_connection_costs_little(cluster: Cluster) -> None:
    assert sslproto.SSLProtocol.max_size == 16384


async def test_the_local_client(cluster: Cluster) -> None:
    client = LocalClient(cluster.server.service)
    web = await client.create(core.Pod(metadata=meta.ObjectMeta(name="web", namespace="default"),
                                       spec=core.PodSpec(containers=(core.Container(name="a", image="x"),))))
    listing = await client.list(core.Pod, fields="spec.nodeName=")
    assert [item.metadata.name for item in listing.items] == ["web"]
    seen = client.watch(core.Pod, resource_version=listing.resource_version)
    await client.bind("web", "default", "node-1", uid=web.metadata.uid)
    patched = await client.patch(core.Pod, "web", "default", {"status": {"phase": "Running"}}, subresource="status")
    assert patched.status.phase == "Running"
    await client.update_status(patched)
    with pytest.raises(errors.Conflict):
        await client.update(web)
    with pytest.raises(errors.Conflict):
        await client.delete(core.Pod, "web", "default", uid="other")
    await client.delete(core.Pod, "web", "default", grace_period_seconds=0)
    types = [(await anext(seen)).type for _ in range(3)]
    assert types == ["MODIFIED", "MODIFIED", "DELETED"]


async def test_writes_at_the_same_time_all_count(cluster: Cluster) -> None:
    await cluster.request("POST", MAPS, config("one"), code=201)
    await asyncio.gather(*(cluster.request("PATCH", f"{MAPS}/one", {"data": {f"k{number}": "x"}}, headers=MERGE,
                                           code=200) for number in range(6)))
    assert len((await cluster.request("GET", f"{MAPS}/one"))["data"]) == 7


async def test_a_fault_of_ours_is_one_status_and_one_log_line(
        cluster: Cluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(cluster.server.service, "get", broken)
    found = await cluster.request("GET", f"{MAPS}/one", code=500)
    assert (found["reason"], found["message"]) == ("InternalError", "Internal error occurred: RuntimeError")
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["request failed"]
    await cluster.request("GET", MAPS, code=200)


async def test_watches_end_cleanly_when_the_server_stops(cluster: Cluster) -> None:
    async with cluster.http.get(f"{cluster.url}{MAPS}?watch=1") as answer:
        stopping = asyncio.create_task(cluster.server.stop())
        async with asyncio.timeout(5):
            assert await answer.read() == b""
    await stopping
