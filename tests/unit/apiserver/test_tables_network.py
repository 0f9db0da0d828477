"""Tables of what leads traffic and of what extends the API, with kubectl's columns."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from edge.api import scheme
from edge.apiserver import tables

Json = dict[str, Any]
NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
META = {"name": "a", "creationTimestamp": "2026-01-02T11:59:00Z"}


def shown(kind: str, api_version: str, obj: Json) -> tuple[list[str], list[Any]]:
    resource = scheme.of_kind(api_version, kind)
    assert resource is not None
    table = tables.table(resource, [{"metadata": META, **obj}], NOW)
    return [column["name"] for column in table["columnDefinitions"]], table["rows"][0]["cells"]


@pytest.mark.parametrize(("spec", "status", "cells"), [
    ({}, {}, ["<none>", "*", "", "80"]),
    ({"ingressClassName": "nginx", "rules": [{"host": "a.io"}, {}], "tls": [{}]},
     {"loadBalancer": {"ingress": [{"ip": "10.0.0.2"}, {"ip": "10.0.0.1"}, {"hostname": "b.io"}]}},
     ["nginx", "a.io", "10.0.0.1,10.0.0.2,b.io", "80, 443"]),
    ({"rules": [{"host": f"{letter}.io"} for letter in "abcde"]}, {},
     ["<none>", "a.io,b.io,c.io + 2 more...", "", "80"]),
])
def test_ingresses(spec: Json, status: Json, cells: list[Any]) -> None:
    assert shown("Ingress", "networking.k8s.io/v1", {"spec": spec, "status": status}) == (
        ["Name", "Class", "Hosts", "Address", "Ports", "Age"], ["a", *cells, "60s"])


@pytest.mark.parametrize(("parameters", "cell"), [
    (None, "<none>"), ({"kind": "Settings", "name": "s"}, "Settings/s"),
    ({"kind": "Settings", "apiGroup": "a.io", "name": "s"}, "Settings.a.io/s"),
])
def test_ingress_classes(parameters: Json | None, cell: str) -> None:
    assert shown("IngressClass", "networking.k8s.io/v1", {"spec": {"controller": "a.io/b", "parameters": parameters}}) \
        == (["Name", "Controller", "Parameters", "Age"], ["a", "a.io/b", cell, "60s"])


@pytest.mark.parametrize(("selector", "cell"), [
    ({}, "<none>"), ({"matchLabels": {"b": "1", "a": "2"}}, "a=2,b=1"),
    ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["y", "x"]}]}, "a in (x,y)"),
])
def test_network_policies(selector: Json, cell: str) -> None:
    assert shown("NetworkPolicy", "networking.k8s.io/v1", {"spec": {"podSelector": selector}}) == (
        ["Name", "Pod-Selector", "Age"], ["a", cell, "60s"])


@pytest.mark.parametrize(("obj", "cells"), [
    ({}, ["Local", "Unknown"]),
    ({"spec": {"service": {"namespace": "tools", "name": "metrics"}},
      "status": {"conditions": [{"type": "Available", "status": "True", "reason": "Passed"}]}},
     ["tools/metrics", "True"]),
    ({"status": {"conditions": [{"type": "Available", "status": "False", "reason": "MissingEndpoints"}]}},
     ["Local", "False (MissingEndpoints)"]),
])
def test_api_services(obj: Json, cells: list[Any]) -> None:
    assert shown("APIService", "apiregistration.k8s.io/v1", obj) == (
        ["Name", "Service", "Available", "Age"], ["a", *cells, "60s"])


@pytest.mark.parametrize(("kind", "version", "obj", "columns", "cells"), [
    ("PriorityClass", "scheduling.k8s.io/v1", {"value": 5, "preemptionPolicy": "Never"},
     ["Value", "Global-Default", "Age", "PreemptionPolicy"], [5, False, "60s", "Never"]),
    ("RuntimeClass", "node.k8s.io/v1", {"handler": "crun"}, ["Handler", "Age"], ["crun", "60s"]),
    ("ValidatingWebhookConfiguration", "admissionregistration.k8s.io/v1", {"webhooks": [{}, {}]},
     ["Webhooks", "Age"], [2, "60s"]),
    ("MutatingWebhookConfiguration", "admissionregistration.k8s.io/v1", {}, ["Webhooks", "Age"], [0, "60s"]),
])
def test_classes_and_webhooks(kind: str, version: str, obj: Json, columns: list[str], cells: list[Any]) -> None:
    assert shown(kind, version, obj) == (["Name", *columns], ["a", *cells])


@pytest.mark.parametrize(("kind", "version"), [
    ("Ingress", "networking.k8s.io/v1"), ("IngressClass", "networking.k8s.io/v1"),
    ("NetworkPolicy", "networking.k8s.io/v1"), ("APIService", "apiregistration.k8s.io/v1"),
    ("PriorityClass", "scheduling.k8s.io/v1"), ("RuntimeClass", "node.k8s.io/v1"),
    ("MutatingWebhookConfiguration", "admissionregistration.k8s.io/v1"),
])
@pytest.mark.parametrize("wrong", [None, 5, [], "x", {"rules": 3, "service": [], "podSelector": 1, "tls": "x"}])
def test_objects_of_a_wrong_shape_are_shown_all_the_same(kind: str, version: str, wrong: Any) -> None:
    _, cells = shown(kind, version, {"spec": wrong, "status": wrong, "webhooks": wrong, "value": wrong,
                                     "handler": wrong})
    assert cells[0] == "a"
