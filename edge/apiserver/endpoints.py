"""Decides which addresses a service reference of a webhook or an APIService means.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#service-reference
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.api import core, errors
from edge.apiserver.lookup import Lookup

HTTPS_PORT = 443
"""The port of a reference that names none."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where one program listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


Resolve = Callable[[str, str, int], tuple[Address, ...]]
"""Returns the ready addresses behind a service (namespace, name, port). Raises errors.ApiError when there are none."""


def server_name(namespace: str, name: str) -> str:
    """Return the name that the service's certificate has to carry."""
    return f"{name}.{namespace}.svc"


def resolver(lookup: Lookup) -> Resolve:
    """Return the resolver that looks at the Services and Endpoints of the store."""
    def resolve(namespace: str, name: str, port: int) -> tuple[Address, ...]:
        service = lookup.one(core.Service, namespace, name)
        if service is None:
            raise errors.not_found("services", name)
        return of_service(service, lookup.one(core.Endpoints, namespace, name), port)
    return resolve


def of_service(service: core.Service, endpoints: core.Endpoints | None, port: int) -> tuple[Address, ...]:
    """Return where the service leads at that port. Raises errors.Unavailable when that is nowhere."""
    name = service.metadata.name
    if service.spec.type == "ExternalName":
        return (Address(service.spec.external_name, port),)
    port_name = name_of_port(service, port)
    if port_name is None:
        raise errors.Unavailable(f'no service port {port} found for service "{name}"')
    found = () if endpoints is None else ready(endpoints, port_name)
    if not found:
        raise errors.Unavailable(f'no endpoints available for service "{name}"')
    return found


def name_of_port(service: core.Service, port: int) -> str | None:
    """Return the name of a service's port, which may be empty, or None when it has no such port."""
    return next((each.name for each in service.spec.ports if each.port == port), None)


def ready(endpoints: core.Endpoints, port_name: str) -> tuple[Address, ...]:
    """Return the ready addresses with a port of that name."""
    return tuple(Address(address.ip, port.port) for subset in endpoints.subsets for port in subset.ports
                 if port.name == port_name for address in subset.addresses)
