"""How Services, their endpoints and Ingresses are shown."""

from __future__ import annotations

from datetime import datetime

from edge.apiserver.tables.columns import (
    AGE,
    NAME,
    NONE,
    Cell,
    Obj,
    Printer,
    age,
    columns,
    items,
    joined,
    labels,
    limited,
    name,
    number,
    section,
    selector,
    text,
    values,
)


def _service(obj: Obj, now: datetime) -> list[Cell]:
    spec = section(obj, "spec")
    clusters = values(spec, "clusterIPs")
    return [name(obj), text(spec, "type", "ClusterIP"), clusters[0] if clusters else text(spec, "clusterIP", NONE),
            _external(obj), _ports(spec), age(obj, now), labels(section(spec, "selector"))]


def _external(obj: Obj) -> str:
    spec = section(obj, "spec")
    kind = text(spec, "type", "ClusterIP")
    extra = values(spec, "externalIPs")
    if kind == "ExternalName":
        return text(spec, "externalName", NONE)
    if kind == "LoadBalancer":
        given = _ingress_addresses(obj)
        return ",".join(list(dict.fromkeys(given + extra))) or "<pending>"
    return joined(extra)


def _ingress_addresses(obj: Obj) -> list[str]:
    given = items(section(obj, "status", "loadBalancer"), "ingress")
    return [text(each, "ip") or text(each, "hostname") for each in given if each.get("ip") or each.get("hostname")]


def _ports(spec: Obj) -> str:
    shown = []
    for port in items(spec, "ports"):
        node_port = number(port, "nodePort")
        middle = f":{node_port}" if node_port else ""
        shown.append(f"{number(port, 'port')}{middle}/{text(port, 'protocol', 'TCP')}")
    return joined(shown)


def _endpoints(obj: Obj, now: datetime) -> list[Cell]:
    found: list[str] = []
    for subset in items(obj, "subsets"):
        hosts = [text(each, "ip") for each in items(subset, "addresses")]
        ports = [number(each, "port") for each in items(subset, "ports")]
        if not ports:
            found += hosts
        for port in ports:
            found += [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host in hosts]
    return [name(obj), limited(found), age(obj, now)]


def _endpoint_slice(obj: Obj, now: datetime) -> list[Cell]:
    ports = [text(each, "port", "*") for each in items(obj, "ports")]
    addresses = [address for each in items(obj, "endpoints") for address in values(each, "addresses")]
    return [name(obj), text(obj, "addressType"), limited(ports) if ports else "<unset>",
            limited(addresses) if addresses else "<unset>", age(obj, now)]


def _ingress(obj: Obj, now: datetime) -> list[Cell]:
    spec = section(obj, "spec")
    return [name(obj), text(spec, "ingressClassName", NONE), _hosts(items(spec, "rules")),
            ",".join(sorted(set(_ingress_addresses(obj)))), "80, 443" if items(spec, "tls") else "80", age(obj, now)]


def _hosts(rules: list[Obj]) -> str:
    named = [text(rule, "host") for rule in rules if text(rule, "host")]
    return limited(named) if named else "*"


def _ingress_class(obj: Obj, now: datetime) -> list[Cell]:
    spec = section(obj, "spec")
    parameters = section(spec, "parameters")
    shown = NONE
    if parameters:
        group = text(parameters, "apiGroup")
        shown = f"{text(parameters, 'kind')}{'.' + group if group else ''}/{text(parameters, 'name')}"
    return [name(obj), text(spec, "controller"), shown, age(obj, now)]


def _network_policy(obj: Obj, now: datetime) -> list[Cell]:
    return [name(obj), selector(section(obj, "spec", "podSelector")), age(obj, now)]


SERVICE = Printer(columns(NAME, "Type", "Cluster-IP", "External-IP", "Port(s)", AGE, "+Selector"), _service)
ENDPOINTS = Printer(columns(NAME, "Endpoints", AGE), _endpoints)
ENDPOINT_SLICE = Printer(columns(NAME, "AddressType", "Ports", "Endpoints", AGE), _endpoint_slice)
INGRESS = Printer(columns(NAME, "Class", "Hosts", "Address", "Ports", AGE), _ingress)
INGRESS_CLASS = Printer(columns(NAME, "Controller", "Parameters", AGE), _ingress_class)
NETWORK_POLICY = Printer(columns(NAME, "Pod-Selector", AGE), _network_policy)
