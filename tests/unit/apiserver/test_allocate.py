"""Services get addresses and the family they are of."""

from __future__ import annotations

import msgspec

from edge.api import core, meta
from edge.apiserver import admission_kinds, allocate


def service(**spec: object) -> core.Service:
    made = core.ServiceSpec(**spec)  # type: ignore[arg-type]
    return core.Service(api_version="v1", kind="Service", metadata=meta.ObjectMeta(name="web"), spec=made)


def test_a_service_is_of_one_family() -> None:
    spec = allocate.allocate(service(type="ClusterIP"), allocate.Used()).spec
    assert (spec.cluster_ips, spec.ip_families, spec.ip_family_policy) == ((spec.cluster_ip,), ("IPv4",), "SingleStack")


def test_an_external_name_has_neither_address_nor_family() -> None:
    spec = allocate.allocate(service(type="ExternalName", ip_families=("IPv4",)), allocate.Used()).spec
    assert (spec.cluster_ip, spec.ip_families, spec.ip_family_policy) == ("", (), "")


def test_a_patch_of_the_type_alone_leaves_nothing_of_the_type_before() -> None:
    old = service(type="LoadBalancer", cluster_ip="10.96.1.1", cluster_ips=("10.96.1.1",),
                  external_traffic_policy="Cluster", allocate_load_balancer_node_ports=True,
                  ports=(core.ServicePort(port=80, node_port=30100),))

    def changed(**spec: object) -> core.ServiceSpec:
        new = msgspec.structs.replace(old, spec=msgspec.structs.replace(old.spec, **spec))
        return admission_kinds.on_update(new, old).spec

    inside = changed(type="ClusterIP")
    assert inside.ports[0].node_port == 0
    assert (inside.external_traffic_policy, inside.allocate_load_balancer_node_ports) == ("", None)
    assert inside.cluster_ip == "10.96.1.1"
    name = changed(type="ExternalName", external_name="db.example")
    assert (name.cluster_ip, name.cluster_ips, name.ports[0].node_port) == ("", (), 0)
    port = changed(type="NodePort")
    assert (port.ports[0].node_port, port.external_traffic_policy) == (30100, "Cluster")
    asked = changed(type="ClusterIP", ports=(core.ServicePort(port=80, node_port=30999),))
    assert asked.ports[0].node_port == 30999  # refused by the validation: it was asked for
