"""What is large, deep, slow or broken off: refused or borne, in bounded memory, while others are answered."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from edge.apiserver import body_room, http_large
from tests.integration.conftest import Cluster, client_context

MAPS = "/api/v1/namespaces/default/configmaps"
MERGE = {"Content-Type": "application/merge-patch+json"}


@contextlib.asynccontextmanager
async def connected(cluster: Cluster, context: ssl.SSLContext | None = None
                    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection as somebody who may do everything."""
    context = context or admin(cluster)
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.server.port, ssl=context, limit=1024)
    try:
        async with asyncio.timeout(60):
            yield reader, writer
    finally:
        writer.transport.abort()


def admin(cluster: Cluster) -> ssl.SSLContext:
    return client_context(cluster.authority, cluster.authority.issue("somebody", "system:masters"))


async def status(reader: asyncio.StreamReader) -> int:
    return int((await reader.readline()).split(b" ", 2)[1])


def deep(levels: int) -> bytes:
    return b'{"metadata":{"name":"a"},"data":' + b'{"a":' * levels + b"1" + b"}" * levels + b"}"


@pytest.mark.parametrize("levels", [100, 500, 1_000, 5_000, 100_000])
async def test_depth(cluster: Cluster, levels: int) -> None:
    for method, path, headers in (("POST", MAPS, {}), ("PATCH", f"{MAPS}/a", MERGE), ("PUT", f"{MAPS}/a", {}),
                                  ("DELETE", f"{MAPS}/a", {})):
        answer = await cluster.request(method, path, deep(levels), headers=headers)
        assert answer["code"] in (400, 404), answer
    for body in (b"[" * levels, b'[{"op":"add","path":"/data","value":' + b"[" * levels + b"]" * levels + b"}]"):
        answer = await cluster.request("PATCH", f"{MAPS}/a", body,
                                       headers={"Content-Type": "application/json-patch+json"})
        assert answer["code"] in (400, 404), answer
    await cluster.request("GET", MAPS, code=200)


async def test_ten_thousand_labels(cluster: Cluster) -> None:
    labels = {f"label-{number}": "x" * 20 for number in range(10_000)}
    await cluster.request("POST", MAPS, {"metadata": {"name": "a", "labels": labels}}, code=201)
    found = await cluster.request("GET", f"{MAPS}?labelSelector=label-9999,label-0%3D{'x' * 20}", code=200)
    assert len(found["items"][0]["metadata"]["labels"]) == 10_000


async def test_sizes(cluster: Cluster) -> None:
    large = await cluster.request("POST", MAPS, {"metadata": {"name": "a"}, "data": {"a": "x" * 1_048_577}}, code=422)
    assert "Too long: may not be more than 1048576 bytes" in large["message"]
    over = await cluster.request("POST", MAPS, b" " * (3 * 1024 * 1024 + 1), code=413)
    assert (over["reason"], over["message"]) == (
        "RequestEntityTooLarge", "Request entity too large: limit is 3145728")
    for number in range(3):
        body = {"data": {f"k{number}": "x" * 500_000}}
        await cluster.request("PATCH" if number else "POST", f"{MAPS}/b" if number else MAPS,
                              body if number else {"metadata": {"name": "b"}, **body},
                              headers=MERGE if number else {}, code=[201, 200, 422][number])


async def test_a_large_body_is_refused_before_it_is_read(cluster: Cluster) -> None:
    async with connected(cluster) as (reader, writer):
        writer.write(f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Length: {1 << 40}\r\n\r\n".encode())
        assert await status(reader) == 413
    async with connected(cluster) as (reader, writer):
        writer.write(f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        for _ in range(49):
            writer.write(piece)
            await writer.drain()
        assert await status(reader) == 413


async def test_heads_that_are_too_large(cluster: Cluster) -> None:
    for head in (f"GET {MAPS}?a={'x' * 100_000} HTTP/1.1\r\nHost: x\r\n\r\n",
                 f"GET {MAPS} HTTP/1.1\r\nHost: x\r\nA: {'x' * 100_000}\r\n\r\n"):
        async with connected(cluster) as (reader, writer):
            writer.write(head.encode())
            assert await status(reader) == 400
    await cluster.request("GET", f"{MAPS}?labelSelector={'x' * 60_000}", code=400)


async def test_bodies_that_stop_half_way_write_nothing(cluster: Cluster) -> None:
    body = msgspec.json.encode({"metadata": {"name": "half"}, "data": {"a": "x" * 1000}})
    head = f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    context = admin(cluster)
    for end in (0, 1, len(body) // 2, len(body) - 1):
        async with connected(cluster, context) as (_, writer):
            writer.write(head.encode() + body[:end])
            await writer.drain()
    async with connected(cluster, context) as (_, writer):
        writer.write(head.encode()[:-10])
        await writer.drain()
    await cluster.request("GET", MAPS, code=200)
    assert (await cluster.request("GET", MAPS))["items"] == []


async def test_a_write_whose_client_has_gone_is_carried_out(cluster: Cluster) -> None:
    body = msgspec.json.encode({"metadata": {"name": "whole"}})
    async with connected(cluster) as (_, writer):
        writer.write(f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.transport.abort()
    async with cluster.http.get(f"{cluster.url}{MAPS}?watch=1") as seen, asyncio.timeout(10):
        event = msgspec.json.decode(await seen.content.readline())
        assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "whole")


async def test_three_hundred_slow_writers_delay_nobody(cluster: Cluster) -> None:
    context = admin(cluster)
    async with contextlib.AsyncExitStack() as slow:
        for _ in range(300):
            _, writer = await slow.enter_async_context(connected(cluster, context))
            writer.write(f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{{".encode())
        async with asyncio.timeout(10):
            for number in range(20):
                await cluster.request("POST", MAPS, {"metadata": {"name": f"m{number}"}}, code=201)


async def fill(cluster: Cluster, megabytes: int) -> None:
    for number in range(megabytes):
        await cluster.request("POST", MAPS, {"metadata": {"name": f"m{number}"}, "data": {"a": "x" * 1_000_000}},
                              code=201)


async def listing(writer: asyncio.StreamWriter) -> None:
    writer.write(f"GET {MAPS} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: identity\r\n\r\n".encode())
    await writer.drain()


async def test_a_list_nobody_reads_is_given_up(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_large, "SLOWEST_SECONDS", 0.3)
    await fill(cluster, 10)
    async with connected(cluster) as (reader, writer):
        await listing(writer)
        assert await status(reader) == 200
        room = cluster.server._large._room
        while room.left_bytes != http_large.MOST_BYTES:
            await cluster.request("GET", f"{MAPS}?limit=1", code=200)
            await asyncio.sleep(0.05)
        read = 0
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while piece := await reader.read(1 << 20):
                read += len(piece)
        assert read < 10_000_000


async def test_a_list_that_is_read_slowly_comes_whole(cluster: Cluster) -> None:
    await fill(cluster, 3)
    async with connected(cluster) as (reader, writer):
        await listing(writer)
        assert await status(reader) == 200
        length = 0
        while (line := await reader.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        parts: list[bytes] = []
        while (got := sum(map(len, parts))) < length:
            parts.append(await reader.read(min(200_000, length - got)))
            await asyncio.sleep(0)
        assert len(msgspec.json.decode(b"".join(parts))["items"]) == 3


async def test_lists_under_way_leave_room(cluster: Cluster) -> None:
    await fill(cluster, 10)
    cluster.server._large._room = body_room.Room(15_000_000)
    async with connected(cluster) as (reader, writer):
        await listing(writer)
        assert await status(reader) == 200
        async with cluster.http.get(cluster.url + MAPS, headers={"Accept-Encoding": "identity"}) as refused:
            answer: dict[str, Any] = await refused.json()
            assert (refused.status, refused.headers["Retry-After"], answer["reason"]) == (429, "1", "TooManyRequests")
        await cluster.request("GET", f"{MAPS}/m1", code=200)


async def test_pages_keep_lists_small(cluster: Cluster) -> None:
    await fill(cluster, 4)
    token, seen = "", 0
    while True:
        page = await cluster.request("GET", f"{MAPS}?limit=1&continue={token}", code=200)
        seen += len(page["items"])
        token = page["metadata"].get("continue", "")
        if not token:
            break
    assert seen == 4
