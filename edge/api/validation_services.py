"""What is wrong with Services."""

from __future__ import annotations

from edge.api import labels, services, validation_endpoints
from edge.api import validation_words as words
from edge.api.validation_words import Causes

_SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
_ONLY_BALANCED = "may only be used when `type` is 'LoadBalancer'"
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
    yield from _balancing(obj)


def _ports(spec: services.ServiceSpec) -> Causes:
    names: set[str] = set()
    numbers: set[tuple[str, int]] = set()
    node_ports: set[tuple[str, int]] = set()
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
        yield from words.one_of(f"{here}.protocol", port.protocol, validation_endpoints.PROTOCOLS)
        yield from validation_endpoints.app_protocol(f"{here}.appProtocol", port.app_protocol)
        if port.target_port is not None and spec.type != "ExternalName":
            yield from words.int_or_string(f"{here}.targetPort", port.target_port)
        if port.node_port:
            yield from _node_port(here, port, spec.type)
            if (port.protocol, port.node_port) in node_ports:
                yield words.duplicate(f"{here}.nodePort", port.node_port)
            node_ports.add((port.protocol, port.node_port))
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
        for field, value in (("clusterIPs", spec.cluster_ip or spec.cluster_ips), ("ipFamilies", spec.ip_families),
                             ("ipFamilyPolicy", spec.ip_family_policy)):
            if value:
                yield words.forbidden(f"spec.{field}", "may not be set for ExternalName services")
        yield from words.name_of("spec.externalName", spec.external_name.removesuffix("."))
    elif spec.cluster_ip not in ("", "None") and words.ip_address(spec.cluster_ip):
        yield words.invalid("spec.clusterIPs[0]", spec.cluster_ip, "must be empty, 'None', or a valid IP address")
    if spec.cluster_ip and spec.cluster_ips and spec.cluster_ip != spec.cluster_ips[0]:
        yield words.invalid("spec.clusterIPs", list(spec.cluster_ips), "first value must match `clusterIP`")
    for index, address in enumerate(spec.external_ips):
        yield from words.check(f"spec.externalIPs[{index}]", address, words.ip_address)
        yield from validation_endpoints.ordinary_address(f"spec.externalIPs[{index}]", address)


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
    again = words.repeated(spec.ip_families)
    for index, family in enumerate(spec.ip_families):
        yield from words.one_of(f"spec.ipFamilies[{index}]", family, ("IPv4", "IPv6"))
        if index in again:
            yield words.duplicate(f"spec.ipFamilies[{index}]", family)
    yield from words.one_of("spec.trafficDistribution", spec.traffic_distribution, ("PreferClose",), optional=True)


def _balancing(obj: services.Service) -> Causes:
    """Yield what is wrong with the fields of a load balancer, which other services may not have."""
    spec, balanced = obj.spec, obj.spec.type == "LoadBalancer"
    annotated = obj.metadata.annotations.get(_SOURCE_RANGES)
    if spec.load_balancer_source_ranges:
        yield from _ranges("spec.LoadBalancerSourceRanges", spec.load_balancer_source_ranges, balanced=balanced)
    elif annotated is not None:
        parts = tuple(annotated.split(",")) if annotated.strip() else ()
        yield from _ranges(f"metadata.annotations[{_SOURCE_RANGES}]", parts, balanced=balanced, numbered=False)
    if spec.allocate_load_balancer_node_ports is not None and not balanced:
        yield words.forbidden("spec.allocateLoadBalancerNodePorts", _ONLY_BALANCED)
    if spec.load_balancer_class and not balanced:
        yield words.forbidden("spec.loadBalancerClass", _ONLY_BALANCED)
    elif spec.load_balancer_class:
        yield from words.check("spec.loadBalancerClass", spec.load_balancer_class, labels.key_problem)
    if spec.health_check_node_port:
        if not balanced or spec.external_traffic_policy != "Local":
            yield words.invalid("spec.healthCheckNodePort", spec.health_check_node_port, "may only be set when `type` "
                                "is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'")
        else:
            yield from words.check("spec.healthCheckNodePort", spec.health_check_node_port, words.port_number)


def _ranges(here: str, ranges: tuple[str, ...], *, balanced: bool, numbered: bool = True) -> Causes:
    if not balanced:
        yield words.forbidden(here, _ONLY_BALANCED)
    for index, source in enumerate(ranges):
        # People put blanks around them, and Kubernetes has always let them.
        yield from words.check(f"{here}[{index}]" if numbered else here, source.strip(), words.network)


def status(obj: services.Service) -> Causes:
    """Yield what is wrong with the status of a Service."""
    here = "status.loadBalancer.ingress"
    points = obj.status.load_balancer.ingress
    if points and obj.spec.type != "LoadBalancer":
        yield words.forbidden(here, "may only be used when `spec.type` is LoadBalancer")
        return
    for index, point in enumerate(points):
        at = f"{here}[{index}]"
        if point.ip:
            yield from words.check(f"{at}.ip", point.ip, words.ip_address)
        if point.ip_mode and not point.ip:
            yield words.forbidden(f"{at}.ipMode", "may not be specified when `ip` is not set")
        yield from words.one_of(f"{at}.ipMode", point.ip_mode, ("Proxy", "VIP"), optional=True)
        if point.hostname:
            yield from words.check(f"{at}.hostname", point.hostname, words.dns_subdomain)
            if not words.ip_address(point.hostname):
                yield words.invalid(f"{at}.hostname", point.hostname, "must be a DNS name, not an IP address")


def update(new: services.Service, old: services.Service) -> Causes:
    """Yield what of a change to a Service is not allowed."""
    addressed = "ExternalName" not in (new.spec.type, old.spec.type)
    if addressed and old.spec.cluster_ip and new.spec.cluster_ip != old.spec.cluster_ip:
        if new.spec.cluster_ip:
            yield words.invalid("spec.clusterIPs[0]", [new.spec.cluster_ip], "may not change once set")
        else:
            yield words.invalid("spec.clusterIPs[0]", [], "primary clusterIP can not be unset")
    if addressed and old.spec.ip_families and new.spec.ip_families[:1] not in ((), old.spec.ip_families[:1]):
        yield words.invalid("spec.ipFamilies[0]", list(new.spec.ip_families), "may not change once set")
    if new.spec.type == old.spec.type == "LoadBalancer":
        if new.spec.load_balancer_class != old.spec.load_balancer_class:
            yield words.invalid("spec.loadBalancerClass", new.spec.load_balancer_class, "may not change once set")
        needed = all(one.spec.external_traffic_policy == "Local" for one in (new, old))
        if needed and old.spec.health_check_node_port not in (0, new.spec.health_check_node_port):
            yield words.forbidden("spec.healthCheckNodePort", words.IMMUTABLE)
