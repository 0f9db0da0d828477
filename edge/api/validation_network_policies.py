"""What is wrong with network policies."""

from __future__ import annotations

import ipaddress

from edge.api import networking
from edge.api import validation_words as words
from edge.api.validation_words import Causes

_TYPES = ("Ingress", "Egress")
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def network_policy(obj: networking.NetworkPolicy) -> Causes:
    """Yield what is wrong with a NetworkPolicy."""
    spec = obj.spec
    yield from words.label_selector("spec.podSelector", spec.pod_selector)
    for index, ingress in enumerate(spec.ingress):
        yield from _rule(f"spec.ingress[{index}]", ingress.ports, "from", ingress.from_)
    for index, egress in enumerate(spec.egress):
        yield from _rule(f"spec.egress[{index}]", egress.ports, "to", egress.to)
    if len(spec.policy_types) > len(_TYPES):
        yield words.invalid("spec.policyTypes", list(spec.policy_types), "may not specify more than two policyTypes")
        return
    for index, kind in enumerate(spec.policy_types):
        if kind not in _TYPES:
            yield words.unsupported(f"spec.policyTypes[{index}]", kind, _TYPES)


def _rule(here: str, ports: tuple[networking.NetworkPolicyPort, ...], direction: str,
          peers: tuple[networking.NetworkPolicyPeer, ...]) -> Causes:
    for index, port in enumerate(ports):
        yield from _port(f"{here}.ports[{index}]", port)
    for index, peer in enumerate(peers):
        yield from _peer(f"{here}.{direction}[{index}]", peer)


def _port(here: str, port: networking.NetworkPolicyPort) -> Causes:
    if port.protocol not in ("TCP", "UDP", "SCTP"):
        yield words.unsupported(f"{here}.protocol", port.protocol, ("TCP", "UDP", "SCTP"))
    end, field = port.end_port, f"{here}.endPort"
    if port.port is None:
        if end is not None:
            yield words.invalid(field, end, "may not be specified when `port` is not specified")
        return
    if isinstance(port.port, str) and end is not None:
        yield words.invalid(field, end, "may not be specified when `port` is non-numeric")
    yield from words.int_or_string(f"{here}.port", port.port)
    if isinstance(port.port, int) and end is not None:
        if end < port.port:
            yield words.invalid(field, end, "must be greater than or equal to `port`")
        yield from words.check(field, end, words.port_number)


def _peer(here: str, peer: networking.NetworkPolicyPeer) -> Causes:
    yield from words.label_selector(f"{here}.podSelector", peer.pod_selector)
    yield from words.label_selector(f"{here}.namespaceSelector", peer.namespace_selector)
    if peer.ip_block is not None:
        yield from _ip_block(f"{here}.ipBlock", peer.ip_block)
        if peer.pod_selector is not None or peer.namespace_selector is not None:
            yield words.forbidden(here, "may not specify both ipBlock and another peer")
    elif peer.pod_selector is None and peer.namespace_selector is None:
        yield words.required(here, "must specify a peer")


def _ip_block(here: str, block: networking.IPBlock) -> Causes:
    if not block.cidr:
        yield words.required(f"{here}.cidr")
        return
    yield from words.check(f"{here}.cidr", block.cidr, words.network)
    whole = _network(block.cidr)
    for index, text in enumerate(block.except_):
        field = f"{here}.except[{index}]"
        yield from words.check(field, text, words.network)
        part = _network(text)
        if whole is not None and part is not None and not _strictly_inside(part, whole):
            yield words.invalid(field, text, "must be a strict subset of `cidr`")


def _strictly_inside(part: _Network, whole: _Network) -> bool:
    return part.version == whole.version and part.prefixlen > whole.prefixlen and part.network_address in whole


def _network(text: str) -> _Network | None:
    if words.network(text):
        return None
    return ipaddress.ip_network(text, strict=False)
