from __future__ import annotations

from typing import Any

import pytest

from edge.api import core, errors, meta, scheme
from edge.api.apiregistration import APIService, APIServiceSpec, ServiceReference
from edge.apiserver import aggregation, aggregation_health, discovery, endpoints
from edge.apiserver.aggregation import Served
from edge.apiserver.authenticate import User
from edge.apiserver.endpoints import Address
from tests.fakes.clock import START

ANNA = User("anna", ("makers", "cooks"), "7", {"example.com/team%": ("a", "b")})


def service(*ports: core.ServicePort, kind: str = "ClusterIP") -> core.Service:
    return core.Service(metadata=meta.ObjectMeta(name="web", namespace="default"),
                        spec=core.ServiceSpec(type=kind, ports=ports, external_name="web.example.com"))


def slices(*subsets: core.EndpointSubset) -> core.Endpoints:
    return core.Endpoints(subsets=subsets)


HTTPS = core.ServicePort(name="https", port=443, target_port=8443)
READY = slices(core.EndpointSubset(
    addresses=(core.EndpointAddress(ip="10.244.1.2"), core.EndpointAddress(ip="10.244.2.2")),
    not_ready_addresses=(core.EndpointAddress(ip="10.244.3.2"),),
    ports=(core.EndpointPort(name="https", port=8443), core.EndpointPort(name="metrics", port=9090))))


def test_a_service_leads_to_its_ready_endpoints_by_the_name_of_the_port() -> None:
    found = endpoints.of_service(service(HTTPS), READY, 443)
    assert found == (Address("10.244.1.2", 8443), Address("10.244.2.2", 8443))
    assert endpoints.of_service(service(kind="ExternalName"), None, 443) == (Address("web.example.com", 443),)


@pytest.mark.parametrize(("found", "port", "words"), [
    (READY, 444, 'no service port 444 found for service "web"'), (None, 443, "no endpoints available"),
    (slices(), 443, 'no endpoints available for service "web"'),
])
def test_a_service_that_leads_nowhere_says_why(found: core.Endpoints | None, port: int, words: str) -> None:
    with pytest.raises(errors.Unavailable, match=words):
        endpoints.of_service(service(HTTPS), found, port)


def test_the_headers_of_a_request_are_ours_where_they_say_who_asks() -> None:
    told = aggregation.request_headers([
        ("Host", "rack"), ("Accept", "application/json"), ("Authorization", "Bearer x"), ("X-Remote-User", "root"),
        ("x-remote-group", "system:masters"), ("X_Remote_Extra_Scopes", "all"), ("Impersonate-User", "root"),
        ("Connection", "close, X-Hop"), ("X-Hop", "1"), ("Upgrade", "websocket"), ("X-Forwarded-For", "1.2.3.4"),
        ("Content-Length", "5")], ANNA, "10.0.0.2")
    assert told == [
        ("Accept", "application/json"), ("X-Forwarded-For", "1.2.3.4, 10.0.0.2"), ("X-Remote-User", "anna"),
        ("X-Remote-Uid", "7"), ("X-Remote-Group", "makers"), ("X-Remote-Group", "cooks"),
        ("X-Remote-Extra-example.com%2Fteam%25", "a"), ("X-Remote-Extra-example.com%2Fteam%25", "b")]


@pytest.mark.parametrize("name", ["a\r\nX-Remote-Group: system:masters", "a\x00"])
def test_a_name_that_would_break_the_headers_is_refused(name: str) -> None:
    with pytest.raises(errors.BadRequest):
        aggregation.identity_headers(User(name))


def test_only_what_others_answer_for_is_theirs() -> None:
    def registered(group: str, reference: ServiceReference | None) -> APIService:
        return APIService(spec=APIServiceSpec(group=group, version="v1", service=reference))
    found = aggregation.backends([registered("a.io", ServiceReference(namespace="default", name="web")),
                                  registered("b.io", None), registered("", ServiceReference(name="core"))])
    assert list(found) == [("a.io", "v1")]
    assert (found["a.io", "v1"].port, found["a.io", "v1"].server_name) == (443, "web.default.svc")


@pytest.mark.parametrize(("path", "found"), [
    ("/apis/a.io/v1", ("a.io", "v1")), ("/apis/a.io/v1/things/x", ("a.io", "v1")),
    ("/openapi/v3/apis/a.io/v1", ("a.io", "v1")), ("/apis/a.io", None), ("/api/v1/pods", None), ("/x/apis/a/v1", None),
])
def test_paths_name_their_group_version(path: str, found: tuple[str, str] | None) -> None:
    assert aggregation.of_path(path) == found


RESOURCE = {"name": "things", "singularName": "thing", "namespaced": True, "kind": "Thing", "verbs": ["get"]}


def test_resources_are_shown_in_the_form_of_aggregated_discovery() -> None:
    found = aggregation.resources_of({"kind": "APIResourceList", "resources": [
        {**RESOURCE, "name": "things/scale", "kind": "Scale", "group": "autoscaling", "version": "v1"}, RESOURCE]},
        "a.io", "v1")
    assert found == ({
        "resource": "things", "responseKind": {"group": "a.io", "version": "v1", "kind": "Thing"},
        "scope": "Namespaced", "singularResource": "thing", "verbs": ["get"], "subresources": [{
            "subresource": "scale", "responseKind": {"group": "autoscaling", "version": "v1", "kind": "Scale"},
            "verbs": ["get"]}]},)


@pytest.mark.parametrize("document", [None, [], "x", {}, {"kind": "Status"}])
def test_what_is_no_resource_list_is_not_taken(document: Any) -> None:
    assert aggregation.resources_of(document, "a.io", "v1") is None


@pytest.mark.parametrize("entry", [
    7, {}, {**RESOURCE, "name": 7}, {**RESOURCE, "verbs": "get"}, {**RESOURCE, "verbs": [1]},
    {**RESOURCE, "namespaced": "yes"}, {**RESOURCE, "shortNames": {}}, {**RESOURCE, "kind": ""}])
def test_an_odd_entry_is_left_out(entry: Any) -> None:
    assert aggregation.resources_of({"kind": "APIResourceList", "resources": [entry]}, "a.io", "v1") == ()


def test_groups_are_added_to_what_is_served_here() -> None:
    served = aggregation.by_priority([
        Served("b.io", "v1", (100, 15)), Served("a.io", "v1", (100, 10)), Served("a.io", "v2", (100, 20)),
        Served("c.io", "v1", (200, 15)), Served("apps", "v9", (50, 1))])
    assert [(each.group, each.version) for each in served] == [
        ("c.io", "v1"), ("a.io", "v2"), ("a.io", "v1"), ("b.io", "v1"), ("apps", "v9")]
    known = scheme.resources()
    listed = aggregation.with_groups(discovery.group_list(known), served)["groups"]
    assert [group["name"] for group in listed][-3:] == ["c.io", "a.io", "b.io"]
    own = next(group for group in listed if group["name"] == "apps")
    assert own["versions"][-1]["groupVersion"] == "apps/v9"
    assert own["preferredVersion"]["version"] == "v1"
    one = aggregation.with_versions(discovery.group(known, "a.io"), served, "a.io")
    assert one is not None
    assert [version["version"] for version in one["versions"]] == ["v2", "v1"]
    assert aggregation.with_versions(None, served, "none.io") is None
    together = aggregation.with_discovery(discovery.aggregated(known, core=False), served)["items"]
    assert together[-1]["versions"] == [{"version": "v1", "resources": [], "freshness": "Stale"}]


@pytest.mark.parametrize(("address", "taken"), [
    ("/openapi/v3/apis/a.io/v1?hash=A", True), ("https://evil/openapi", False), ("/openapi/v3/apis/b.io/v1", False),
    (7, False), ("/openapi/v3/apis/a.io/v1" + "x" * 600, False)])
def test_the_address_of_an_openapi_document_is_a_path_of_its_own_group(address: Any, taken: bool) -> None:
    index = {"paths": {"apis/a.io/v1": {"serverRelativeURL": address}}}
    assert aggregation.openapi_address(index, "a.io", "v1") == (address if taken else "")


def test_what_keeps_a_backend_from_being_asked() -> None:
    backend = aggregation.Backend(group="a.io", version="v1", namespace="default", service="web", port=443)
    judged = [(each.reason if each else "") for each in (
        aggregation_health.unreachable(backend, None, None),
        aggregation_health.unreachable(backend, service(), READY),
        aggregation_health.unreachable(backend, service(HTTPS), None),
        aggregation_health.unreachable(backend, service(HTTPS), slices()),
        aggregation_health.unreachable(backend, service(HTTPS), READY))]
    assert judged == ["ServiceNotFound", "ServicePortError", "EndpointsNotFound", "MissingEndpoints", ""]


def test_a_condition_is_written_once_and_keeps_its_time_while_it_stays_false() -> None:
    down = aggregation_health.failed_check("one")
    first = aggregation_health.with_condition(APIService(), down, START)
    assert first is not None
    assert aggregation_health.with_condition(first, down, START) is None
    later = START.replace(year=2031)
    second = aggregation_health.with_condition(first, aggregation_health.failed_check("two"), later)
    assert second is not None
    assert second.status.conditions[0].last_transition_time == "2030-01-01T00:00:00Z"
    up = aggregation_health.with_condition(second, aggregation_health.PASSED, later)
    assert up is not None
    assert (len(up.status.conditions), up.status.conditions[0].last_transition_time) == (1, "2031-01-01T00:00:00Z")


def test_the_servers_own_group_versions_are_few_and_the_core_has_a_dot() -> None:
    found = aggregation_health.local(scheme.resources(), scheme.resources())
    names = [each.metadata.name for each in found]
    assert {"v1.", "v1.apps", "v1.apiregistration.k8s.io"} <= set(names)
    assert len(names) == len(set(names)) <= 60
    assert aggregation_health.to_remove(found, found[1:]) == (found[0],)
    assert aggregation_health.to_remove([APIService(metadata=meta.ObjectMeta(name="v1.mine.io"))], found) == ()
