"""What is wrong with Services, Endpoints and EndpointSlices."""

from __future__ import annotations

from edge.api import discovery, services
from edge.api import validation_words as words
from edge.api.validation_words import Causes

_PROTOCOLS = ("SCTP", "TCP", "UDP")
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")


def service(obj: services.Service) -> Causes:
    """Yield what is wrong with a Service."""
    spec = obj.spec
    headless = spec.cluster_ip == "None"
    if not spec.ports and not headless and spec.type != "ExternalName":
        yield words.required("spec.ports")
    if spec.type == "LoadBalancer" and headless:
        yield words.invalid("spec.clusterIPs[0]", spec.cluster_ip, "may not be set to 'None' for LoadBalancer services")
    if spec.type == "NodePort" and headless:
        yield words.invalid("spec.clusterIPs[0]", spec.cluster_ip, "may not be set to 'None' for NodePort services")
    yield from words.one_of("spec.type", spec.type, _TYPES)
    yield from words.label_map("spec.selector", spec.selector)
    yield from _ports(spec)
    yield from _addresses(spec)
    yield from _policies(spec)


def _ports(spec: services.ServiceSpec) -> Causes:
    names: set[str] = set()
    numbers: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.ports):
        here = f"spec.ports[{index}]"
        if not port.name and len(spec.ports) > 1:
            yield words.required(f"{here}.name")
        elif port.name:
            yield from words.check(f"{here}.name", port.name, words.dns_label)
            if port.name in names:
                yield words.duplicate(f"{here}.name", port.name)
            names.add(port.name)
        yield from words.check(f"{here}.port", port.port, words.port_number)
        yield from words.one_of(f"{here}.protocol", port.protocol, _PROTOCOLS)
        if port.target_port is not None and spec.type != "ExternalName":
            yield from words.int_or_string(f"{here}.targetPort", port.target_port)
        if port.node_port:
            yield from _node_port(here, port, spec.type)
        if (port.protocol, port.port) in numbers:
            yield words.duplicate(here, {"protocol": port.protocol, "port": port.port})
        numbers.add((port.protocol, port.port))


def _node_port(here: str, port: services.ServicePort, kind: str) -> Causes:
    if kind in ("ClusterIP", "ExternalName"):
        yield words.forbidden(f"{here}.nodePort", f"may not be used when `type` is '{kind}'")
    else:
        yield from words.check(f"{here}.nodePort", port.node_port, words.port_number)


def _addresses(spec: services.ServiceSpec) -> Causes:
    if spec.type == "ExternalName":
        if spec.cluster_ip and spec.cluster_ip != "None":
            yield words.forbidden("spec.clusterIPs", "may not be set when `type` is 'ExternalName'")
        yield from words.name_of("spec.externalName", spec.external_name.removesuffix("."))
    elif spec.cluster_ip not in ("", "None") and words.ip_address(spec.cluster_ip):
        yield words.invalid("spec.clusterIPs[0]", spec.cluster_ip, "must be empty, 'None', or a valid IP address")
    if spec.cluster_ip and spec.cluster_ips and spec.cluster_ip != spec.cluster_ips[0]:
        yield words.invalid("spec.clusterIPs", list(spec.cluster_ips), "first value must match `clusterIP`")
    for index, address in enumerate(spec.external_ips):
        yield from words.check(f"spec.externalIPs[{index}]", address, words.ip_address)
    for index, source in enumerate(spec.load_balancer_source_ranges):
        yield from words.check(f"spec.loadBalancerSourceRanges[{index}]", source.strip(), words.network)


def _policies(spec: services.ServiceSpec) -> Causes:
    yield from words.one_of("spec.sessionAffinity", spec.session_affinity, ("ClientIP", "None"))
    config = spec.session_affinity_config
    if config is not None and config.client_ip is not None:
        seconds = config.client_ip.timeout_seconds
        if seconds is not None and not 0 < seconds <= 86400:
            yield words.invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds,
                                "must be greater than 0 and less than 86400")
    if spec.external_traffic_policy:
        if spec.type not in ("NodePort", "LoadBalancer") and not spec.external_ips:
            yield words.invalid("spec.externalTrafficPolicy", spec.external_traffic_policy,
                                "may only be set for externally-accessible services")
        yield from words.one_of("spec.externalTrafficPolicy", spec.external_traffic_policy, ("Cluster", "Local"))
    yield from words.one_of("spec.internalTrafficPolicy", spec.internal_traffic_policy, ("Cluster", "Local"),
                            optional=True)
    yield from words.one_of("spec.ipFamilyPolicy", spec.ip_family_policy,
                            ("SingleStack", "PreferDualStack", "RequireDualStack"), optional=True)
    for index, family in enumerate(spec.ip_families):
        yield from words.one_of(f"spec.ipFamilies[{index}]", family, ("IPv4", "IPv6"))


def update(new: services.Service, old: services.Service) -> Causes:
    """Yield what of a change to a Service is not allowed."""
    addressed = "ExternalName" not in (new.spec.type, old.spec.type)
    if addressed and old.spec.cluster_ip and new.spec.cluster_ip != old.spec.cluster_ip:
        if new.spec.cluster_ip:
            yield words.invalid("spec.clusterIPs[0]", [new.spec.cluster_ip], "may not change once set")
        else:
            yield words.invalid("spec.clusterIPs[0]", [], "primary clusterIP can not be unset")


def endpoints(obj: services.Endpoints) -> Causes:
    """Yield what is wrong with Endpoints."""
    for index, subset in enumerate(obj.subsets):
        here = f"subsets[{index}]"
        if not subset.addresses and not subset.not_ready_addresses:
            yield words.required(here, "must specify `addresses` or `notReadyAddresses`")
        for field, addresses in (("addresses", subset.addresses), ("notReadyAddresses", subset.not_ready_addresses)):
            for number, address in enumerate(addresses):
                yield from words.name_of(f"{here}.{field}[{number}].ip", address.ip, words.ip_address)
                if address.hostname:
                    yield from words.check(f"{here}.{field}[{number}].hostname", address.hostname, words.dns_label)
        for number, port in enumerate(subset.ports):
            at = f"{here}.ports[{number}]"
            if not port.name and len(subset.ports) > 1:
                yield words.required(f"{at}.name")
            yield from words.check(f"{at}.port", port.port, words.port_number)
            yield from words.one_of(f"{at}.protocol", port.protocol, _PROTOCOLS)


def endpoint_slice(obj: discovery.EndpointSlice) -> Causes:
    """Yield what is wrong with an EndpointSlice."""
    yield from words.one_of("addressType", obj.address_type, ("FQDN", "IPv4", "IPv6"))
    for index, endpoint in enumerate(obj.endpoints):
        here = f"endpoints[{index}].addresses"
        if not endpoint.addresses:
            yield words.required(here, "must contain at least 1 address")
        for number, address in enumerate(endpoint.addresses):
            rule = words.dns_subdomain if obj.address_type == "FQDN" else words.ip_address
            yield from words.check(f"{here}[{number}]", address, rule)
    names: set[str] = set()
    for index, port in enumerate(obj.ports):
        if port.name in names:
            yield words.duplicate("ports", port.name)
        names.add(port.name)
        if port.port is not None:
            yield from words.check(f"ports[{index}].port", port.port, words.port_number)
        yield from words.one_of(f"ports[{index}].protocol", port.protocol, _PROTOCOLS)


def update_slice(new: discovery.EndpointSlice, old: discovery.EndpointSlice) -> Causes:
    """Yield what of a change to an EndpointSlice is not allowed."""
    yield from words.same("addressType", new.address_type, old.address_type)
