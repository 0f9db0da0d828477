"""Many requests at once, from people with few rights or none: memory and log stay bounded, others are still served."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from dataclasses import replace

import aiohttp
import pytest

from edge.apiserver import body_room, http, watch_shares
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


async def test_silent_connections_lock_out_neither_watchers_nor_who_comes_next(cluster: Cluster) -> None:
    folder = cluster.authority.folder
    context = client_context(cluster.authority, (folder / "kubernetes-admin.crt", folder / "kubernetes-admin.key"))
    many = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=0))
    watching = [await many.get(f"{cluster.url}{MAPS}?watch=1") for _ in range(120)]
    silent = []
    for number in range(2 * http.LIMITS.from_one):
        one = socket.socket()
        one.bind((f"127.0.0.{10 + number % 8}", 0))
        one.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            one.connect(("127.0.0.1", cluster.server.port))
        silent.append(one)
    try:
        door = cluster.server._door
        assert door is not None
        await until(lambda: door.strangers == len(silent))
        await cluster.kubectl("create", "configmap", "new")
        assert {answer.status for answer in watching} == {200}
        async with asyncio.timeout(20):
            assert b'"new"' in await watching[-1].content.readline()
        async with cluster.http.get(f"{cluster.url}/metrics") as answer:
            told = dict(line.rsplit(" ", 1) for line in (await answer.text()).splitlines() if line[:1] != "#")
            assert int(told["edge_tls_handshakes"]) > 0
            assert told["edge_tls_handshakes_dropped_total"] == "0"
    finally:
        for each in silent:
            each.close()
        await many.close()
    await until(lambda: not door.strangers)


async def test_who_is_slow_with_its_handshake_is_closed(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    assert http.LIMITS.handshake_seconds == 10.0
    assert cluster.server._door is not None
    monkeypatch.setattr(cluster.server._door, "_limits", replace(http.LIMITS, handshake_seconds=0.2))
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.server.port)
    writer.write(b"\x16\x03")
    async with asyncio.timeout(20):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()
