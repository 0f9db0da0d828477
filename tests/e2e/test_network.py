"""Who can talk to whom: pods, nodes, services, names, the home network, and who must not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edge.lab import topology
from tests.e2e import objects
from tests.e2e.conftest import WORKERS, Rack, until
from tests.e2e.objects import fetch, get_page, get_pages, inside, knock, knocks, pod_on

SPACE = "network"
PAGES = 12
"""Fetches after which a service with three equal backends has shown more than one, but for one run in 10^5."""


@pytest.fixture(scope="module")
def net(rack: Rack) -> Iterator[Rack]:
    """A server on each worker behind every kind of service, and a single one on node-2."""
    rack.kubectl("create", "namespace", SPACE)
    try:
        _serve(rack)
        yield rack
    finally:
        rack.kubectl("delete", "namespace", SPACE, "--wait=false")


def _serve(rack: Rack) -> None:
    objects.apply(
        rack, SPACE,
        objects.deployment("web", 0, kind="DaemonSet"),
        objects.deployment("one", 1, nodeSelector={"kubernetes.io/hostname": "node-2"}),
        objects.deployment("none", 0),
        objects.pod("host", objects.serving(ports=[{"containerPort": 8080, "hostPort": 8099}]), nodeName="node-3"),
        objects.service("web", "web"),
        objects.service("named", "web", clusterIP="None"),
        objects.service("sticky", "web", sessionAffinity="ClientIP"),
        objects.service("one", "one"),
        objects.service("none", "none", type="LoadBalancer", port=8077),
        objects.service("everywhere", "web", type="NodePort"),
        objects.service("local", "one", type="NodePort", externalTrafficPolicy="Local"),
        objects.service("public", "web", type="LoadBalancer", port=8066))
    until(lambda: len(rack.ready_pods("app=web", SPACE)) == 3 and rack.ready_pods("app=one", SPACE)
          and rack.ready_pods("app=host", SPACE), 60, "the servers are not ready")
    until(lambda: {get_page(rack, SPACE, pod_on(rack, SPACE, "web", node), "web") for node in WORKERS} - {""},
          20, "the service does not answer")


def web(rack: Rack, node: str) -> str:
    return pod_on(rack, SPACE, "web", node)


def ip_of(rack: Rack, pod: str) -> str:
    return str(rack.get("pod", "-n", SPACE, pod)["status"]["podIP"])


def cluster_ip(rack: Rack, service: str) -> str:
    return str(rack.get("service", "-n", SPACE, service)["spec"]["clusterIP"])


def node_port(rack: Rack, service: str) -> int:
    return int(rack.get("service", "-n", SPACE, service)["spec"]["ports"][0]["nodePort"])


def node_ip(rack: Rack, node: str) -> str:
    return str(next(each["address"] for each in rack.get("node", node)["status"]["addresses"]
                    if each["type"] == "InternalIP"))


def test_pods_reach_pods_on_their_own_and_on_other_nodes_by_address(net: Rack) -> None:
    names = {node: web(net, node) for node in WORKERS}
    addresses = {node: ip_of(net, name) for node, name in names.items()}
    for node, address in addresses.items():
        assert get_page(net, SPACE, names["node-1"], address, 8080) == f"hello from {names[node]}"
    # And the address a pod has is the one others see: nothing is translated between pods.
    assert addresses["node-1"] in inside(net, SPACE, names["node-1"], "ip -4 address show dev eth0")
    log = net.kubectl("logs", "-n", SPACE, names["node-3"])
    assert addresses["node-1"] in log


def test_nodes_reach_pods_and_services(net: Rack) -> None:
    one = net.pods("app=one", SPACE)[0]["metadata"]["name"]
    for machine in ("node-1", "node-2", "master"):
        assert fetch(machine, ip_of(net, one), 8080) == f"hello from {one}"
        assert fetch(machine, cluster_ip(net, "one")) == f"hello from {one}"


def test_a_service_spreads_and_answers_by_name_and_by_address(net: Rack) -> None:
    client, pages = web(net, "node-1"), {f"hello from {web(net, node)}" for node in WORKERS}
    by_name = get_pages(net, SPACE, client, "web", times=PAGES)
    by_address = get_pages(net, SPACE, client, cluster_ip(net, "web"), times=3)
    assert len(by_name) > 1
    assert by_name <= pages
    assert by_address <= pages


def test_a_pod_reaches_itself_through_its_own_service(net: Rack) -> None:
    one = net.pods("app=one", SPACE)[0]["metadata"]["name"]
    assert get_pages(net, SPACE, one, "one", times=3) == {f"hello from {one}"}


def test_node_port_answers_on_every_node_and_to_the_laptop_through_the_master(net: Rack) -> None:
    port, pages = node_port(net, "everywhere"), {f"hello from {web(net, node)}" for node in WORKERS}
    assert 30000 <= port <= 32767
    assert fetch("laptop", topology.MASTER_UPLINK, port) in pages
    assert fetch("node-1", node_ip(net, "node-2"), port) in pages
    assert fetch("node-1", node_ip(net, "node-1"), port) in pages
    assert fetch("master", topology.MASTER, port) in pages
    assert get_page(net, SPACE, web(net, "node-1"), node_ip(net, "node-3"), port) in pages


def test_load_balancer_answers_the_laptop(net: Rack) -> None:
    status = net.get("service", "-n", SPACE, "public")["status"]
    assert status["loadBalancer"]["ingress"][0]["ip"] == topology.MASTER_UPLINK
    pages = {fetch("laptop", topology.MASTER_UPLINK, 8066) for _ in range(PAGES // 2)}
    assert len(pages) > 1
    assert pages <= {f"hello from {web(net, node)}" for node in WORKERS}
    # The laptop's programs may use the service's address from inside the rack as well.
    assert fetch("node-1", topology.MASTER_UPLINK, 8066).startswith("hello from")


def test_headless_service_names_every_pod(net: Rack) -> None:
    answer = inside(net, SPACE, web(net, "node-1"), f"nslookup -type=a named.{SPACE}.svc.cluster.local")
    assert all(ip_of(net, web(net, node)) in answer for node in WORKERS)


def test_names_of_the_cluster(net: Rack) -> None:
    client = web(net, "node-1")
    answer = inside(net, SPACE, client, f"nslookup -type=a web.{SPACE}.svc.cluster.local")
    assert "10.96.0.10" in answer
    assert cluster_ip(net, "web") in answer
    service_record = inside(net, SPACE, client, f"nslookup -type=srv _http._tcp.web.{SPACE}.svc.cluster.local")
    assert f"0 100 80 web.{SPACE}.svc.cluster.local" in service_record
    back = inside(net, SPACE, client, f"nslookup {cluster_ip(net, 'web')}")
    assert f"web.{SPACE}.svc.cluster.local" in back
    assert "NXDOMAIN" in inside(net, SPACE, client, f"nslookup -type=a no.{SPACE}.svc.cluster.local", check=False)
    # Short names, through the search path: in the own namespace and in another one.
    settings = inside(net, SPACE, client, "cat /etc/resolv.conf")
    assert f"search {SPACE}.svc.cluster.local svc.cluster.local cluster.local" in settings
    assert inside(net, SPACE, client, "nc -w 2 kubernetes.default 443 </dev/null && echo open").strip() == "open"


def test_pods_reach_the_home_network_and_its_names(net: Rack) -> None:
    for node in ("node-1", "node-3"):
        client = web(net, node)
        assert topology.HOME_ROUTER in inside(net, SPACE, client, "nslookup -type=a internet.home")
        assert get_page(net, SPACE, client, "internet.home") == "hello from the internet"
    assert fetch("node-1", "internet.home") == "hello from the internet"


def test_the_home_network_opens_no_connection_into_the_rack(net: Rack) -> None:
    worker, pod = node_ip(net, "node-1"), ip_of(net, web(net, "node-1"))
    inside_rack = ("10.0.0.0/24", "10.244.0.0/16", "10.96.0.0/12")
    for network in inside_rack:
        net.shell("laptop", "ip", "route", "replace", network, "via", topology.MASTER_UPLINK)
    try:
        closed = (f"{worker}:10250", f"{worker}:8099", f"{pod}:8080", f"{cluster_ip(net, 'web')}:80", *(
            f"{master}:{port}" for master in (topology.MASTER, topology.MASTER_UPLINK) for port in (53, 8883, 10250)))
        assert knocks("laptop", *closed) == dict.fromkeys(closed, "silent")
        assert knock("node-1", topology.MASTER, 8883) == "open"
        assert knock("laptop", topology.MASTER_UPLINK, 6443) == "open"
    finally:
        for network in inside_rack:
            net.shell("laptop", "ip", "route", "del", network)


def test_host_port_leads_into_the_pod_on_its_node_only(net: Rack) -> None:
    address = node_ip(net, "node-3")
    assert fetch("node-1", address, 8099) == "hello from host"
    assert fetch("node-3", address, 8099) == "hello from host"
    assert get_page(net, SPACE, web(net, "node-1"), address, 8099) == "hello from host"
    assert knock("node-1", node_ip(net, "node-2"), 8099) == "refused"


def test_a_service_without_endpoints_refuses_at_once(net: Rack) -> None:
    address, port = cluster_ip(net, "none"), node_port(net, "none")
    assert knock("node-1", address, 8077) == "refused"
    assert knock("laptop", topology.MASTER_UPLINK, 8077) == "refused"
    assert knock("node-1", node_ip(net, "node-2"), port) == "refused"
    took = inside(net, SPACE, web(net, "node-1"), "nc -w 2 none 8077 </dev/null 2>&1", check=False)
    assert "Connection refused" in took
    # A port the service does not have is no open door either.
    assert knock("node-1", cluster_ip(net, "web"), 81) != "open"


def test_session_affinity_keeps_a_client_with_one_pod(net: Rack) -> None:
    for node in WORKERS:
        client = web(net, node)
        assert len(get_pages(net, SPACE, client, "sticky", times=5)) == 1


def test_local_traffic_policy_keeps_the_clients_address_and_to_nodes_with_a_pod(net: Rack) -> None:
    one, port = net.pods("app=one", SPACE)[0]["metadata"]["name"], node_port(net, "local")
    assert fetch("node-1", node_ip(net, "node-2"), port) == f"hello from {one}"
    until(lambda: f"ffff:{node_ip(net, 'node-1')}]" in net.kubectl("logs", "-n", SPACE, one), 5,
          "the pod does not see who asks")
    assert knock("node-1", node_ip(net, "node-3"), port) == "silent"
    # From inside the cluster the same service answers on every node's address and its own.
    assert get_page(net, SPACE, web(net, "node-1"), "local") == f"hello from {one}"


def test_endpoints_follow_the_pods(net: Rack) -> None:
    """A pod that turns unready leaves its services; scaled to nothing, the service refuses; and back."""
    one = net.pods("app=one", SPACE)[0]["metadata"]["name"]
    net.kubectl("scale", "-n", SPACE, "deployment/one", "--replicas=0")
    until(lambda: knock("node-1", cluster_ip(net, "one"), 80) == "refused", 20, "the service still answers")
    net.kubectl("scale", "-n", SPACE, "deployment/one", "--replicas=1")
    until(lambda: fetch("node-1", cluster_ip(net, "one")).startswith("hello from"), 20, "no answer again")
    assert net.pods("app=one", SPACE)[0]["metadata"]["name"] != one
