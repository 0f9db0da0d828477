"""Decides about certificate requests: approve, deny, or leave them to a person.

A bootstrap token lets a machine in under a name nobody has; a name that is taken is given again only for the key it
was given for, so that a token found on a card cannot take over a node that is already there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge.pki import names

RESERVED = frozenset(("localhost", "kubernetes"))
"""Names of the API server: a node's certificate would pass for it."""
USAGES = frozenset(("client auth", "server auth", "digital signature", "key encipherment"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A certificate request as the decision needs it: what it asks for, and who sent it."""

    signer: str
    usages: tuple[str, ...]
    common_name: str
    organizations: tuple[str, ...]
    dns: tuple[str, ...]
    addresses: tuple[str, ...]
    key_hash: str
    username: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Approve:
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Deny:
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Wait for `kubectl certificate approve` or `deny`."""

    message: str


Decision = Approve | Deny | Leave


def decide(asked: Asked, *, node_exists: bool, known_keys: Iterable[str]) -> Decision:
    """Return what becomes of the request.

    Args:
        asked: the request.
        node_exists: whether there is a Node object of that name.
        known_keys: hashes of the keys certificates of that name were issued for.
    """
    if asked.signer != names.NODE_SIGNER:
        return Leave(f"the signer is not {names.NODE_SIGNER}")
    if problem := wrong(asked):
        return Deny("InvalidRequest", problem)
    if asked.username == f"system:node:{asked.common_name}" and names.NODES_GROUP in asked.groups:
        return Approve("NodeRenewal", "the node renews its own certificate")
    if names.BOOTSTRAPPERS_GROUP not in asked.groups:
        return Leave("the requester is neither the node itself nor has a bootstrap token")
    known = set(known_keys)
    if asked.key_hash in known:
        return Approve("NodeRejoin", "the node joins again with the key it had")
    if node_exists or known:
        return Leave(f"the name {asked.common_name} is taken by another key; if the card or board was replaced, "
                     "approve the request by hand")
    return Approve("NodeJoin", "a new node joins with a bootstrap token")


def wrong(asked: Asked) -> str:
    """Return why no certificate may ever be made of the request, or ""."""
    if problem := names.node_name_problem(asked.common_name):
        return problem
    if asked.common_name in RESERVED:
        return f"the name {asked.common_name} is the API server's"
    if asked.organizations != (names.NODES_GROUP,):
        return f"the organization must be {names.NODES_GROUP} and nothing else"
    if unknown := [usage for usage in asked.usages if usage not in USAGES]:
        return f"a node certificate is not for {', '.join(unknown)}"
    if any(name != asked.common_name for name in asked.dns):
        return "the only DNS name of a node certificate is the node's own"
    return ""
