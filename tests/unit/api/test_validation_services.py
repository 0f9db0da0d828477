"""Services, endpoints, nodes, leases, events and typed secrets: what is wrong with them, in Kubernetes' words."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest

from edge.api import codec, configuration, core, defaults, discovery, events, meta, scheme, validation
from edge.api.certificates import CertificateSigningRequest
from edge.api.coordination import Lease

Json = dict[str, Any]
SERVICE: Json = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}], "selector": {"app": "web"}}}
BALANCED = {"type": "LoadBalancer", "ports": [{"port": 80}]}
SLICE: Json = {"metadata": {"name": "web-1"}, "addressType": "IPv4", "endpoints": [{"addresses": ["10.244.1.2"]}],
               "ports": [{"name": "", "port": 80}]}
NEW_EVENT: Json = {"metadata": {"name": "e", "namespace": "default"}, "eventTime": "2026-01-02T12:00:00.000001Z",
                   "involvedObject": {"kind": "Pod", "name": "web", "namespace": "default"}, "reason": "Started",
                   "action": "Starting", "reportingComponent": "edge.io/agent", "reportingInstance": "node-1"}
CHANGED = "may not change once set"


def read(kind: type[meta.Object], raw: Json) -> Any:
    return defaults.apply(codec.decode(scheme.of_type(kind), raw))


def problems(kind: type[meta.Object], raw: Json) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validation.create(read(kind, raw))]


def service(**spec: Any) -> Json:
    return {**SERVICE, "spec": {**SERVICE["spec"], **spec}}


@pytest.mark.parametrize(("spec", "expected"), [
    ({"trafficDistribution": "PreferFar"},
     'spec.trafficDistribution: Unsupported value: "PreferFar": supported values: "PreferClose"'),
    ({"allocateLoadBalancerNodePorts": False},
     "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'"),
    ({"loadBalancerClass": "a.io/b"},
     "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"),
    ({"loadBalancerSourceRanges": ["10.0.0.0/8"]},
     "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"),
    ({"healthCheckNodePort": 30000}, "spec.healthCheckNodePort: Invalid value: 30000: may only be set when `type` is"),
    ({"externalIPs": ["127.0.0.1"]},
     'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'),
    ({"ports": [{"port": 80, "appProtocol": "a b"}]},
     'spec.ports[0].appProtocol: Invalid value: "a b": name part must'),
    ({"type": "NodePort", "ports": [{"name": "a", "port": 1, "nodePort": 30001},
                                    {"name": "b", "port": 2, "nodePort": 30001}]},
     "spec.ports[1].nodePort: Duplicate value: 30001"),
    ({"ipFamilies": ["IPv4", "IPv4"]}, 'spec.ipFamilies[1]: Duplicate value: "IPv4"'),
    ({"type": "ExternalName", "externalName": "a.example", "ipFamilies": ["IPv4"]},
     "spec.ipFamilies: Forbidden: may not be set for ExternalName services"),
    ({**BALANCED, "loadBalancerSourceRanges": [" 10.0.0.0/8 ", "x"]},
     'spec.LoadBalancerSourceRanges[1]: Invalid value: "x": must be a valid CIDR value'),
    ({**BALANCED, "loadBalancerClass": "a b"}, 'spec.loadBalancerClass: Invalid value: "a b": name part must'),
])
def test_what_is_wrong_with_a_service(spec: Json, expected: str) -> None:
    found = problems(core.Service, service(**spec))

    assert len(found) == 1, found
    assert found[0].startswith(expected)


@pytest.mark.parametrize("spec", [
    {"trafficDistribution": "PreferClose"}, {**BALANCED, "allocateLoadBalancerNodePorts": False},
    {**BALANCED, "loadBalancerClass": "example.com/lb", "loadBalancerSourceRanges": ["10.0.0.0/8"]},
    {**BALANCED, "externalTrafficPolicy": "Local", "healthCheckNodePort": 30100}, {"ipFamilies": ["IPv4"]},
    {"ports": [{"port": 80, "appProtocol": "kubernetes.io/h2c"}]},
])
def test_services_that_are_fine(spec: Json) -> None:
    assert problems(core.Service, service(**spec)) == []


@pytest.mark.parametrize(("old", "new", "expected"), [
    ({**BALANCED, "loadBalancerClass": "a.io/b"}, {**BALANCED, "loadBalancerClass": "a.io/c"},
     [("spec.loadBalancerClass", f'Invalid value: "a.io/c": {CHANGED}')]),
    ({"ipFamilies": ["IPv4"]}, {"ipFamilies": ["IPv6"]},
     [("spec.ipFamilies[0]", f'Invalid value: ["IPv6"]: {CHANGED}')]),
    ({"ipFamilies": ["IPv4"]}, {}, []),
    ({**BALANCED, "externalTrafficPolicy": "Local", "healthCheckNodePort": 30100},
     {**BALANCED, "externalTrafficPolicy": "Local", "healthCheckNodePort": 30101},
     [("spec.healthCheckNodePort", "Forbidden: field is immutable")]),
])
def test_what_of_a_service_stays(old: Json, new: Json, expected: list[tuple[str, str]]) -> None:
    causes = validation.update(read(core.Service, service(**new)), read(core.Service, service(**old)))

    assert [(cause.field, cause.message) for cause in causes] == expected


def test_the_status_of_a_service_is_looked_at() -> None:
    def causes(kind: str, *ingress: Json) -> list[str]:
        raw = service(type=kind) | {"status": {"loadBalancer": {"ingress": list(ingress)}}}
        return [cause.field for cause in validation.update(read(core.Service, raw), read(core.Service, raw), "status")]

    assert causes("LoadBalancer", {"ip": "10.0.0.1", "ipMode": "VIP"}) == []
    assert causes("LoadBalancer", {"ip": "x"}, {"hostname": "10.0.0.1"}, {"ipMode": "VIP"}) == [
        "status.loadBalancer.ingress[0].ip", "status.loadBalancer.ingress[1].hostname",
        "status.loadBalancer.ingress[2].ipMode"]
    assert causes("ClusterIP", {"ip": "10.0.0.1"}) == ["status.loadBalancer.ingress"]


@pytest.mark.parametrize(("change", "expected"), [
    ({"endpoints": [{"addresses": ["fd00::1"]}]},
     ['endpoints[0].addresses[0]: Invalid value: "fd00::1": must be a valid IPv4 address']),
    ({"endpoints": [{"addresses": ["169.254.1.1"]}]}, [
        'endpoints[0].addresses[0]: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, '
        "fe80::/10)"]),
    ({"endpoints": [{"addresses": ["10.0.0.1"]}] * 1001}, ["endpoints: Too many: 1001: must have at most 1000 items"]),
    ({"endpoints": [{"addresses": ["10.0.0.1"], "hints": {"forZones": [{"name": "a"}, {"name": "a"}]}}]},
     ['endpoints[0].hints.forZones[1].name: Duplicate value: "a"']),
    ({"ports": [{"name": "a", "port": 1}, {"name": "a", "port": 2}]}, ['ports[1].name: Duplicate value: "a"']),
    ({"addressType": "FQDN", "endpoints": [{"addresses": ["a.example"]}]}, []),
    ({"addressType": "IPv6", "endpoints": [{"addresses": ["fd00::1"], "conditions": {"ready": True, "serving": True}}]},
     []),
])
def test_what_is_wrong_with_a_slice(change: Json, expected: list[str]) -> None:
    assert problems(discovery.EndpointSlice, {**SLICE, **change}) == expected


def test_an_endpoint_is_an_address_that_means_the_same_everywhere() -> None:
    subset = {"addresses": [{"ip": "0.0.0.0", "nodeName": "Node"}], "ports": [{"port": 1, "name": "A"}]}

    assert [text.partition(": ")[0] for text in problems(core.Endpoints, {
        "metadata": {"name": "web"}, "subsets": [subset]})] == [
            "subsets[0].addresses[0].nodeName", "subsets[0].addresses[0].ip", "subsets[0].ports[0].name"]


def test_what_of_a_node_stays() -> None:
    raw = {"metadata": {"name": "node-1"}, "spec": {"podCIDR": "10.244.1.0/24", "providerID": "a"}}
    old = read(core.Node, raw)

    assert validation.update(old, read(core.Node, {"metadata": {"name": "node-1"}})) == ()
    changed = read(core.Node, {"metadata": {"name": "node-1"}, "spec": {
        "podCIDR": "10.244.2.0/24", "providerID": "b", "externalID": "c"}})
    assert [(cause.field, cause.message) for cause in validation.update(changed, old)] == [
        ("spec.podCIDRs", 'Forbidden: node updates may not change podCIDR except from "" to valid'),
        ("spec.providerID", 'Forbidden: node updates may not change providerID except from "" to valid'),
        ("spec.externalID", "Forbidden: may not be updated")]
    assert problems(core.Node, {"metadata": {"name": "node-1"}, "spec": {
        "podCIDRs": ["10.1.0.0/24", "10.2.0.0/24"]}})[0].endswith("may specify no more than one CIDR for each IP "
                                                               "family")


def test_a_preferred_holder_needs_a_strategy() -> None:
    assert problems(Lease, {"metadata": {"name": "a"}, "spec": {"preferredHolder": "b"}}) == [
        "spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined"]
    assert problems(Lease, {"metadata": {"name": "a"}, "spec": {
        "preferredHolder": "b", "strategy": "OldestEmulationVersion"}}) == []


@pytest.mark.parametrize(("change", "expected"), [
    ({}, []),
    ({"action": ""}, ["action: Required value"]),
    ({"reportingComponent": ""}, ["reportingComponent: Required value"]),
    ({"reportingInstance": "x" * 129}, ['reportingInstance: Invalid value: "": can have at most 128 characters']),
    ({"message": "x" * 1025}, ['message: Invalid value: "": can have at most 1024 characters']),
    ({"eventTime": None, "action": "", "reportingComponent": ""}, []),
])
def test_an_event_of_the_new_style_says_who_did_what(change: Json, expected: list[str]) -> None:
    assert problems(events.Event, {**NEW_EVENT, **change}) == expected


@pytest.mark.parametrize("version", ["events.k8s.io/v1", "events.k8s.io/v1beta1"])
def test_an_event_keeps_every_field_in_both_groups(version: str) -> None:
    reference = {"kind": "Pod", "namespace": "default", "name": "web", "uid": "1", "apiVersion": "v1",
                 "resourceVersion": "5", "fieldPath": "spec.containers{web}"}
    sent = {"apiVersion": version, "kind": "Event", "metadata": {"name": "e", "namespace": "default"},
            "eventTime": "2026-01-02T12:00:00.000001Z", "reason": "Started", "type": "Normal", "note": "hi",
            "series": {"count": 3, "lastObservedTime": "2026-01-02T12:01:00.000001Z"}, "action": "Starting",
            "reportingController": "edge.io/agent", "reportingInstance": "node-1",
            "regarding": reference, "related": {**reference, "name": "other"},
            "deprecatedSource": {"component": "agent", "host": "node-1"}, "deprecatedCount": 3,
            "deprecatedFirstTimestamp": "2026-01-02T12:00:00Z", "deprecatedLastTimestamp": "2026-01-02T12:01:00Z"}
    stored = scheme.convert_in(version, copy.deepcopy(sent))

    assert codec.unknown_fields(events.Event, stored) == ()
    assert problems(events.Event, stored) == []
    assert scheme.convert_out(version, codec.to_dict(read(events.Event, stored))) == sent


def test_an_old_certificate_request_has_a_signer() -> None:
    raw = {"apiVersion": "certificates.k8s.io/v1beta1", "kind": "CertificateSigningRequest", "metadata": {"name": "a"},
           "spec": {"request": "eA=="}, "status": {"conditions": [{"type": "Approved"}]}}
    stored = scheme.convert_in("certificates.k8s.io/v1beta1", raw)

    assert stored["spec"]["signerName"] == "kubernetes.io/legacy-unknown"
    assert stored["status"]["conditions"] == [{"type": "Approved", "status": "True"}]
    assert read(CertificateSigningRequest, stored).spec.usages == ("digital signature", "key encipherment")


@pytest.mark.parametrize(("kind", "data", "expected"), [
    ("tls", {"tls.crt": ""}, ["data[tls.key]: Required value"]),
    ("tls", {"tls.crt": "", "tls.key": ""}, []),
    ("ssh-auth", {"ssh-privatekey": ""}, ["data[ssh-privatekey]: Required value"]),
    ("basic-auth", {}, ["data[username]: Required value", "data[password]: Required value"]),
    ("basic-auth", {"password": "p"}, []),
    ("dockercfg", {".dockercfg": "[]"}, ["json: cannot unmarshal array into Go value of type map[string]interface {}"]),
    ("dockercfg", {".dockercfg": "x"}, ["invalid character 'x' looking for beginning of value"]),
    ("dockerconfigjson", {".dockerconfigjson": ""}, ["unexpected end of JSON input"]),
    ("dockerconfigjson", {".dockerconfigjson": "[" * 100_000}, ["exceeded max depth"]),
    ("dockerconfigjson", {".dockerconfigjson": '{"auths": {}}'}, []),
    ("service-account-token", {}, ["metadata.annotations[kubernetes.io/service-account.name]: Required value"]),
])
def test_a_secret_has_what_its_type_needs(kind: str, data: dict[str, str], expected: list[str]) -> None:
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    found = problems(core.Secret, {"metadata": {"name": "a"}, "type": f"kubernetes.io/{kind}", "data": encoded})

    assert len(found) == len(expected), found
    assert all(text.endswith(wanted) for text, wanted in zip(found, expected, strict=True)), found


@pytest.mark.parametrize(("kind", "field"), [(configuration.ConfigMap, "data"), (configuration.Secret, "data")])
def test_what_is_immutable_stays(kind: type[meta.Object], field: str) -> None:
    raw = {"metadata": {"name": "a"}, "immutable": True, field: {"k": "YQ=="}}
    old = read(kind, raw)

    assert validation.update(read(kind, {**raw, "metadata": {"name": "a", "labels": {"a": "b"}}}), old) == ()
    assert [cause.field for cause in validation.update(read(kind, {**raw, "immutable": False, field: {}}), old)] == [
        "immutable", field]
