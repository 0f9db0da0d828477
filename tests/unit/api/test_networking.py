"""Ingresses, Ingress classes and network policies: old versions, defaults, and what is wrong with them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from edge.api import codec, defaults, meta, networking, scheme, validation

Json = dict[str, Any]
OLD: Json = {"apiVersion": "extensions/v1beta1", "kind": "Ingress", "metadata": {"name": "web"}, "spec": {
    "backend": {"serviceName": "fallback", "servicePort": 80},
    "tls": [{"hosts": ["shop.example.com"], "secretName": "certificate"}],
    "rules": [{"host": "shop.example.com", "http": {"paths": [
        {"path": "/", "backend": {"serviceName": "web", "servicePort": "http"}},
        {"path": "/x", "pathType": "Prefix", "backend": {"resource": {"apiGroup": "a.io", "kind": "Bucket",
                                                                      "name": "b"}}}]}}]}}
NEW: Json = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}, "spec": {
    "defaultBackend": {"service": {"name": "fallback", "port": {"number": 80}}},
    "tls": [{"hosts": ["shop.example.com"], "secretName": "certificate"}],
    "rules": [{"host": "shop.example.com", "http": {"paths": [
        {"path": "/", "pathType": "ImplementationSpecific",
         "backend": {"service": {"name": "web", "port": {"name": "http"}}}},
        {"path": "/x", "pathType": "Prefix", "backend": {"resource": {"apiGroup": "a.io", "kind": "Bucket",
                                                                      "name": "b"}}}]}}]}}
POLICY: Json = {"metadata": {"name": "guard"}, "spec": {
    "podSelector": {"matchLabels": {"app": "db"}},
    "ingress": [{"from": [{"podSelector": {}}, {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}],
                 "ports": [{"port": 5432}, {"protocol": "UDP", "port": 1000, "endPort": 2000}]}]}}


def read(kind: type[meta.Object], raw: Json) -> Any:
    return defaults.apply(codec.decode(scheme.of_type(kind), raw))


def problems(kind: type[meta.Object], raw: Json) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validation.create(read(kind, raw))]


def changed(raw: Json, path: str, value: Any) -> Json:
    result = copy.deepcopy(raw)
    *parents, last = path.split(".")
    place: Any = result
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
    place[int(last) if isinstance(place, list) else last] = value
    return result


@pytest.mark.parametrize("version", ["extensions/v1beta1", "networking.k8s.io/v1beta1"])
def test_an_old_ingress_is_stored_as_todays_and_shown_as_it_was(version: str) -> None:
    sent = OLD | {"apiVersion": version}
    stored = scheme.convert_in(version, copy.deepcopy(sent))

    assert stored == NEW
    assert codec.unknown_fields(networking.Ingress, stored) == ()
    assert problems(networking.Ingress, stored) == []
    expected = changed(sent, "spec.rules.0.http.paths.0.pathType", "ImplementationSpecific")
    assert scheme.convert_out(version, stored) == expected
    assert stored == NEW


def test_an_old_backend_without_a_port_is_named_as_incomplete() -> None:
    raw = changed(OLD, "spec.backend", {"serviceName": "web"})
    stored = scheme.convert_in("extensions/v1beta1", raw)

    assert problems(networking.Ingress, stored) == [
        "spec.defaultBackend: Required value: port name or number is required"]


@pytest.mark.parametrize("spec", [None, [], "x", {"backend": 5}, {"backend": {"serviceName": [1]}}, {"rules": 3},
                                  {"rules": [None, {"http": []}, {"http": {"paths": [7, {"backend": "x"}]}}]}])
def test_nonsense_in_an_old_ingress_passes_on_to_the_decoder(spec: Any) -> None:
    raw = {"apiVersion": "extensions/v1beta1", "kind": "Ingress", "spec": spec}

    stored = scheme.convert_in("extensions/v1beta1", raw)
    assert stored["apiVersion"] == "networking.k8s.io/v1"
    assert scheme.convert_out("extensions/v1beta1", stored)["apiVersion"] == "extensions/v1beta1"


@pytest.mark.parametrize(("path", "value", "expected"), [
    ("spec", {}, "spec: Invalid value: []: either `defaultBackend` or `rules` must be specified"),
    ("spec.defaultBackend", {}, 'spec.defaultBackend: Invalid value: "": resource or service backend is required'),
    ("spec.defaultBackend.service.port.name", "web",
     'spec.defaultBackend: Invalid value: "": cannot set both port name & port number'),
    ("spec.defaultBackend.service.port.number", 70000,
     "spec.defaultBackend.service.port.number: Invalid value: 70000: must be between 1 and 65535, inclusive"),
    ("spec.defaultBackend.resource", {"kind": "a", "name": "b"},
     'spec.defaultBackend: Invalid value: "": cannot set both resource and service backends'),
    ("spec.rules.0.host", "10.0.0.1",
     'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address'),
    ("spec.rules.0.host", "a.*.b", 'spec.rules[0].host: Invalid value: "a.*.b": a wildcard DNS-1123 subdomain must'),
    ("spec.rules.0.http.paths", [], "spec.rules[0].http.paths: Required value"),
    ("spec.rules.0.http.paths.0.pathType", "", "spec.rules[0].http.paths[0].pathType: Required value: pathType must be "
                                               "specified"),
    ("spec.rules.0.http.paths.0.pathType", "Regex",
     'spec.rules[0].http.paths[0].pathType: Unsupported value: "Regex": supported values: "Exact", '
     '"ImplementationSpecific", "Prefix"'),
    ("spec.rules.0.http.paths.0.path", "x",
     'spec.rules[0].http.paths[0].path: Invalid value: "x": must be an absolute'),
    ("spec.rules.0.http.paths.1.path", "/a//b",
     "spec.rules[0].http.paths[1].path: Invalid value: \"/a//b\": must not contain '//'"),
    ("spec.rules.0.http.paths.1.path", "/a/..",
     "spec.rules[0].http.paths[1].path: Invalid value: \"/a/..\": cannot end with '/..'"),
    ("spec.rules.0.http.paths.1.backend.resource.kind", "",
     "spec.rules[0].http.paths[1].backend.resource.kind: Required"),
    ("spec.tls.0.hosts.0", "A", 'spec.tls[0].hosts[0]: Invalid value: "A": a lowercase RFC 1123 subdomain'),
    ("spec.ingressClassName", "A", 'spec.ingressClassName: Invalid value: "A": a lowercase RFC 1123 subdomain'),
    ("metadata.annotations", {"kubernetes.io/ingress.class": "b"}, ""),
])
def test_what_is_wrong_with_an_ingress(path: str, value: Any, expected: str) -> None:
    found = problems(networking.Ingress, changed(NEW, path, value))

    assert (found == []) if not expected else (len(found) == 1 and found[0].startswith(expected)), found


def test_the_class_and_its_annotation_must_agree_only_at_first() -> None:
    raw = changed(changed(NEW, "spec.ingressClassName", "a"), "metadata.annotations",
                  {"kubernetes.io/ingress.class": "b"})

    assert problems(networking.Ingress, raw) == [
        'annotations.kubernetes.io/ingress.class: Invalid value: "b": must match `ingressClassName` when both are '
        "specified"]
    assert validation.update(read(networking.Ingress, raw), read(networking.Ingress, NEW)) == ()


def test_the_status_of_an_ingress_is_looked_at() -> None:
    raw = NEW | {"status": {"loadBalancer": {"ingress": [{"ip": "x"}, {"hostname": "10.0.0.1"}, {"ip": "10.0.0.1"}]}}}
    causes = validation.update(read(networking.Ingress, raw), read(networking.Ingress, NEW), "status")

    assert [cause.field for cause in causes] == ["status.loadBalancer.ingress[0].ip",
                                                 "status.loadBalancer.ingress[1].hostname"]


def test_a_class_refers_to_parameters_of_the_cluster_unless_it_says_otherwise() -> None:
    raw = {"metadata": {"name": "a"}, "spec": {"controller": "example.com/ingress",
                                               "parameters": {"kind": "Settings", "name": "s"}}}
    stored = read(networking.IngressClass, raw)

    assert stored.spec.parameters.scope == "Cluster"
    assert validation.create(stored) == ()
    assert defaults.apply(stored) == stored
    changed_controller = read(networking.IngressClass, changed(raw, "spec.controller", "example.com/other"))
    assert [cause.message for cause in validation.update(changed_controller, stored)] == [
        'Invalid value: "example.com/other": field is immutable']


@pytest.mark.parametrize(("path", "value", "expected"), [
    ("spec.controller", "", "spec.controller: Required value"),
    ("spec.controller", "ingress",
     'spec.controller: Invalid value: "ingress": must be a domain-prefixed path (such as "acme.io/foo")'),
    ("spec.controller", "a.io/" + "x" * 250, "spec.controller: Too long: may not be more than 250 bytes"),
    ("spec.parameters", {"kind": "a", "name": "b", "namespace": "c"},
     "spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"),
    ("spec.parameters", {"kind": "a", "name": "b", "scope": "Namespace"},
     "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"),
    ("spec.parameters", {"kind": "a", "name": "b", "scope": "World"},
     'spec.parameters.scope: Unsupported value: "World"'),
    ("spec.parameters", {"kind": "a/b", "name": "b"},
     "spec.parameters.kind: Invalid value: \"a/b\": may not contain '/'"),
])
def test_what_is_wrong_with_a_class(path: str, value: Any, expected: str) -> None:
    raw = {"metadata": {"name": "a"}, "spec": {"controller": "example.com/ingress"}}
    found = problems(networking.IngressClass, changed(raw, path, value))

    assert len(found) == 1, found
    assert found[0].startswith(expected)


def test_a_policy_is_about_what_it_has_rules_for() -> None:
    policy = read(networking.NetworkPolicy, POLICY)

    assert policy.spec.policy_types == ("Ingress",)
    assert [port.protocol for port in policy.spec.ingress[0].ports] == ["TCP", "UDP"]
    both = read(networking.NetworkPolicy, changed(POLICY, "spec.egress", [{}]))
    assert both.spec.policy_types == ("Ingress", "Egress")
    assert validation.create(both) == ()
    assert codec.to_dict(both)["spec"]["egress"] == [{}]
    assert codec.to_dict(read(networking.NetworkPolicy, {"spec": {}}))["spec"]["podSelector"] == {}
    assert codec.to_dict(policy)["spec"]["ingress"][0]["from"][0] == {"podSelector": {}}


@pytest.mark.parametrize(("path", "value", "expected"), [
    ("spec.policyTypes", ["Ingress", "Inside"],
     'spec.policyTypes[1]: Unsupported value: "Inside": supported values: "Ingress", "Egress"'),
    ("spec.policyTypes", ["Ingress", "Egress", "Egress"],
     'spec.policyTypes: Invalid value: ["Ingress","Egress","Egress"]: may not specify more than two policyTypes'),
    ("spec.ingress.0.from.0", {}, "spec.ingress[0].from[0]: Required value: must specify a peer"),
    ("spec.ingress.0.from.1.podSelector", {},
     "spec.ingress[0].from[1]: Forbidden: may not specify both ipBlock and another peer"),
    ("spec.ingress.0.from.1.ipBlock.cidr", "10.0.0.0",
     'spec.ingress[0].from[1].ipBlock.cidr: Invalid value: "10.0.0.0": must be a valid CIDR value'),
    ("spec.ingress.0.from.1.ipBlock.except", ["10.0.0.0/8"],
     'spec.ingress[0].from[1].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`'),
    ("spec.ingress.0.from.1.ipBlock.except", ["fd00::/64"],
     'spec.ingress[0].from[1].ipBlock.except[0]: Invalid value: "fd00::/64": must be a strict subset of `cidr`'),
    ("spec.ingress.0.ports.0.protocol", "ICMP",
     'spec.ingress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"'),
    ("spec.ingress.0.ports.0.port", "web!", 'spec.ingress[0].ports[0].port: Invalid value: "web!": must contain only'),
    ("spec.ingress.0.ports.1.endPort", 10,
     "spec.ingress[0].ports[1].endPort: Invalid value: 10: must be greater than or equal to `port`"),
    ("spec.ingress.0.ports.1.port", "web",
     "spec.ingress[0].ports[1].endPort: Invalid value: 2000: may not be specified when `port` is non-numeric"),
    ("spec.ingress.0.ports.1.port", None,
     "spec.ingress[0].ports[1].endPort: Invalid value: 2000: may not be specified when `port` is not specified"),
    ("spec.podSelector.matchLabels", {"a": "b c"}, 'spec.podSelector.matchLabels: Invalid value: "b c": a valid label'),
])
def test_what_is_wrong_with_a_policy(path: str, value: Any, expected: str) -> None:
    found = problems(networking.NetworkPolicy, changed(POLICY, path, value))

    assert len(found) == 1, found
    assert found[0].startswith(expected)
