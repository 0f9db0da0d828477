from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from edge.api import core, meta
from edge.discovery import disputes, service_names
from edge.discovery.service_names import Claim, Want

HOME = IPv4Network("192.168.1.0/24")


def service(name: str, namespace: str = "default", *, created: str = "2026-01-01T00:00:00Z",
            address: str = "192.168.1.7", kind: str = "LoadBalancer", annotations: dict[str, str] | None = None,
            ports: tuple[core.ServicePort, ...] = (core.ServicePort(port=80),)) -> core.Service:
    return core.Service(
        metadata=meta.ObjectMeta(name=name, namespace=namespace, creation_timestamp=created,
                                 annotations=annotations or {}),
        spec=core.ServiceSpec(type=kind, ports=ports),
        status=core.ServiceStatus(load_balancer=core.LoadBalancerStatus(
            ingress=(core.LoadBalancerIngress(ip=address),) if address else ())))


def names(*services: core.Service, holders: dict[str, str] | None = None, foreign: dict[str, str] | None = None,
          reserved: tuple[str, ...] = ()) -> dict[str, str]:
    wanted = service_names.wants(services, HOME)
    return {claim.want.key: claim.name for claim in
            service_names.claims(wanted, holders=holders or {}, foreign=foreign or {}, reserved=reserved)}


def test_a_load_balancer_is_called_after_its_service() -> None:
    assert names(service("hello")) == {"default/hello": "hello.local"}


@pytest.mark.parametrize("other", [
    service("x", kind="ClusterIP"), service("x", kind="NodePort"), service("x", address=""),
    service("x", address="10.0.0.1"), service("x", annotations={service_names.NAME: ""})])
def test_what_the_home_network_cannot_reach_or_nobody_wants_has_no_name(other: core.Service) -> None:
    assert names(other) == {}


def test_without_an_uplink_nothing_is_wanted() -> None:
    assert service_names.wants([service("hello")], None) == ()


def test_the_older_one_has_the_name_and_the_other_its_namespace_too() -> None:
    young, old = service("hello", "a", created="2026-02-02T00:00:00Z"), service("hello", "b")
    assert names(young, old) == {"b/hello": "hello.local", "a/hello": "hello-a.local"}


def test_who_has_a_name_keeps_it() -> None:
    young, old = service("hello", "a", created="2026-02-02T00:00:00Z"), service("hello", "b")
    assert names(young, old, holders={"hello": "a/hello"})["a/hello"] == "hello.local"
    # Also one that was the second choice, when the first one has become free: people have written it down.
    assert names(young, holders={"hello-a": "a/hello"}) == {"a/hello": "hello-a.local"}
    renamed = service("hello", annotations={service_names.NAME: "web"})
    assert names(renamed, holders={"hello": "default/hello"}) == {"default/hello": "web.local"}


def test_a_name_of_another_machine_gets_a_number() -> None:
    assert names(service("hello"), foreign={"hello": "192.168.1.9"}) == {"default/hello": "hello-2.local"}
    assert names(service("hello"), foreign={"hello": "192.168.1.9", "hello-2": "192.168.1.9"},
                 holders={"hello": "default/hello"}) == {"default/hello": "hello-3.local"}


def test_machines_names_are_no_services() -> None:
    claim, = service_names.claims(service_names.wants([service("node-1")], HOME), holders={}, foreign={},
                                  reserved=("node-1",))
    assert claim.name == "node-1-default.local"
    assert claim.disputed_by == "a machine of the rack"


def test_the_master_may_have_its_own_name() -> None:
    own = Want(key="master rack", label="rack", addresses=("192.168.1.7",))
    claim, = service_names.claims([own], holders={}, foreign={}, reserved=("rack",))
    assert claim.name == "rack.local"


def test_planning_again_changes_nothing() -> None:
    services = [service("hello", "a"), service("hello", "b", created="2026-02-02T00:00:00Z"), service("x")]
    first = service_names.claims(service_names.wants(services, HOME), holders={}, foreign={"x": "192.168.1.9"})
    again = service_names.claims(service_names.wants(services, HOME), foreign={"x": "192.168.1.9"},
                                 holders={claim.label: claim.want.key for claim in first})
    assert {claim.want.key: claim.label for claim in again} == {claim.want.key: claim.label for claim in first}


def test_long_names_stay_labels_and_different() -> None:
    first, second = service("s" * 63, "n" * 63), service("s" * 63, "m" * 63, created="2026-02-02T00:00:00Z")
    third = service("s" * 63, "o" * 63, created="2026-03-03T00:00:00Z")
    found = names(first, second, third)
    assert len(set(found.values())) == 3
    assert all(len(name.removesuffix(".local")) <= 63 for name in found.values())


def test_an_annotation_names_and_a_wrong_one_is_ignored() -> None:
    assert names(service("a", annotations={service_names.NAME: "Web.local"})) == {"default/a": "web.local"}
    assert names(service("a", annotations={service_names.NAME: "no name"})) == {"default/a": "a.local"}


def test_there_is_a_bound() -> None:
    assert len(names(*(service(f"s{number}") for number in range(500)))) == service_names.MOST


@pytest.mark.parametrize(("ports", "annotation", "wanted"), [
    ((core.ServicePort(port=80),), None, 80),
    ((core.ServicePort(port=8080),), None, 8080),
    ((core.ServicePort(port=9000, name="http"),), None, 9000),
    ((core.ServicePort(port=9000, name="http-admin"),), None, 9000),
    ((core.ServicePort(port=9000, app_protocol="http"),), None, 9000),
    ((core.ServicePort(port=1883),), None, 0),
    ((core.ServicePort(port=443, name="https"),), None, 0),
    ((core.ServicePort(port=80, protocol="UDP"),), None, 0),
    ((core.ServicePort(port=1883, name="a"), core.ServicePort(port=3000, name="b")), "3000", 3000),
    ((core.ServicePort(port=80),), "false", 0),
    ((core.ServicePort(port=80),), "81", 0),
    ((), None, 0)])
def test_a_web_page_is_announced_where_it_looks_like_one(ports: tuple[core.ServicePort, ...], annotation: str | None,
                                                         wanted: int) -> None:
    annotations = {} if annotation is None else {service_names.HTTP: annotation}
    assert service_names.http_port(service("x", ports=ports, annotations=annotations)) == wanted


def test_a_name_is_announced_with_its_page_under_numbers_of_the_rack() -> None:
    want = Want(key="default/hello", label="hello", addresses=("192.168.1.7",), namespace="default", port=80,
                http_port=80)
    made = service_names.announcements(Claim(want=want, label="hello"), "0123456789abcdef")
    assert [each.instance for each in made] == ["hello-01234567._edge-service._tcp.local.",
                                                "hello-01234567._http._tcp.local."]
    assert {each.host for each in made} == {"hello.local."}
    mqtt = Want(key="default/mqtt", label="mqtt", addresses=("192.168.1.7",), namespace="default", port=1883)
    assert len(service_names.announcements(Claim(want=mqtt, label="mqtt"), "0123456789abcdef")) == 1


def test_of_two_that_are_sure_of_a_name_exactly_one_gives_way() -> None:
    one, two = disputes.Disputes(), disputes.Disputes()
    assert one.yields("hello", "192.168.1.7", "192.168.1.30", 0.0)
    assert not two.yields("hello", "192.168.1.30", "192.168.1.7", 0.0)
    assert one.foreign == {"hello": "192.168.1.30"}
    assert two.foreign == {}


def test_who_does_not_listen_gets_the_name_in_the_end() -> None:
    ours = disputes.Disputes()
    given_up = [ours.yields("hello", "192.168.1.30", "192.168.1.7", float(second)) for second in range(4)]
    assert given_up == [False, False, False, True]
    rare = disputes.Disputes()
    assert not any(rare.yields("hello", "192.168.1.30", "192.168.1.7", 100.0 * day) for day in range(50))
