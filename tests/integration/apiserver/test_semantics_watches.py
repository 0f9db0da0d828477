"""Watches as Kubernetes has them: where they begin, what they tell, how they end, and over which connection."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest

from edge.apiserver import http_watch
from tests.integration.conftest import Cluster, client_context

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
INITIAL = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
MERGE = {"Content-Type": "application/merge-patch+json"}
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
PARTIAL = {"Accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"}


class Watching:
    """The events of one watch."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def event(self) -> tuple[str, dict[str, Any]]:
        """Return the next event's type and object."""
        async with asyncio.timeout(20):
            found = msgspec.json.decode(await self.answer.content.readline())
        return found["type"], found["object"]

    async def named(self, count: int) -> list[tuple[str, str]]:
        """Return type and name of that many events."""
        events = [await self.event() for _ in range(count)]
        return [(kind, obj["metadata"].get("name", "")) for kind, obj in events]

    async def ended(self) -> None:
        """Wait for the end; nothing may come before it."""
        async with asyncio.timeout(20):
            assert await self.answer.content.read() == b""


@contextlib.asynccontextmanager
async def watched(cluster: Cluster, path: str, headers: dict[str, str] | None = None) -> AsyncIterator[Watching]:
    async with cluster.http.get(cluster.url + path, headers=headers) as answer:
        assert answer.status == 200, await answer.read()
        yield Watching(answer)


async def make(cluster: Cluster, name: str, **labels: str) -> str:
    made = await cluster.request("POST", MAPS, {"metadata": {"name": name, "labels": labels}}, code=201)
    return str(made["metadata"]["resourceVersion"])


async def label(cluster: Cluster, name: str, **labels: str) -> None:
    await cluster.request("PATCH", f"{MAPS}/{name}", {"metadata": {"labels": labels}}, code=200, headers=MERGE)


@pytest.mark.parametrize(("query", "first"), [("", "a"), ("&resourceVersion=0", "a"), (f"&{INITIAL}", "a"),
                                              ("&sendInitialEvents=false&resourceVersionMatch=NotOlderThan", "b"),
                                              ("&resourceVersion={}", "b")])
async def test_where_a_watch_begins(cluster: Cluster, query: str, first: str) -> None:
    revision = await make(cluster, "a")
    async with watched(cluster, f"{MAPS}?watch=1{query.format(revision)}") as seen:
        await make(cluster, "b")
        assert (await seen.named(1)) == [("ADDED", first)]


@pytest.mark.parametrize("query", ["", "&resourceVersion=0", f"&{INITIAL}", f"&resourceVersion=1&{INITIAL}"])
@pytest.mark.parametrize("headers", [{}, TABLE, PARTIAL])
async def test_the_end_of_what_was_there_is_marked(cluster: Cluster, query: str, headers: dict[str, str]) -> None:
    await make(cluster, "a")
    async with watched(cluster, f"{MAPS}?watch=1&allowWatchBookmarks=true{query}", headers) as seen:
        assert (await seen.event())[0] == "ADDED"
        kind, obj = await seen.event()
        assert kind == "BOOKMARK"
        if headers is TABLE:
            assert (obj["kind"], obj["apiVersion"]) == ("Table", "meta.k8s.io/v1")
            obj = obj["rows"][0]["object"]
        assert obj["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert int(obj["metadata"]["resourceVersion"]) > 1
        assert obj["kind"] == ("ConfigMap" if not headers else "PartialObjectMetadata")
        await make(cluster, "b")
        assert (await seen.event())[0] == "ADDED"


async def test_without_bookmarks_nothing_is_marked(cluster: Cluster) -> None:
    await make(cluster, "a")
    async with watched(cluster, f"{MAPS}?watch=1&{INITIAL}&timeoutSeconds=1") as seen:
        assert await seen.named(1) == [("ADDED", "a")]
        await seen.ended()


async def test_what_comes_into_a_selection_and_leaves_it(cluster: Cluster) -> None:
    await make(cluster, "a", tier="x")
    async with watched(cluster, f"{MAPS}?watch=1&labelSelector=tier%3Dx") as seen:
        await make(cluster, "b", tier="y")
        await label(cluster, "b", tier="x")
        await label(cluster, "b", tier="x", more="z")
        await label(cluster, "b", tier="y")
        await cluster.request("DELETE", f"{MAPS}/b", code=200)
        await cluster.request("DELETE", f"{MAPS}/a", code=200)
        assert await seen.named(5) == [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "b"), ("DELETED", "b"),
                                       ("DELETED", "a")]


async def test_one_object_by_its_name(cluster: Cluster) -> None:
    async with watched(cluster, f"{MAPS}?watch=1&fieldSelector=metadata.name%3Db") as by_field, \
            watched(cluster, "/api/v1/watch/namespaces/default/configmaps/b") as by_path, \
            watched(cluster, "/api/v1/watch/configmaps?labelSelector=l%3Db") as by_label:
        await make(cluster, "a", l="a")
        await make(cluster, "b", l="b")
        await cluster.request("DELETE", f"{MAPS}/b", code=200)
        for seen in (by_field, by_path, by_label):
            assert await seen.named(2) == [("ADDED", "b"), ("DELETED", "b")]


async def test_an_old_version_is_watched_and_warned_about(cluster: Cluster) -> None:
    body = {"metadata": {"name": "x"}, "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {
        "spec": {"restartPolicy": "Never", "containers": [{"name": "m", "image": "x"}]}}}}}}
    async with watched(cluster, "/apis/batch/v1beta1/cronjobs?watch=1") as seen:
        assert seen.answer.headers["Warning"] == (
            '299 - "batch/v1beta1 CronJob is deprecated in v1.21+, unavailable in v1.25+; use batch/v1 CronJob"')
        await cluster.request("POST", "/apis/batch/v1/namespaces/default/cronjobs", body, code=201)
        kind, obj = await seen.event()
        assert (kind, obj["apiVersion"], obj["metadata"]["name"]) == ("ADDED", "batch/v1beta1", "x")


async def test_a_revision_that_is_gone_is_said_at_once(cluster: Cluster) -> None:
    await make(cluster, "a")
    await cluster.server.service.store.compact(0)
    for headers in ({}, TABLE, PARTIAL):
        async with watched(cluster, f"{MAPS}?watch=1&resourceVersion=1", headers) as seen:
            kind, obj = await seen.event()
            assert (kind, obj["kind"], obj["code"], obj["reason"]) == ("ERROR", "Status", 410, "Expired")
            assert obj["message"].startswith("too old resource version: 1 (")
            await seen.ended()


async def test_what_a_watch_answers_with(cluster: Cluster) -> None:
    async with watched(cluster, f"{MAPS}?watch=1&timeoutSeconds=1", {"Accept-Encoding": "gzip"}) as seen:
        headers = seen.answer.headers
        assert (headers["Content-Type"], headers["Transfer-Encoding"]) == ("application/json", "chunked")
        assert "Content-Encoding" not in headers
        await seen.ended()
    for accept in ("application/yaml", "application/vnd.kubernetes.protobuf;stream=watch"):
        async with cluster.http.get(f"{cluster.url}{MAPS}?watch=1", headers={"Accept": accept}) as refused:
            assert (refused.status, refused.headers["Content-Type"]) in (
                (406, "application/json"), (406, "application/yaml"))
            assert "only the following media types are accepted: application/json;stream=watch" in await refused.text()


async def test_a_watch_over_a_websocket(cluster: Cluster) -> None:
    await make(cluster, "a")
    url = cluster.url.replace("https", "wss")
    async with cluster.http.ws_connect(f"{url}{MAPS}?watch=1") as socket:
        first = await socket.receive_json(timeout=20)
        assert (first["type"], first["object"]["metadata"]["name"]) == ("ADDED", "a")
        await socket.send_str("what a client says is not heard")
        await make(cluster, "b")
        assert (await socket.receive_json(timeout=20))["object"]["metadata"]["name"] == "b"
    async with asyncio.timeout(10):
        while cluster.server._resources._streamer._tasks:
            await cluster.request("GET", MAPS)
    async with cluster.http.ws_connect(f"{url}{MAPS}?watch=1&timeoutSeconds=1&resourceVersion=1") as socket:
        assert (await socket.receive_json(timeout=20))["type"] in ("ADDED", "ERROR")
        while (await socket.receive(timeout=20)).type == aiohttp.WSMsgType.TEXT:
            pass
        assert socket.closed


async def test_a_browser_shows_its_token_as_a_protocol(cluster: Cluster) -> None:
    await cluster.request("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "web"}}, code=201)
    made = await cluster.request("POST", "/api/v1/namespaces/default/serviceaccounts/web/token", {}, code=201)
    await cluster.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
        "metadata": {"name": "web"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                                                 "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": "default"}]}, code=201)
    shown = base64.urlsafe_b64encode(made["status"]["token"].encode()).decode().rstrip("=")
    bearer = f"base64url.bearer.authorization.k8s.io.{shown}"
    url = f"{cluster.url.replace('https', 'wss')}{MAPS}?watch=1"
    await make(cluster, "a")
    connector = aiohttp.TCPConnector(ssl=client_context(cluster.authority))
    async with aiohttp.ClientSession(connector=connector) as http:
        async with http.ws_connect(url, protocols=(bearer, "base64.binary.k8s.io")) as socket:
            assert socket.protocol == "base64.binary.k8s.io"
            assert (await socket.receive_json(timeout=20))["type"] == "ADDED"
        for protocols, code in (((bearer,), 401), ((bearer[:-4], "x"), 401), (("x",), 403)):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(url, protocols=protocols)
            assert refused.value.status == code


async def test_three_hundred_watchers_see_the_same(cluster: Cluster) -> None:
    connector = aiohttp.TCPConnector(ssl=cluster.http.connector._ssl, limit=0)  # type: ignore[union-attr]
    revision = await make(cluster, "before")
    async with aiohttp.ClientSession(connector=connector) as http, contextlib.AsyncExitStack() as open_watches:
        async def begin() -> aiohttp.ClientResponse:
            return await open_watches.enter_async_context(
                http.get(f"{cluster.url}{MAPS}?watch=1&resourceVersion={revision}"))

        answers = [await begin() for _ in range(300)]
        for name in ("a", "b", "c"):
            await make(cluster, name)
        lines = await asyncio.gather(*(Watching(answer).named(3) for answer in answers))
        assert all(line == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")] for line in lines)


async def test_more_watches_than_there_may_be(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_watch, "MOST_WATCHES", 1)
    async with watched(cluster, f"{MAPS}?watch=1"), \
            cluster.http.get(f"{cluster.url}{MAPS}?watch=1") as second:
        assert (second.status, second.headers["Retry-After"]) == (429, "1")


async def test_a_reader_that_does_not_read_is_let_go(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_watch, "SLOWEST_SECONDS", 0.3)
    for number in range(12):
        body = {"metadata": {"name": f"m{number}"}, "data": {"a": "x" * 700_000}}
        await cluster.request("POST", MAPS, body, code=201)
    identity = cluster.authority.issue("slow", "system:masters")
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", cluster.server.port, ssl=client_context(cluster.authority, identity), limit=1024)
    writer.write(f"GET {MAPS}?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    async with asyncio.timeout(20):
        assert b" 200 " in await reader.readline()
        while cluster.server._resources._streamer._tasks:
            await cluster.request("GET", f"{MAPS}?limit=1")
        with contextlib.suppress(ConnectionError):
            while await reader.read(1 << 20):
                pass
    writer.close()
