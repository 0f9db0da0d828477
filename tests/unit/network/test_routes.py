from edge.api import topology
from edge.network import routes
from edge.network.interface import Route

CLUSTER = topology.Cluster(nodes=(
    topology.Node(name="b", address="10.0.0.3", pod_cidr="10.244.2.0/24"),
    topology.Node(name="a", address="10.0.0.2", pod_cidr="10.244.1.0/24"),
    topology.Node(name="unaddressed", pod_cidr="10.244.3.0/24"),
    topology.Node(name="new", address="10.0.0.9"),
))


def test_a_node_gets_its_bridge_and_a_route_to_every_other_nodes_pods() -> None:
    links = routes.plan(CLUSTER, "a")
    assert links is not None
    assert (links.bridge_address, links.dns_address) == ("10.244.1.1/24", "10.96.0.10")
    assert links.routes == (Route("10.244.2.0/24", "10.0.0.3"), Route("10.96.0.0/12", ""))


def test_nothing_is_planned_before_the_server_has_given_a_subnet() -> None:
    assert routes.plan(CLUSTER, "new") is None
    assert routes.plan(topology.Cluster(), "a") is None
