"""What a pod's network namespace is set to, on the real kernel and on the fake."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.network.interface import Links, Network, NetworkFailure
from tests.contracts import network_node
from tests.contracts.network_node import Node
from tests.fakes.network import FakeNetwork

GATEWAY = "10.244.1.1"
LINKS = Links(bridge_address=f"{GATEWAY}/24", dns_address="10.96.0.10", routes=())
DEFAULTS = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}


@pytest.fixture(params=["fake", "linux"])
async def network(request: pytest.FixtureRequest) -> AsyncIterator[Network]:
    if request.param == "fake":
        yield FakeNetwork()
        return
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and iproute2")
    async with network_node.running() as started:
        await started.apply_links(LINKS)
        yield started


async def setting(network: Network, uid: str, name: str) -> str:
    """Return a setting of a pod's namespace; of the fake, what was asked for."""
    if isinstance(network, Node):
        path = "/proc/sys/" + name.translate(str.maketrans("./", "/."))
        return " ".join((await network.run("ip", "netns", "exec", f"edge-{uid}", "cat", path)).split())
    assert isinstance(network, FakeNetwork)
    return network.sysctls[uid].get(name, DEFAULTS.get(name, ""))


async def test_what_was_asked_for_is_so_in_this_pod_alone(network: Network) -> None:
    asked = (("net.ipv4.tcp_keepalive_time", "77"), ("net.ipv4.ip_local_port_range", "40000 41000"),
             ("net.ipv4.ip_unprivileged_port_start", "1024"))
    await network.attach("pod-a", "10.244.1.2", 32, GATEWAY, asked)
    await network.attach("pod-b", "10.244.1.3", 32, GATEWAY)
    assert [await setting(network, "pod-a", name) for name, _ in asked] == [value for _, value in asked]
    assert await setting(network, "pod-b", "net.ipv4.tcp_keepalive_time") != "77"


async def test_ports_and_ping_need_no_rights_in_a_pod(network: Network) -> None:
    await network.attach("pod-a", "10.244.1.2", 32, GATEWAY)
    assert {name: await setting(network, "pod-a", name) for name in DEFAULTS} == DEFAULTS


async def test_what_the_kernel_does_not_know_leaves_nothing_behind(network: Network) -> None:
    if not isinstance(network, Node):
        pytest.skip("the fake has no kernel")
    with pytest.raises(NetworkFailure, match="net/ipv4/no_such"):
        await network.attach("pod-a", "10.244.1.2", 32, GATEWAY, (("net.ipv4.no_such", "1"),))
    assert await network.sandboxes() == ()
    assert "edge-pod-a" not in await network.run("ip", "netns", "list")
    with pytest.raises(NetworkFailure):
        await network.attach("pod-a", "10.244.1.2", 32, GATEWAY, (("net.ipv4.tcp_keepalive_time", "soon"),))
    await network.attach("pod-a", "10.244.1.2", 32, GATEWAY)
    assert len(await network.sandboxes()) == 1


async def test_the_nodes_own_settings_stay(network: Network) -> None:
    path = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    before = path.read_text()
    await network.attach("pod-a", "10.244.1.2", 32, GATEWAY, (("net.ipv4.ip_unprivileged_port_start", "7"),))
    assert path.read_text() == before
