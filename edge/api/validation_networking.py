"""What is wrong with Ingresses and Ingress classes."""

from __future__ import annotations

import ipaddress
import re

from edge.api import networking
from edge.api import validation_words as words
from edge.api.validation_words import Causes
from edge.api.volumes import TypedLocalObjectReference

_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_PARTS = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDS = ("/..", "/.")
_LONGEST_CONTROLLER = 250
_NOT_AN_ADDRESS = "must be a DNS name, not an IP address"
_PATH = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+")


def create_ingress(obj: networking.Ingress) -> Causes:
    """Yield what is wrong with a new Ingress only: later its annotation and its class may differ."""
    named = obj.metadata.annotations.get(networking.CLASS_ANNOTATION)
    if named is not None and obj.spec.ingress_class_name not in (None, named):
        yield words.invalid(f"annotations.{networking.CLASS_ANNOTATION}", named,
                            "must match `ingressClassName` when both are specified")


def ingress(obj: networking.Ingress) -> Causes:
    """Yield what is wrong with an Ingress."""
    spec = obj.spec
    if not spec.rules and spec.default_backend is None:
        yield words.invalid("spec", list(spec.rules), "either `defaultBackend` or `rules` must be specified")
    if spec.default_backend is not None:
        yield from _backend("spec.defaultBackend", spec.default_backend)
    for index, rule in enumerate(spec.rules):
        yield from _rule(f"spec.rules[{index}]", rule)
    for index, tls in enumerate(spec.tls):
        for number, host in enumerate(tls.hosts):
            yield from _host(f"spec.tls[{index}].hosts[{number}]", host)
        if tls.secret_name:
            yield from words.check(f"spec.tls[{index}].secretName", tls.secret_name, words.dns_subdomain)
    if spec.ingress_class_name is not None:
        yield from words.check("spec.ingressClassName", spec.ingress_class_name, words.dns_subdomain)


def ingress_status(obj: networking.Ingress) -> Causes:
    """Yield what is wrong with the status of an Ingress."""
    for index, point in enumerate(obj.status.load_balancer.ingress):
        here = f"status.loadBalancer.ingress[{index}]"
        if point.ip:
            yield from words.check(f"{here}.ip", point.ip, words.ip_address)
        if point.hostname:
            yield from words.check(f"{here}.hostname", point.hostname, words.dns_subdomain)
            if _is_address(point.hostname):
                yield words.invalid(f"{here}.hostname", point.hostname, _NOT_AN_ADDRESS)


def _rule(here: str, rule: networking.IngressRule) -> Causes:
    if rule.host:
        if _is_address(rule.host):
            yield words.invalid(f"{here}.host", rule.host, _NOT_AN_ADDRESS)
        yield from _host(f"{here}.host", rule.host)
    if rule.http is None:
        return
    if not rule.http.paths:
        yield words.required(f"{here}.http.paths")
    for index, path in enumerate(rule.http.paths):
        yield from _path(f"{here}.http.paths[{index}]", path)


def _host(field: str, host: str) -> Causes:
    yield from words.check(field, host, words.wildcard_subdomain if "*" in host else words.dns_subdomain)


def _path(here: str, path: networking.HTTPIngressPath) -> Causes:
    if not path.path_type:
        yield words.required(f"{here}.pathType", "pathType must be specified")
        return
    yield from words.one_of(f"{here}.pathType", path.path_type, _PATH_TYPES)
    exact = path.path_type in ("Exact", "Prefix")
    if (exact or (path.path and path.path_type in _PATH_TYPES)) and not path.path.startswith("/"):
        yield words.invalid(f"{here}.path", path.path, "must be an absolute path")
    if exact:
        for part in _BAD_PARTS:
            if part in path.path:
                yield words.invalid(f"{here}.path", path.path, f"must not contain '{part}'")
        for end in _BAD_ENDS:
            if path.path.endswith(end):
                yield words.invalid(f"{here}.path", path.path, f"cannot end with '{end}'")
    yield from _backend(f"{here}.backend", path.backend)


def _backend(here: str, backend: networking.IngressBackend) -> Causes:
    service = backend.service
    if service is not None and backend.resource is not None:
        yield words.invalid(here, "", "cannot set both resource and service backends")
    elif backend.resource is not None:
        yield from _object(f"{here}.resource", backend.resource)
    elif service is None:
        yield words.invalid(here, "", "resource or service backend is required")
    else:
        yield from words.name_of(f"{here}.service.name", service.name, words.dns_label_1035)
        yield from _backend_port(here, service.port)


def _backend_port(here: str, port: networking.ServiceBackendPort) -> Causes:
    if port.name and port.number:
        yield words.invalid(here, "", "cannot set both port name & port number")
    elif port.name:
        yield from words.check(f"{here}.service.port.name", port.name, words.port_name)
    elif port.number:
        yield from words.check(f"{here}.service.port.number", port.number, words.port_number)
    else:
        yield words.required(here, "port name or number is required")


def _object(here: str, reference: TypedLocalObjectReference | networking.IngressClassParametersReference) -> Causes:
    if reference.api_group:
        yield from words.check(f"{here}.apiGroup", reference.api_group, words.dns_subdomain)
    yield from words.name_of(f"{here}.kind", reference.kind, words.path_segment)
    yield from words.name_of(f"{here}.name", reference.name, words.path_segment)


def ingress_class(obj: networking.IngressClass) -> Causes:
    """Yield what is wrong with an IngressClass."""
    yield from _controller("spec.controller", obj.spec.controller)
    parameters = obj.spec.parameters
    if parameters is None:
        return
    here = "spec.parameters"
    yield from _object(here, parameters)
    yield from words.one_of(f"{here}.scope", parameters.scope, ("Cluster", "Namespace"))
    if parameters.scope == "Namespace":
        if parameters.namespace is None:
            yield words.required(f"{here}.namespace", "`parameters.scope` is set to 'Namespace'")
        else:
            yield from words.check(f"{here}.namespace", parameters.namespace, words.dns_label)
    elif parameters.scope == "Cluster" and parameters.namespace is not None:
        yield words.forbidden(f"{here}.namespace", "`parameters.scope` is set to 'Cluster'")


def update_ingress_class(new: networking.IngressClass, old: networking.IngressClass) -> Causes:
    """Yield what of a change to an IngressClass is not allowed."""
    yield from words.same("spec.controller", new.spec.controller, old.spec.controller)


def _controller(field: str, controller: str) -> Causes:
    if not controller:
        yield words.required(field)
        return
    if len(controller) > _LONGEST_CONTROLLER:
        yield words.too_long(field, _LONGEST_CONTROLLER)
    domain, _, path = controller.partition("/")
    if not domain or not path:
        yield words.invalid(field, controller, 'must be a domain-prefixed path (such as "acme.io/foo")')
        return
    yield from words.check(field, domain, words.dns_subdomain)
    if not _PATH.fullmatch(path):
        yield words.invalid(field, path, f"Invalid path (regex used for validation is '{_PATH.pattern}')")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
