"""Revoked keys at the API: refused at once, on connections that are open too, and what they have running ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

import aiohttp
import pytest

from edge.api import core, meta
from edge.pki import authority as pki
from edge.pki import names, revocation
from tests.integration.apiserver.test_attacks_floods import until
from tests.integration.apiserver.test_streams import POD, Agent, agent
from tests.integration.conftest import Cluster, client_context

__all__ = ["agent"]

T = TypeVar("T")
MAPS = "/api/v1/namespaces/kube-system/configmaps"
BOUND = 20.0


async def soon(what: Awaitable[T]) -> T:
    """Wait for something with a bound."""
    return await asyncio.wait_for(what, BOUND)


def key_of(identity: tuple[Path, Path]) -> str:
    return pki.spki_hash(identity[0].read_bytes())


async def revoke(cluster: Cluster, key: str, name: str = "jane") -> None:
    """Write the entry and do what the server's loop does when it sees it."""
    entry = revocation.Revocation(name=name, by="kubernetes-admin", at="2026-11-21T10:00:00Z", reason="card stolen")
    await cluster.client.create(core.ConfigMap(
        metadata=meta.ObjectMeta(name=revocation.NAME, namespace=revocation.NAMESPACE),
        data={revocation.entry(key): revocation.written(entry)}))
    cluster.server.end_revoked()


@pytest.fixture
def jane(cluster: Cluster) -> tuple[Path, Path]:
    return cluster.authority.issue("jane", "system:masters")


async def test_a_revoked_certificate_is_refused_on_the_next_request_of_an_open_connection(
        cluster: Cluster, jane: tuple[Path, Path]) -> None:
    context = client_context(cluster.authority, jane)
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.server.port, ssl=context)
    asking = b"GET /api/v1/nodes HTTP/1.1\r\nHost: x\r\n\r\n"
    writer.write(asking)
    assert b" 200 " in await soon(reader.readline())
    entry = revocation.Revocation(name="jane", reason="card stolen")
    await cluster.client.create(core.ConfigMap(
        metadata=meta.ObjectMeta(name=revocation.NAME, namespace=revocation.NAMESPACE),
        data={revocation.entry(key_of(jane)): revocation.written(entry)}))
    writer.write(asking)
    async with asyncio.timeout(BOUND):
        while not (line := await reader.readline()).startswith((b"HTTP/1.1 4", b"{\"kind\":\"Status\"")) and line:
            pass
    assert b" 401 " in line
    writer.close()


async def test_the_refusal_says_who_and_why(cluster: Cluster, jane: tuple[Path, Path]) -> None:
    await revoke(cluster, key_of(jane))
    connector = aiohttp.TCPConnector(ssl=client_context(cluster.authority, jane))
    async with aiohttp.ClientSession(connector=connector) as http:
        for headers in ({}, {"Authorization": "Bearer whatever"}):
            async with http.get(f"{cluster.url}/api/v1/nodes", headers=headers) as answer:
                assert answer.status == 401
                assert "of jane was revoked by kubernetes-admin at 2026-11-21T10:00:00Z: card stolen" in (
                    (await answer.json())["message"])
    await cluster.request("GET", "/api/v1/nodes", code=200)


async def test_what_a_revoked_user_watches_ends_and_what_others_watch_does_not(
        cluster: Cluster, jane: tuple[Path, Path]) -> None:
    connector = aiohttp.TCPConnector(ssl=client_context(cluster.authority, jane))
    url = f"{cluster.url}/api/v1/nodes?watch=1"
    async with aiohttp.ClientSession(connector=connector) as http, http.get(url) as hers, \
            cluster.http.get(url) as other:
        assert (hers.status, other.status) == (200, 200)
        await revoke(cluster, key_of(jane))
        with pytest.raises(aiohttp.ClientError):
            await soon(hers.read())
        await cluster.client.create(core.Node(metadata=meta.ObjectMeta(name="node-9")))
        assert b"node-9" in await soon(other.content.readline())
    await until(lambda: not cluster.server._resources.watches)


async def test_streams_of_a_revoked_user_end(cluster: Cluster, agent: Agent, jane: tuple[Path, Path]) -> None:
    connector = aiohttp.TCPConnector(ssl=client_context(cluster.authority, jane))
    url = f"{cluster.url}{POD}/web/exec?command=cat&stdin=true&stdout=true&tty=false"
    async with aiohttp.ClientSession(connector=connector) as http, \
            http.ws_connect(url, protocols=("v5.channel.k8s.io",)) as socket:
        await socket.send_bytes(b"y")
        assert await soon(socket.receive_bytes()) == b"y"
        await revoke(cluster, key_of(jane))
        assert (await soon(socket.receive())).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


async def test_streams_to_a_revoked_node_end_and_it_is_dialed_no_more(cluster: Cluster, agent: Agent) -> None:
    key = pki.spki_hash((cluster.authority.folder / "node-1.crt").read_bytes())
    url = f"{cluster.url}{POD}/web/exec?command=cat&stdin=true&stdout=true&tty=false"
    async with cluster.http.ws_connect(url, protocols=("v5.channel.k8s.io",)) as socket:
        await socket.send_bytes(b"y")
        assert await soon(socket.receive_bytes()) == b"y"
        await revoke(cluster, key, "node-1")
        assert (await soon(socket.receive())).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    agent.asked.clear()
    # No annotation says whose key it is: the agent itself shows it, in the handshake.
    for path in ("log", "proxy/x"):
        async with cluster.http.get(f"{cluster.url}{POD}/web/{path}") as answer:
            assert answer.status in (500, 503)
            assert "revoked" in (await answer.json())["message"]
    async with cluster.http.post(url, headers={"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}) as answer:
        assert answer.status == 500
        assert "revoked" in (await answer.json())["message"]
    assert agent.asked == []


async def test_logs_of_a_node_whose_key_is_known_to_be_revoked_say_so(cluster: Cluster, agent: Agent) -> None:
    key = pki.spki_hash((cluster.authority.folder / "node-1.crt").read_bytes())
    await cluster.client.patch(core.Node, "node-1", "", {"metadata": {"annotations": {names.KEY_ANNOTATION: key}}})
    await revoke(cluster, key, "node-1")
    ran = await cluster.kubectl("logs", "web", code=1)
    assert "node node-1 is not spoken to: the key" in ran.err
    assert "was revoked by kubernetes-admin" in ran.err
    assert agent.asked == []


async def test_the_servers_own_key_cannot_be_revoked(cluster: Cluster, agent: Agent,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    key = pki.spki_hash((cluster.authority.folder / "node-1.crt").read_bytes())
    monkeypatch.setattr(cluster.server.revoked, "_keep", frozenset([key]))
    await revoke(cluster, key)
    assert (await cluster.kubectl("logs", "web")).out == "first\nlast\n"


async def test_a_revocation_that_is_taken_back_lets_the_key_in_again(
        cluster: Cluster, jane: tuple[Path, Path]) -> None:
    await revoke(cluster, key_of(jane))
    await cluster.request("DELETE", f"{MAPS}/{revocation.NAME}", code=200)
    connector = aiohttp.TCPConnector(ssl=client_context(cluster.authority, jane))
    async with aiohttp.ClientSession(connector=connector) as http, http.get(f"{cluster.url}/api/v1/nodes") as answer:
        assert answer.status == 200


async def test_nodes_and_readers_cannot_write_the_list(cluster: Cluster) -> None:
    await cluster.kubectl("create", "clusterrolebinding", "readers", "--clusterrole=view", "--user=joe")
    body = {"metadata": {"name": revocation.NAME}, "data": {}}
    node = {"Impersonate-User": "system:node:node-1", "Impersonate-Group": "system:nodes"}
    for headers in ({"Impersonate-User": "joe"}, node):
        await cluster.request("POST", MAPS, body, headers=headers, code=403)
        await cluster.request("DELETE", f"{MAPS}/{revocation.NAME}", headers=headers, code=403)
