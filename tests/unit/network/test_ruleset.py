from edge.api import topology
from edge.network import ruleset
from edge.network.interface import HostPort


def service(name: str = "hello", *, cluster_ip: str = "10.96.5.5", kind: str = "ClusterIP", node_port: int = 0,
            addresses: tuple[str, ...] = (), policy: str = "Cluster", affinity: int = 0,
            backends: tuple[tuple[str, int], ...] = (("10.244.1.2", 8080), ("10.244.2.2", 8080))) -> topology.Service:
    return topology.Service(
        namespace="default", name=name, type=kind, cluster_ip=cluster_ip, load_balancer_ips=addresses,
        external_traffic_policy=policy, session_affinity_seconds=affinity,
        ports=(topology.ServicePort(name="http", port=80, node_port=node_port, backends=backends),),
        endpoints=tuple(topology.Endpoint(address=a, node="a" if a.startswith("10.244.1.") else "b")
                        for a, _ in backends))


def render(*services: topology.Service, host_ports: tuple[HostPort, ...] = ()) -> str:
    return ruleset.render(services, "a", host_ports)


def test_the_table_is_replaced_as_a_whole() -> None:
    assert render().startswith("table ip edge {}\ndelete table ip edge\ntable ip edge {\n")


def test_a_service_is_found_by_its_address_and_spreads_over_its_backends() -> None:
    text = render(service())
    assert "10.96.5.5 . tcp . 80 : goto svc-default/hello/tcp/80" in text
    assert "numgen random mod 2 map { 0 : 10.244.1.2 . 8080, 1 : 10.244.2.2 . 8080 }" in text
    assert "-outside" not in text


def test_a_service_without_backends_refuses_instead_of_hanging() -> None:
    text = render(service(backends=()))
    assert "10.96.5.5 . tcp . 80 : goto refuse" in text
    assert "chain svc-" not in text


def test_outside_traffic_has_its_source_translated() -> None:
    text = render(service(node_port=30080, addresses=("192.168.1.9",)))
    assert "tcp . 30080 : goto svc-default/hello/tcp/80-outside" in text
    assert "192.168.1.9 . tcp . 80 : goto svc-default/hello/tcp/80-outside" in text
    assert "meta mark set meta mark or 0x4000" in text


def test_local_policy_keeps_the_source_and_uses_only_backends_of_this_node() -> None:
    text = render(service(node_port=30080, policy="Local"))
    assert "mod 1 map { 0 : 10.244.1.2 . 8080 }" in text
    elsewhere = render(service(node_port=30080, policy="Local", backends=(("10.244.2.2", 8080),)))
    assert "-outside {\n    drop" in elsewhere


def test_session_affinity_chooses_by_the_clients_address() -> None:
    assert "jhash ip saddr mod 2" in render(service(affinity=10800))


def test_headless_and_external_services_need_no_rules() -> None:
    text = render(service(cluster_ip="None"), service("out", kind="ExternalName"), service("new", cluster_ip=""))
    assert "svc-" not in text


def test_two_services_on_one_outside_address_do_not_break_the_table() -> None:
    outside = ("192.168.1.9",)
    text = render(service("a", addresses=outside), service("b", cluster_ip="10.96.5.6", addresses=outside))
    assert text.count("192.168.1.9 . tcp . 80 :") == 1


def test_a_port_that_two_claim_for_a_moment_does_not_break_the_table() -> None:
    """Freed and given to the next one at once: the order in which a node hears of both is open."""
    text = render(service("a", node_port=30001), service("b", cluster_ip="10.96.5.6", node_port=30001))
    assert text.count("tcp . 30001 :") == 1
    text = render(service("a", backends=()), service("b", backends=()))
    assert text.count("10.96.5.5 . tcp . 80 :") == 1
    text = render(host_ports=(HostPort(9000, "TCP", "10.244.1.2", 53), HostPort(9000, "TCP", "10.244.1.3", 53)))
    assert text.count("tcp . 9000 :") == 1


def test_host_ports_lead_into_their_pods() -> None:
    text = render(host_ports=(HostPort(9000, "UDP", "10.244.1.2", 53),))
    assert "udp . 9000 : 10.244.1.2 . 53" in text


def test_the_same_services_in_another_order_give_the_same_text() -> None:
    one, two = service("a"), service("b", cluster_ip="10.96.5.6")
    assert render(one, two) == render(two, one)
