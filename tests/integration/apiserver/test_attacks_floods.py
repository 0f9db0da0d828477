"""Many requests at once, from people with few rights or none: memory and log stay bounded, others are still served."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from edge.apiserver import body_room, watch_shares
from tests.integration.conftest import Cluster, client_context

MAPS = "/api/v1/namespaces/default/configmaps"


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that the server gets to know a moment later."""
    async with asyncio.timeout(20):
        while True:
            if holds():
                return
            await asyncio.sleep(0.01)


async def test_bodies_under_way_leave_room(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    room = cluster.server._resources._room
    monkeypatch.setattr(room, "left_bytes", 300_000)
    context = client_context(cluster.authority, cluster.authority.issue("slow", "system:masters"))
    head = f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2000000\r\n\r\n"
    writers = []
    for _ in range(2):
        _, writer = await asyncio.open_connection("127.0.0.1", cluster.server.port, ssl=context)
        writer.write(head.encode() + b" " * 140_000)
        await writer.drain()
        writers.append(writer)
    await until(lambda: room.left_bytes <= 25_000)
    body = {"metadata": {"name": "one"}, "data": {"a": "x" * 50_000}}
    async with cluster.http.post(cluster.url + MAPS, json=body) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, str(body_room.RETRY_SECONDS))
    for writer in writers:
        writer.close()
    await until(lambda: room.left_bytes == 300_000)
    await cluster.request("POST", MAPS, body, code=201)
    assert room.left_bytes == 300_000


@pytest.mark.parametrize("sent", [
    b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX: \x00\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"])
async def test_what_is_no_request_fills_no_log(cluster: Cluster, caplog: pytest.LogCaptureFixture, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.server.port,
                                                   ssl=client_context(cluster.authority))
    with caplog.at_level(logging.INFO):
        writer.write(sent)
        async with asyncio.timeout(20):
            assert b" 400 " in await reader.readline()
    writer.close()
    assert [record for record in caplog.records if record.levelno >= logging.INFO and record.name != "asyncio"] == []


async def test_nobody_takes_the_watches_of_all(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_shares, "MOST_OF_ONE", 2)
    await cluster.kubectl("create", "clusterrolebinding", "readers", "--clusterrole=view", "--user=jane", "--user=joe")
    path = f"{cluster.url}{MAPS}?watch=1"
    jane, joe = {"Impersonate-User": "jane"}, {"Impersonate-User": "joe"}
    first = await cluster.http.get(path, headers=jane)
    async with cluster.http.get(path, headers=jane) as second:
        assert (first.status, second.status) == (200, 200)
        async with cluster.http.get(path, headers=jane) as third, cluster.http.get(path, headers=joe) as other:
            assert (third.status, other.status) == (429, 200)
        answers = [await cluster.http.get(path) for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 200]
        for answer in (*answers, first):
            answer.close()
    shares = cluster.server._resources._shares
    await until(lambda: not shares._open["jane"])
    async with cluster.http.get(path, headers=jane) as again:
        assert again.status == 200
