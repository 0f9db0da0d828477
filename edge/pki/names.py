"""Who is called what in certificates: subjects, alternative names, and which node names are allowed.

The common name is the user, the organizations are the groups, as in Kubernetes
(https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates). On the bus the
common name is the user name, so a node's is the bare node name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

NODES_GROUP = "system:nodes"
MASTERS_GROUP = "system:masters"
BOOTSTRAPPERS_GROUP = "system:bootstrappers"
SERVER_USER = "system:edge-server"
ADMIN_USER = "kubernetes-admin"
CA_NAME = "edge-ca"
USERS_CA_NAME = "edge-users-ca"
NODE_SIGNER = "edge.io/node"
USER_SIGNER = "kubernetes.io/kube-apiserver-client"
RENEWER_USER = "system:edge-renewer"
RENEWERS_GROUP = "system:edge-renewers"
"""Whoever has shown the key of a certificate that was issued before, and nothing else."""
KEY_ANNOTATION = "edge.io/key"
"""On a Node: the hash of the public key its certificate was issued for."""
SERIAL_ANNOTATION = "edge.io/serial"
"""On a Node: the serial number of the board its certificate was issued to."""
EXPIRES_ANNOTATION = "edge.io/certificate-expires"
"""On a Node: until when its certificate is good."""
RENAMED_ANNOTATION = "edge.io/renamed-to"
"""On a Node: what the machine is called now; the object goes once the machine is there under its new name."""
BOOT_ANNOTATION = "edge.io/boot-id"
"""On a node's lease: which agent renews it. Two machines with one identity have different ones."""
WAITING_ANNOTATION = "edge.io/waiting"
"""On a certificate request: what it waits for, in words for a person."""

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What one certificate says and what it may be used for."""

    common_name: str
    organizations: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    serial: str = ""
    """Of the board, for a node."""
    client: bool = False
    server: bool = False


def node_name_problem(name: str) -> str:
    """Return what is wrong with a node name, or "" when it is an RFC 1123 label."""
    if not name:
        return "the node name is empty"
    if len(name) > 63:
        return "the node name is longer than 63 characters"
    if not _LABEL.fullmatch(name):
        return ("a node name consists of lower case letters, digits and '-', and starts and ends with a letter "
                "or digit")
    return ""


def node(name: str, addresses: Iterable[str] = (), serial: str = "") -> Profile:
    """Return the identity of a node on a board: client on the bus and the API, server of its own streams."""
    return Profile(common_name=name, organizations=(NODES_GROUP,), dns=(name,), addresses=_addresses(addresses),
                   serial=serial, client=True, server=True)


def edge_server() -> Profile:
    """Return the identity the server shows to the broker and to the nodes."""
    return Profile(common_name=SERVER_USER, organizations=(MASTERS_GROUP,), client=True)


def admin() -> Profile:
    """Return the identity of the administrator."""
    return Profile(common_name=ADMIN_USER, organizations=(MASTERS_GROUP,), client=True)


def api_server(names: Iterable[str], addresses: Iterable[str], domain: str = "cluster.local") -> Profile:
    """Return the API server's identity, under the names pods use and those of the master."""
    kubernetes = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{domain}")
    dns = tuple(dict.fromkeys((*names, "localhost", *kubernetes)))
    return Profile(common_name="kube-apiserver", dns=dns, addresses=_addresses((*addresses, "127.0.0.1")), server=True)


def broker(names: Iterable[str], addresses: Iterable[str]) -> Profile:
    """Return the broker's identity, under the names and addresses of the master."""
    return Profile(common_name="edge-broker", dns=tuple(dict.fromkeys((*names, "localhost"))),
                   addresses=_addresses((*addresses, "127.0.0.1")), server=True)


def _addresses(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(ipaddress.ip_address(text)) for text in texts if text))
