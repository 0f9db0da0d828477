"""What stands behind services, and the addresses of load balancers."""

from __future__ import annotations

import msgspec
import pytest

from edge.api import core, discovery, meta
from edge.controllers import endpoints, endpointslice, interface, service_load_balancer
from edge.controllers.settings import Settings
from tests import builders
from tests.fakes.world import World

ENDPOINTS = endpoints.controller(Settings())
SLICES = endpointslice.controller(Settings())
KEY = interface.Key(core.Service, "default", "web")
LABELS = {"app": "web"}


def settled(*objects: core.Service | core.Pod | core.Endpoints) -> World:
    world = World(*objects)
    world.settle((ENDPOINTS, KEY), (SLICES, KEY))
    return world


def test_ready_and_not_ready_addresses() -> None:
    world = settled(
        builders.service(), builders.pod("a", node="n1", ready=True, ip="10.244.0.10", labels=LABELS),
        builders.pod("b", node="n2", phase="Running", ip="10.244.1.9", labels=LABELS),
        builders.pod("c", node="n2", phase="Succeeded", ip="10.244.1.3", labels=LABELS),
        builders.pod("d", node="n2", ready=True, ip="10.244.1.4", labels={"app": "other"}),
        builders.pod("e", node="n2", ready=True, ip="10.244.1.5", labels=LABELS, deleted=True))
    (subset,) = world.all(core.Endpoints)[0].subsets
    assert [a.ip for a in subset.addresses] == ["10.244.0.10"]
    assert [a.ip for a in subset.not_ready_addresses] == ["10.244.1.9"]
    assert [(p.port, p.protocol) for p in subset.ports] == [(8080, "TCP")]
    (piece,) = world.all(discovery.EndpointSlice)
    states = {e.addresses[0]: (e.conditions.ready, e.conditions.serving, e.conditions.terminating)
              for e in piece.endpoints}
    assert states == {"10.244.0.10": (True, True, False), "10.244.1.9": (False, False, False),
                      "10.244.1.5": (False, True, True)}
    assert piece.metadata.labels["kubernetes.io/service-name"] == "web"


def test_a_named_port_a_pod_does_not_have_leaves_it_out() -> None:
    world = settled(builders.service(target="metrics"),
                    builders.pod("a", node="n", ready=True, ip="10.244.0.2", labels=LABELS))
    assert world.all(core.Endpoints)[0].subsets == ()


def test_addresses_that_are_not_ready_are_published_on_demand_with_host_names() -> None:
    service = builders.service(cluster_ip="None")
    service = msgspec.structs.replace(service, spec=msgspec.structs.replace(
        service.spec, publish_not_ready_addresses=True))
    pod = builders.pod("a", node="n", phase="Running", ip="10.244.0.2", labels=LABELS)
    pod = msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, hostname="db-0", subdomain="web"))
    world = settled(service, pod)
    found = world.all(core.Endpoints)[0]
    assert [(a.ip, a.hostname) for a in found.subsets[0].addresses] == [("10.244.0.2", "db-0")]
    assert "service.kubernetes.io/headless" in found.metadata.labels


def test_endpoints_written_by_hand_stay_and_are_mirrored() -> None:
    hand = core.Endpoints(metadata=builders.object_meta("web"), subsets=(core.EndpointSubset(
        addresses=(core.EndpointAddress(ip="192.168.1.5"),), ports=(core.EndpointPort(port=5432),)),))
    world = settled(builders.service(selector={}), hand)
    assert world.all(core.Endpoints)[0].subsets == hand.subsets
    (piece,) = world.all(discovery.EndpointSlice)
    assert [e.addresses for e in piece.endpoints] == [("192.168.1.5",)]
    assert [p.port for p in piece.ports] == [5432]


def test_many_endpoints_come_in_pieces_and_go_again() -> None:
    pods = [builders.pod(f"p{n}", node="n", ready=True, ip=f"10.244.{n // 200}.{n % 200 + 2}", labels=LABELS)
            for n in range(250)]
    world = settled(builders.service(), *pods)
    assert sorted(len(s.endpoints) for s in world.all(discovery.EndpointSlice)) == [50, 100, 100]
    for pod in pods[1:]:
        world.remove(pod)
    world.settle((ENDPOINTS, KEY), (SLICES, KEY))
    assert [len(s.endpoints) for s in world.all(discovery.EndpointSlice)] == [1]


def test_endpoints_go_with_their_service() -> None:
    world = settled(builders.service())
    world.remove(world.all(core.Service)[0])
    world.settle((ENDPOINTS, KEY))
    assert world.all(core.Endpoints) == ()


def balancer(*pool: str) -> interface.Controller:
    return service_load_balancer.controller(Settings(load_balancer_addresses=pool))


ALL = interface.Key(core.Service, "", "")


def ingress(world: World) -> dict[str, list[str]]:
    return {s.metadata.name: [i.ip for i in s.status.load_balancer.ingress] for s in world.all(core.Service)}


def test_services_share_an_address_when_their_ports_differ() -> None:
    made = [builders.service(name, port=port, type="LoadBalancer", created=f"2029-01-0{n}T00:00:00Z")
            for n, (name, port) in enumerate((("a", 80), ("b", 443), ("c", 80)), start=1)]
    world = World(*made)
    controller = balancer("192.168.1.20")
    world.settle((controller, ALL))
    assert ingress(world) == {"a": ["192.168.1.20"], "b": ["192.168.1.20"], "c": []}
    assert world.events.count("SyncLoadBalancerFailed") == 1
    world.remove(made[0])
    world.settle((controller, ALL))
    assert ingress(world) == {"b": ["192.168.1.20"], "c": ["192.168.1.20"]}


def test_a_service_that_is_no_load_balancer_any_more_loses_its_address() -> None:
    world = World(builders.service(type="LoadBalancer"))
    controller = balancer("192.168.1.20-192.168.1.21")
    world.settle((controller, ALL))
    (service,) = world.all(core.Service)
    assert ingress(world) == {"web": ["192.168.1.20"]}
    world.put(msgspec.structs.replace(service, spec=msgspec.structs.replace(service.spec, type="ClusterIP")))
    world.settle((controller, ALL))
    assert ingress(world) == {"web": []}


def test_pools() -> None:
    assert service_load_balancer.addresses(("10.0.0.1-10.0.0.3", "10.0.0.3", "10.1.0.0/30")) == (
        "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.1.0.1", "10.1.0.2")
    for wrong in ("10.0.0.9-10.0.0.1", "rack", "10.0.0.0/99"):
        with pytest.raises(ValueError):
            service_load_balancer.addresses((wrong,))


def test_a_service_follows_the_masters_address_in_the_home_network() -> None:
    def master(*external: str) -> core.Node:
        addresses = tuple(core.NodeAddress(type="ExternalIP", address=address) for address in external)
        return core.Node(metadata=meta.ObjectMeta(name="master", labels={service_load_balancer.MASTER_LABEL: ""}),
                         status=core.NodeStatus(addresses=addresses))

    worker = core.Node(metadata=meta.ObjectMeta(name="node-1"), status=core.NodeStatus(
        addresses=(core.NodeAddress(type="ExternalIP", address="6.6.6.6"),)))
    world, controller = World(builders.service(type="LoadBalancer"), worker), balancer("uplink")
    world.settle((controller, ALL))
    assert ingress(world) == {"web": []}
    steps = (("192.168.1.9",), "192.168.1.9"), (("192.168.7.4",), "192.168.7.4"), ((), "192.168.7.4")
    for external, expected in steps:
        world.put(master(*external))
        world.settle((controller, ALL))
        assert ingress(world) == {"web": [expected]}
    sources = {source.kind: source for source in controller.sources}
    assert list(sources[core.Node].keys(master(), world)) == [ALL]
    assert list(sources[core.Node].keys(worker, world)) == []
