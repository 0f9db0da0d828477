"""The whole server: an entry in the list of revoked keys ends everything its owner has, on the API and on the bus."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from edge.bus import interface, mqtt, topics
from edge.clock import SystemClock
from edge.ids import SystemIds
from edge.pki import authority, names, revocation, revocation_list
from edge.rack import revoked
from tests.fakes.broker import PROGRAM
from tests.integration.server.test_server import Rack, rack

__all__ = ["rack"]

pytestmark = pytest.mark.skipif(not PROGRAM, reason="mosquitto is not installed")
MAPS = "/api/v1/namespaces/kube-system/configmaps"
BOUND = 30.0


async def revoke(rack: Rack, *keys: str) -> None:
    entries = {revocation.entry(key): revocation.written(revocation.Revocation(name="node-1", reason="stolen"))
               for key in keys}
    code, _ = await rack.call("POST", MAPS, {"metadata": {"name": revocation.NAME}, "data": entries})
    assert code == 201


async def wished(rack: Rack, count: int) -> bytes:
    """Return the list the server has left for the broker once it has so many entries."""
    path = rack.settings.rack.wishes_dir / revocation.FILE
    ca = (rack.broker.folder / "ca.crt").read_bytes()
    async with asyncio.timeout(BOUND):
        while True:
            if path.exists() and len(revocation_list.read(path.read_bytes(), ca)) == count:
                return path.read_bytes()
            await asyncio.sleep(0.02)


async def test_a_revoked_node_loses_its_session_and_a_new_key_gets_one(rack: Rack) -> None:
    context = rack.broker.node_context("node-1")
    key = authority.spki_hash((rack.broker.folder / "node-1.crt").read_bytes())
    bus = mqtt.MqttBus(mqtt.Settings(host="localhost", port=rack.broker.port, client_id="node-1", ssl_context=context),
                       SystemClock(), SystemIds())
    await bus.start()
    events = bus.events()
    assert await asyncio.wait_for(anext(events), BOUND) == interface.Connected()
    await revoke(rack, key)
    chosen = revoked.choose(await wished(rack, 1), b"", (rack.broker.folder / "ca.crt").read_bytes())
    rack.broker.configure(chosen.pem.encode())
    rack.broker.kill()
    rack.broker.start()
    reasons = []
    async with asyncio.timeout(BOUND):
        async for event in events:
            assert isinstance(event, interface.Disconnected)
            reasons.append(event.reason)
            if "key was revoked" in event.reason:
                break
    await bus.stop()
    again = mqtt.MqttBus(mqtt.Settings(
        host="localhost", port=rack.broker.port, client_id="node-1", ssl_context=rack.broker.node_context("node-1"),
        subscriptions=(topics.CLUSTER_NODES,)), SystemClock(), SystemIds())
    await again.start()
    try:
        # The server is back by itself and publishes what nodes need, to the new key.
        events = again.events()
        assert await asyncio.wait_for(anext(events), BOUND) == interface.Connected()
        assert isinstance(await asyncio.wait_for(anext(events), BOUND), interface.Message)
    finally:
        await again.stop()


async def test_a_watch_of_a_revoked_certificate_ends_without_being_asked(rack: Rack, tmp_path: Path) -> None:
    pair = authority.issue(rack.broker.ca, names.admin(), SystemClock().now())
    (tmp_path / "jane.crt").write_bytes(pair.certificate)
    (tmp_path / "jane.key").write_bytes(pair.key)
    identity = (tmp_path / "jane.crt", tmp_path / "jane.key")
    connector = aiohttp.TCPConnector(ssl=rack.context(*identity))
    url = f"https://localhost:{rack.settings.port}{MAPS}?watch=1&resourceVersion=0"
    async with aiohttp.ClientSession(connector=connector) as http, http.get(url) as answer:
        assert answer.status == 200
        await revoke(rack, authority.spki_hash(pair.certificate))
        with pytest.raises(aiohttp.ClientError):
            await asyncio.wait_for(answer.read(), BOUND)
    code, body = await rack.call("GET", MAPS, identity=identity)
    assert (code, "was revoked" in body["message"]) == (401, True)


async def test_the_servers_own_keys_stay_whoever_revokes_them(rack: Rack) -> None:
    folder = rack.broker.folder
    own = [authority.spki_hash((folder / name).read_bytes()) for name in ("edge-server.crt", "ca.crt", "broker.crt")]
    await revoke(rack, *own, "sha256:" + "ab" * 32)
    listed = revocation_list.read(await wished(rack, 1), (folder / "ca.crt").read_bytes())
    assert listed == {revocation.serial("sha256:" + "ab" * 32)}
    assert (await rack.call("GET", MAPS))[0] == 200


async def test_taking_back_and_damage_are_put_right(rack: Rack) -> None:
    key = "sha256:" + "ab" * 32
    await revoke(rack, key)
    await wished(rack, 1)
    path = rack.settings.rack.wishes_dir / revocation.FILE
    path.write_text("half a l")
    entry = {revocation.entry("sha256:" + "cd" * 32): "{}"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(
            ssl=rack.context(rack.broker.folder / "admin.crt", rack.broker.folder / "admin.key"))) as http:
        url = f"https://localhost:{rack.settings.port}{MAPS}/{revocation.NAME}"
        sent = {"Content-Type": "application/merge-patch+json"}
        async with http.patch(url, headers=sent, json={"data": entry}) as answer:
            assert answer.status == 200
    async with asyncio.timeout(BOUND):
        while True:
            if path.read_text() != "half a l":
                break
            await asyncio.sleep(0.02)
    await wished(rack, 2)
    assert (await rack.call("DELETE", f"{MAPS}/{revocation.NAME}"))[0] == 200
    await wished(rack, 0)
    assert revoked.choose(path.read_bytes(), b"", (rack.broker.folder / "ca.crt").read_bytes()).pem == ""


async def test_a_rack_where_nothing_was_revoked_has_no_list(rack: Rack) -> None:
    assert not (rack.settings.rack.wishes_dir / revocation.FILE).exists()


async def test_what_was_refused_on_the_bus_is_counted_for_all_to_see(rack: Rack) -> None:
    bus = mqtt.MqttBus(mqtt.Settings(host="localhost", port=rack.broker.port, client_id="node-1",
                                     ssl_context=rack.broker.node_context("node-1")), SystemClock(), SystemIds())
    await bus.start()
    try:
        assert await asyncio.wait_for(anext(bus.events()), BOUND) == interface.Connected()
        await bus.publish(topics.heartbeat("node-1"), b"{")
        await bus.publish(topics.reported_pod("node-1", "u"), b"kept", retain=True)
        folder = rack.broker.folder
        connector = aiohttp.TCPConnector(ssl=rack.context(folder / "admin.crt", folder / "admin.key"))
        wanted = {'edge_bus_refused_total{branch="heartbeat",reason="malformed"} 1',
                  'edge_bus_refused_total{branch="reported/pods",reason="retained"} 1'}
        async with asyncio.timeout(BOUND), aiohttp.ClientSession(connector=connector) as http:
            while True:
                async with http.get(f"https://localhost:{rack.settings.port}/metrics") as answer:
                    if wanted <= set((await answer.text()).splitlines()):
                        break
                await asyncio.sleep(0.02)
    finally:
        await bus.stop()
