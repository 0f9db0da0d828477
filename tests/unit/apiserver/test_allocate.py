"""Services get addresses and the family they are of."""

from __future__ import annotations

from edge.api import core, meta
from edge.apiserver import allocate


def service(**spec: object) -> core.Service:
    made = core.ServiceSpec(**spec)  # type: ignore[arg-type]
    return core.Service(api_version="v1", kind="Service", metadata=meta.ObjectMeta(name="web"), spec=made)


def test_a_service_is_of_one_family() -> None:
    spec = allocate.allocate(service(type="ClusterIP"), allocate.Used()).spec
    assert (spec.cluster_ips, spec.ip_families, spec.ip_family_policy) == ((spec.cluster_ip,), ("IPv4",), "SingleStack")


def test_an_external_name_has_neither_address_nor_family() -> None:
    spec = allocate.allocate(service(type="ExternalName", ip_families=("IPv4",)), allocate.Used()).spec
    assert (spec.cluster_ip, spec.ip_families, spec.ip_family_policy) == ("", (), "")
