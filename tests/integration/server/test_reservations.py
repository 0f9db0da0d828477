"""The whole server: reservations of the ConfigMap and addresses of nodes arrive in the file the ground reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from edge.dhcp import ground, reservations, wishes
from tests.fakes.broker import PROGRAM
from tests.integration.server.test_server import Rack, rack

__all__ = ["rack"]

pytestmark = pytest.mark.skipif(not PROGRAM, reason="mosquitto is not installed")
MAPS = "/api/v1/namespaces/kube-system/configmaps"
BOUND = 30.0
MAC = "02:ed:9e:00:00:01"


async def wished(rack: Rack, condition: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Return the wishes once they are as they should be."""
    path = rack.settings.rack.wishes_dir / reservations.WISHES_FILE
    async with asyncio.timeout(BOUND):
        while True:
            if path.exists():
                found: dict[str, Any] = json.loads(path.read_text())
                if condition(found):
                    return found
            await asyncio.sleep(0.05)


def lease(rack: Rack, address: str) -> None:
    state = rack.settings.rack.state_dir
    state.mkdir(parents=True, exist_ok=True)
    (state / "dnsmasq.leases").write_text(f"0 {MAC} {address} * *\n")
    (state / ground.FILE).write_bytes(ground.encode(ground.Ground(
        server="dnsmasq", leases=str(state / "dnsmasq.leases"), first="10.0.0.2", last="10.0.0.254")))


async def test_a_reservation_comes_and_goes(rack: Rack) -> None:
    value = json.dumps({"mac": MAC, "name": "camera"})
    code, _ = await rack.call("POST", MAPS, {"metadata": {"name": wishes.NAME}, "data": {"10.0.0.20": value}})
    assert code == 201
    found = await wished(rack, lambda found: found.get("reservations"))
    assert found["reservations"] == [{"address": "10.0.0.20", "mac": MAC, "name": "camera"}]
    code, _ = await rack.call("DELETE", f"{MAPS}/{wishes.NAME}")
    assert code == 200
    await wished(rack, lambda found: not found.get("reservations"))


async def test_a_node_keeps_the_address_it_has_leased_until_its_object_goes(rack: Rack) -> None:
    lease(rack, "10.0.0.7")
    code, node = await rack.call("POST", "/api/v1/nodes", {"metadata": {"name": "node-7"}})
    assert code == 201
    node["metadata"].pop("resourceVersion")  # controllers write to it too
    node["status"] = {"addresses": [{"type": "InternalIP", "address": "10.0.0.7"}],
                      "nodeInfo": {"systemUUID": "10000000a1b2c3d4"}}
    code, _ = await rack.call("PUT", "/api/v1/nodes/node-7/status", node)
    assert code == 200
    found = await wished(rack, lambda found: found.get("nodes"))
    assert found["nodes"] == [{"address": "10.0.0.7", "mac": MAC, "node": "node-7"}]
    assert found["boards"] == {"10000000a1b2c3d4": MAC}
    (rack.settings.rack.state_dir / "dnsmasq.leases").write_text("")
    code, report = await rack.call("GET", "/edge/v1/rack/leases")
    assert (code, report["leases"], report["pool"]["size"]) == (200, [], 253)
    assert (await wished(rack, lambda found: True))["nodes"] == found["nodes"]
    code, _ = await rack.call("DELETE", "/api/v1/nodes/node-7")
    assert code == 200
    await wished(rack, lambda found: not found.get("nodes"))
