"""What is wrong with Endpoints and EndpointSlices."""

from __future__ import annotations

import ipaddress

from edge.api import discovery, labels, services
from edge.api import validation_words as words
from edge.api.validation_words import Causes

PROTOCOLS = ("SCTP", "TCP", "UDP")
_MOST_ENDPOINTS = 1000
_MOST_PORTS = 20000
_MOST_ADDRESSES = 100
_MOST_HINTS = 8
_FAMILIES = {"IPv4": 4, "IPv6": 6}


def endpoints(obj: services.Endpoints) -> Causes:
    """Yield what is wrong with Endpoints."""
    for index, subset in enumerate(obj.subsets):
        here = f"subsets[{index}]"
        if not subset.addresses and not subset.not_ready_addresses:
            yield words.required(here, "must specify `addresses` or `notReadyAddresses`")
        for field, addresses in (("addresses", subset.addresses), ("notReadyAddresses", subset.not_ready_addresses)):
            for number, address in enumerate(addresses):
                yield from _address(f"{here}.{field}[{number}]", address)
        for number, port in enumerate(subset.ports):
            at = f"{here}.ports[{number}]"
            if not port.name and len(subset.ports) > 1:
                yield words.required(f"{at}.name")
            elif port.name:
                yield from words.check(f"{at}.name", port.name, words.dns_label)
            yield from words.check(f"{at}.port", port.port, words.port_number)
            yield from words.one_of(f"{at}.protocol", port.protocol, PROTOCOLS)
            yield from app_protocol(f"{at}.appProtocol", port.app_protocol)


def _address(here: str, address: services.EndpointAddress) -> Causes:
    yield from words.name_of(f"{here}.ip", address.ip, words.ip_address)
    if address.hostname:
        yield from words.check(f"{here}.hostname", address.hostname, words.dns_label)
    if address.node_name:
        yield from words.check(f"{here}.nodeName", address.node_name, words.dns_subdomain)
    yield from ordinary_address(f"{here}.ip", address.ip)


def ordinary_address(field: str, address: str) -> Causes:
    """Yield a cause when an address means something else on each machine, so that it cannot be an endpoint."""
    if words.ip_address(address):
        return
    found = ipaddress.ip_address(address)
    if found.is_unspecified:
        yield words.invalid(field, address, f"may not be unspecified ({address})")
    if found.is_loopback:
        yield words.invalid(field, address, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if found.is_link_local:
        yield words.invalid(field, address, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if found in ipaddress.ip_network("224.0.0.0/24") or found in ipaddress.ip_network("ff02::/16"):
        yield words.invalid(field, address, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


def app_protocol(field: str, name: str) -> Causes:
    """Yield what is wrong with the name of an application protocol."""
    if name:
        yield from words.check(field, name, labels.key_problem)


def endpoint_slice(obj: discovery.EndpointSlice) -> Causes:
    """Yield what is wrong with an EndpointSlice."""
    yield from words.one_of("addressType", obj.address_type, ("FQDN", "IPv4", "IPv6"))
    if len(obj.endpoints) > _MOST_ENDPOINTS:
        yield words.too_many("endpoints", len(obj.endpoints), _MOST_ENDPOINTS)
    else:
        for index, endpoint in enumerate(obj.endpoints):
            yield from _endpoint(f"endpoints[{index}]", endpoint, obj.address_type)
    if len(obj.ports) > _MOST_PORTS:
        yield words.too_many("ports", len(obj.ports), _MOST_PORTS)
    else:
        yield from _slice_ports(obj.ports)


def _endpoint(here: str, endpoint: discovery.Endpoint, address_type: str) -> Causes:
    if not endpoint.addresses:
        yield words.required(f"{here}.addresses", "must contain at least 1 address")
    elif len(endpoint.addresses) > _MOST_ADDRESSES:
        yield words.too_many(f"{here}.addresses", len(endpoint.addresses), _MOST_ADDRESSES)
    for number, address in enumerate(endpoint.addresses):
        field = f"{here}.addresses[{number}]"
        if address_type == "FQDN":
            yield from words.check(field, address, words.dns_subdomain)
        elif address_type in _FAMILIES:
            if words.ip_address(address) or ipaddress.ip_address(address).version != _FAMILIES[address_type]:
                yield words.invalid(field, address, f"must be a valid {address_type} address")
            else:
                yield from ordinary_address(field, address)
    if endpoint.node_name:
        yield from words.check(f"{here}.nodeName", endpoint.node_name, words.dns_subdomain)
    if endpoint.hostname:
        yield from words.check(f"{here}.hostname", endpoint.hostname, words.dns_label)
    if endpoint.hints is not None:
        yield from _hints(f"{here}.hints.forZones", endpoint.hints.for_zones)


def _hints(here: str, zones: tuple[discovery.ForZone, ...]) -> Causes:
    if len(zones) > _MOST_HINTS:
        yield words.too_many(here, len(zones), _MOST_HINTS)
        return
    again = words.repeated(zones)
    for index, zone in enumerate(zones):
        if index in again:
            yield words.duplicate(f"{here}[{index}].name", zone.name)
        yield from words.check(f"{here}[{index}].name", zone.name, labels.value_problem)


def _slice_ports(ports: tuple[discovery.EndpointPort, ...]) -> Causes:
    names: set[str] = set()
    for index, port in enumerate(ports):
        if port.name:
            yield from words.check(f"ports[{index}].name", port.name, words.dns_label)
        if port.name in names:
            yield words.duplicate(f"ports[{index}].name", port.name)
        names.add(port.name)
        if port.port is not None:
            yield from words.check(f"ports[{index}].port", port.port, words.port_number)
        yield from words.one_of(f"ports[{index}].protocol", port.protocol, PROTOCOLS)
        yield from app_protocol(f"ports[{index}].appProtocol", port.app_protocol)


def update_slice(new: discovery.EndpointSlice, old: discovery.EndpointSlice) -> Causes:
    """Yield what of a change to an EndpointSlice is not allowed."""
    yield from words.same("addressType", new.address_type, old.address_type)
