"""Defaults of Ingress classes and network policies."""

from __future__ import annotations

from msgspec.structs import replace

from edge.api import networking


def ingress_class(obj: networking.IngressClass) -> networking.IngressClass:
    """Return the class with its defaults."""
    parameters = obj.spec.parameters
    if parameters is None or parameters.scope:
        return obj
    return replace(obj, spec=replace(obj.spec, parameters=replace(parameters, scope="Cluster")))


def network_policy(obj: networking.NetworkPolicy) -> networking.NetworkPolicy:
    """Return the policy with its defaults."""
    spec = obj.spec
    types = spec.policy_types or (("Ingress", "Egress") if spec.egress else ("Ingress",))
    return replace(obj, spec=replace(
        spec, policy_types=types,
        ingress=tuple(replace(rule, ports=_ports(rule.ports)) for rule in spec.ingress),
        egress=tuple(replace(rule, ports=_ports(rule.ports)) for rule in spec.egress)))


def _ports(ports: tuple[networking.NetworkPolicyPort, ...]) -> tuple[networking.NetworkPolicyPort, ...]:
    return tuple(replace(port, protocol=port.protocol or "TCP") for port in ports)
