"""What every Network promises: on the kernel (in namespaces the test makes itself), and on the fake."""

from __future__ import annotations

import asyncio
import errno
import importlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import pytest

from edge.api import topology
from edge.network import ruleset
from edge.network.interface import HostPort, Links, Network, NetworkFailure, Route, Sandbox
from tests.contracts import network_node
from tests.contracts.network_node import NODE_ADDRESS, OUTSIDE, Node

GATEWAY, VIP, DNS = "10.244.1.1", "10.96.5.5", "10.96.0.10"
LINKS = Links(bridge_address="10.244.1.1/24", dns_address=DNS,
              routes=(Route("10.244.2.0/24", OUTSIDE), Route("10.96.0.0/12", "")))
CLUSTER = topology.Cluster()
A, B = ("10.244.1.2", 8080), ("10.244.1.3", 8080)


def missing() -> str:
    """Return why there can be no real node here, empty when there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    return ", ".join(f"{program} is not installed" for program in ("unshare", "ip", "nft")
                     if shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") is None)


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    """A node with its bridge and routes."""
    if reason := missing():
        pytest.skip(reason)
    before = set(Path("/run/netns").glob("*"))
    async with network_node.running() as started:
        await started.apply_links(LINKS)
        yield started
    assert set(Path("/run/netns").glob("edge-pod-*")) <= before


@pytest.fixture(params=["fake", "linux"])
async def network(request: pytest.FixtureRequest) -> AsyncIterator[Network]:
    if request.param == "linux":
        if reason := missing():
            pytest.skip(reason)
        async with network_node.running() as started:
            yield started
        return
    try:
        fake: Network = importlib.import_module("tests.fakes.network").FakeNetwork()
    except ImportError:
        pytest.skip("there is no fake network")
    yield fake


async def pod(network: Network, uid: str, address: str) -> Sandbox:
    return await network.attach(uid, address, 32, GATEWAY)


async def serving(node: Node, uid: str, address: str, port: int = 8080, protocol: str = "tcp") -> str:
    """Make a pod that answers with its name; return its namespace."""
    namespace = Path((await pod(node, uid, address)).netns_path).name
    await node.listen(namespace, address, port, protocol)
    return namespace


def service(*backends: tuple[str, int], protocol: str = "TCP", node_port: int = 0, policy: str = "Cluster",
            affinity: int = 0, load_balancer: str = "") -> topology.Service:
    return topology.Service(
        namespace="default", name="web", cluster_ip=VIP, external_traffic_policy=policy,
        session_affinity_seconds=affinity, load_balancer_ips=(load_balancer,) if load_balancer else (),
        ports=(topology.ServicePort(name="http", port=80, protocol=protocol, node_port=node_port, backends=backends),),
        endpoints=tuple(topology.Endpoint(address=address, node="node-1") for address, _ in backends))


async def apply(node: Node, *services: topology.Service, host_ports: tuple[HostPort, ...] = ()) -> None:
    await node.apply_ruleset(ruleset.render(services, "node-1", host_ports))


class TestSandboxes:
    async def test_there_are_none_at_first(self, network: Network) -> None:
        assert await network.sandboxes() == ()

    async def test_attached_pods_are_listed_until_they_are_detached(self, network: Network) -> None:
        await network.apply_links(LINKS)
        one, two = await pod(network, "pod-1", "10.244.1.2"), await pod(network, "pod-2", "10.244.1.3")
        assert (one.pod_uid, one.address) == ("pod-1", "10.244.1.2")
        assert one.netns_path != two.netns_path
        assert set(await network.sandboxes()) == {one, two}
        await network.detach("pod-1")
        assert await network.sandboxes() == (two,)

    async def test_attaching_twice_is_one_sandbox(self, network: Network) -> None:
        await network.apply_links(LINKS)
        one = await pod(network, "pod-1", "10.244.1.2")
        assert await pod(network, "pod-1", "10.244.1.2") == one
        assert await network.sandboxes() == (one,)

    async def test_detaching_what_is_not_there_is_no_error(self, network: Network) -> None:
        await network.detach("pod-1")
        await network.apply_links(LINKS)
        await pod(network, "pod-1", "10.244.1.2")
        await network.detach("pod-1")
        await network.detach("pod-1")
        assert await network.sandboxes() == ()

    async def test_links_and_rules_can_be_applied_again(self, network: Network) -> None:
        for _ in range(2):
            await network.apply_links(LINKS)
            await network.apply_ruleset(ruleset.render((), "node-1"))

    async def test_many_at_once(self, network: Network) -> None:
        await network.apply_links(LINKS)
        made = await asyncio.gather(*(pod(network, f"pod-{n}", f"10.244.1.{n}") for n in range(2, 12)))
        assert set(await network.sandboxes()) == set(made)


class TestAgentRestart:
    async def test_sandboxes_are_found_again_and_still_work(self, node: Node) -> None:
        server = await serving(node, "pod-1", "10.244.1.2")
        before = await node.sandboxes()
        await node.restart()
        assert await node.sandboxes() == before
        assert await node.attach("pod-1", "10.244.1.2", 32, GATEWAY) == before[0]
        assert await node.who("", "10.244.1.2", 8080) == (server, GATEWAY)
        await node.detach("pod-1")
        assert "edge-pod-1" not in await node.run("ip", "netns", "list")
        await node.restart()
        assert await node.sandboxes() == ()

    async def test_a_pod_that_could_not_be_attached_leaves_nothing(self, node: Node) -> None:
        links = await node.run("ip", "link", "show")
        with pytest.raises(NetworkFailure):
            await pod(node, "pod-1", "no-address")
        assert "edge-pod-1" not in await node.run("ip", "netns", "list")
        assert await node.run("ip", "link", "show") == links
        assert await node.sandboxes() == ()
        assert (await pod(node, "pod-1", A[0])).address == A[0]

    async def test_a_half_made_namespace_is_cleaned(self, node: Node) -> None:
        await node.run("ip", "netns", "add", "edge-pod-1")
        await node.restart()
        assert await node.sandboxes() == ()
        assert "edge-pod-1" not in await node.run("ip", "netns", "list")
        server = await serving(node, "pod-1", "10.244.1.2")
        assert (await node.who("", "10.244.1.2", 8080))[0] == server

    async def test_a_namespace_that_was_removed_by_hand_is_made_again(self, node: Node) -> None:
        await serving(node, "pod-1", "10.244.1.2")
        await node.run("ip", "netns", "del", "edge-pod-1")  # Its server still runs in there.
        assert await node.sandboxes() == ()
        server = await serving(node, "pod-1", "10.244.1.3")
        assert (await node.who("", "10.244.1.3", 8080))[0] == server
        await node.detach("pod-1")
        assert await node.sandboxes() == ()

    async def test_namespaces_of_others_are_left_alone(self, node: Node) -> None:
        await node.restart()
        assert await node.sandboxes() == ()
        assert "outside" in await node.run("ip", "netns", "list")

    async def test_a_pod_attached_before_the_bridge_is_there_can_be_attached_later(self) -> None:
        if reason := missing():
            pytest.skip(reason)
        async with network_node.running() as node:
            with pytest.raises(NetworkFailure, match="ip"):
                await pod(node, "pod-1", "10.244.1.2")
            assert await node.sandboxes() == ()
            await node.apply_links(LINKS)
            server = await serving(node, "pod-1", "10.244.1.2")
            assert (await node.who("", "10.244.1.2", 8080))[0] == server


class TestLinks:
    async def test_pods_reach_each_other_and_other_nodes_pods_under_their_own_address(self, node: Node) -> None:
        one, two = await serving(node, "pod-1", A[0]), await serving(node, "pod-2", B[0])
        await node.listen("outside", "10.244.2.5", 8080)
        await apply(node)
        assert await node.who(one, *B) == (two, A[0])
        assert await node.who(one, "10.244.2.5", 8080) == ("outside", A[0])
        assert await node.who("outside", *A) == (one, OUTSIDE)

    async def test_neighbors_of_the_node_see_the_pods_own_address(self, node: Node) -> None:
        # The master translates it on the uplink (edge/rack/nat.py); on the rack's own wire there are routes back.
        one = await serving(node, "pod-1", A[0])
        await node.listen("outside", OUTSIDE, 8080)
        await apply(node)
        assert await node.who(one, OUTSIDE, 8080) == ("outside", A[0])

    async def test_routes_that_are_no_longer_wanted_go_and_those_of_others_stay(self, node: Node) -> None:
        await node.run("ip", "route", "add", "10.9.0.0/16", "via", OUTSIDE)
        await node.apply_links(Links(LINKS.bridge_address, LINKS.dns_address, (Route("10.244.3.0/24", OUTSIDE),)))
        routes = await node.run("ip", "route", "show")
        assert "10.244.3.0/24" in routes
        assert "10.244.2.0/24" not in routes
        assert "10.9.0.0/16" in routes

    async def test_a_route_follows_its_node(self, node: Node) -> None:
        await node.apply_links(Links(LINKS.bridge_address, LINKS.dns_address, (Route("10.244.2.0/24", "10.0.0.77"),)))
        assert "10.244.2.0/24 via 10.0.0.77" in await node.run("ip", "route", "show")

    async def test_what_a_link_that_went_down_took_along_comes_back(self, node: Node) -> None:
        await node.run("ip", "link", "set", "wire", "down")
        assert "10.244.2.0/24" not in await node.run("ip", "route", "show")
        with pytest.raises(NetworkFailure):
            await node.apply_links(LINKS)
        await node.run("ip", "link", "set", "wire", "up")
        await node.apply_links(LINKS)
        assert "10.244.2.0/24" in await node.run("ip", "route", "show")

    async def test_a_new_subnet_replaces_the_old_one(self, node: Node) -> None:
        await node.apply_links(Links("10.244.9.1/24", DNS, ()))
        shown = await node.run("ip", "-4", "address", "show", "dev", "edge0")
        assert "10.244.9.1/24" in shown
        assert "10.244.1.1/24" not in shown


class TestServices:
    async def test_an_address_leads_from_pods_and_the_node_to_every_backend(self, node: Node) -> None:
        one, two = await serving(node, "pod-1", A[0]), await serving(node, "pod-2", B[0])
        client = Path((await pod(node, "pod-3", "10.244.1.4")).netns_path).name
        await apply(node, service(A, B))
        assert {await node.who(client, VIP, 80) for _ in range(40)} == {(one, "10.244.1.4"), (two, "10.244.1.4")}
        assert {(await node.who("", VIP, 80))[0] for _ in range(40)} == {one, two}

    async def test_a_pod_reaches_itself_through_its_service(self, node: Node) -> None:
        one = await serving(node, "pod-1", A[0])
        await apply(node, service(A))
        assert await node.who(one, VIP, 80) == (one, GATEWAY)

    async def test_rules_that_somebody_flushed_come_back_and_others_are_left_alone(self, node: Node) -> None:
        one = await serving(node, "pod-1", A[0])
        await apply(node, service(A))
        handles = await node.run("nft", "-a", "list", "table", "ip", "edge")
        await apply(node, service(A))
        assert await node.run("nft", "-a", "list", "table", "ip", "edge") == handles
        await node.run("nft", "flush", "ruleset")
        await apply(node, service(A))
        assert (await node.who("", VIP, 80))[0] == one

    async def test_udp(self, node: Node) -> None:
        one = await serving(node, "pod-1", A[0], protocol="udp")
        client = Path((await pod(node, "pod-3", "10.244.1.4")).netns_path).name
        await apply(node, service(A, protocol="UDP"))
        assert await node.who(client, VIP, 80, "udp") == (one, "10.244.1.4")

    async def test_affinity_keeps_a_client_at_one_backend(self, node: Node) -> None:
        for uid, backend in (("pod-1", A), ("pod-2", B)):
            await serving(node, uid, backend[0])
        client = Path((await pod(node, "pod-3", "10.244.1.4")).netns_path).name
        await apply(node, service(A, B, affinity=10800))
        assert len({await node.who(client, VIP, 80) for _ in range(20)}) == 1

    async def test_node_ports_lead_in_from_outside_and_on_the_node(self, node: Node) -> None:
        one = await serving(node, "pod-1", A[0])
        await apply(node, service(A, node_port=30080))
        assert await node.who("outside", NODE_ADDRESS, 30080) == (one, GATEWAY)
        assert (await node.who("", NODE_ADDRESS, 30080))[0] == one
        assert (await node.who(one, NODE_ADDRESS, 30080))[0] == one

    async def test_local_policy_shows_the_clients_address(self, node: Node) -> None:
        one = await serving(node, "pod-1", A[0])
        await apply(node, service(A, node_port=30080, policy="Local"))
        assert await node.who("outside", NODE_ADDRESS, 30080) == (one, OUTSIDE)

    async def test_a_load_balancer_address_leads_in(self, node: Node) -> None:
        one = await serving(node, "pod-1", A[0])
        await apply(node, service(A, node_port=30080, load_balancer=NODE_ADDRESS))
        assert await node.who("outside", NODE_ADDRESS, 80) == (one, GATEWAY)

    async def test_without_backends_it_refuses_at_once(self, node: Node) -> None:
        client = Path((await pod(node, "pod-3", "10.244.1.4")).netns_path).name
        await apply(node, service(load_balancer="10.0.0.99"))
        for namespace in (client, ""):
            with pytest.raises(OSError) as failure:
                await node.ask(namespace, VIP, 80)
            assert failure.value.errno == errno.ECONNREFUSED

    async def test_a_backend_that_is_gone_is_not_asked(self, node: Node) -> None:
        await serving(node, "pod-1", A[0])
        two = await serving(node, "pod-2", B[0])
        await apply(node, service(A, B))
        await apply(node, service(B))
        assert {(await node.who("", VIP, 80))[0] for _ in range(10)} == {two}

    async def test_host_ports_lead_into_their_pod(self, node: Node) -> None:
        one = await serving(node, "pod-1", A[0])
        await apply(node, host_ports=(HostPort(9000, "TCP", *A),))
        assert (await node.who("outside", NODE_ADDRESS, 9000))[0] == one
        assert (await node.who("", NODE_ADDRESS, 9000))[0] == one

    async def test_a_host_port_of_one_address_is_open_on_that_address_alone(self, node: Node) -> None:
        one = await serving(node, "pod-1", A[0])
        await apply(node, host_ports=(HostPort(9000, "TCP", *A, host_ip=NODE_ADDRESS),
                                      HostPort(9001, "TCP", *A, host_ip="192.0.2.1"),
                                      HostPort(9002, "TCP", *A, host_ip="0.0.0.0")))
        assert (await node.who("outside", NODE_ADDRESS, 9000))[0] == one
        for port in (9001, 9002):
            with pytest.raises(OSError):
                await node.who("outside", NODE_ADDRESS, port)

    async def test_a_script_that_is_refused_changes_nothing(self, node: Node) -> None:
        one = await serving(node, "pod-1", A[0])
        await apply(node, service(A))
        with pytest.raises(NetworkFailure, match="nft"):
            await node.apply_ruleset("delete table ip edge\ntable ip edge { chain x { no such thing } }\n")
        assert (await node.who("", VIP, 80))[0] == one


class TestNames:
    async def ask(self, node: Node, namespace: str, name: str, kind: str = "A", protocol: str = "udp",
                  ) -> dns.message.Message:
        query = dns.message.make_query(name, kind)
        reply = dns.message.from_wire(await node.ask(namespace, DNS, 53, protocol, query.to_wire()))
        assert query.is_response(reply)
        return reply

    @pytest.mark.parametrize("protocol", ["udp", "tcp"])
    async def test_a_pod_finds_services_by_name(self, node: Node, protocol: str) -> None:
        client = Path((await pod(node, "pod-1", A[0])).netns_path).name
        await apply(node)
        await node.serve_names((service(A),))
        reply = await self.ask(node, client, "web.default.svc.cluster.local", protocol=protocol)
        assert [str(item) for rrset in reply.answer for item in rrset] == [VIP]
        reply = await self.ask(node, client, "_http._tcp.web.default.svc.cluster.local", "SRV", protocol)
        assert [str(item) for rrset in reply.answer for item in rrset] == ["0 100 80 web.default.svc.cluster.local."]
        reply = await self.ask(node, client, "nobody.default.svc.cluster.local", protocol=protocol)
        assert reply.rcode() == dns.rcode.NXDOMAIN

    @pytest.mark.parametrize("protocol", ["udp", "tcp"])
    async def test_other_names_are_asked_elsewhere(self, node: Node, protocol: str) -> None:
        canned = dns.message.make_response(dns.message.make_query("example.com", "A"))
        canned.answer.append(dns.rrset.from_text("example.com.", 60, "IN", "A", "192.0.2.7"))
        await node.listen("outside", OUTSIDE, 53, protocol, canned.to_wire())
        client = Path((await pod(node, "pod-1", A[0])).netns_path).name
        await apply(node)
        await node.serve_names((), OUTSIDE)
        reply = await self.ask(node, client, "example.com", protocol=protocol)
        assert [str(item) for rrset in reply.answer for item in rrset] == ["192.0.2.7"]

    async def test_with_nobody_to_ask_it_says_so(self, node: Node) -> None:
        await node.serve_names(())
        assert (await self.ask(node, "", "example.com")).rcode() == dns.rcode.SERVFAIL

    async def test_an_upstream_that_refuses_is_passed_over(self, node: Node) -> None:
        await node.serve_names((), OUTSIDE)
        assert (await self.ask(node, "", "example.com")).rcode() == dns.rcode.SERVFAIL

    async def test_an_answer_too_long_for_udp_is_cut_and_whole_over_tcp(self, node: Node) -> None:
        many = topology.Service(namespace="default", name="many", cluster_ip="None", endpoints=tuple(
            topology.Endpoint(address=f"10.244.1.{number}") for number in range(2, 202)))
        await node.serve_names((many,))
        name = "many.default.svc.cluster.local"
        assert (await self.ask(node, "", name)).flags & dns.flags.TC
        whole = await self.ask(node, "", name, protocol="tcp")
        assert sum(len(rrset) for rrset in whole.answer) == 200
