"""What the master announces: service type, instance name and text record, made and read in one place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network

from edge.discovery import records

SERVICE_TYPE = "_edge-api._tcp.local."
HASH_PREFIX_LENGTH = 16
"""Hexadecimal digits of the authority's hash in the text record: enough to tell racks apart. Trust comes later."""
_SCHEME = "sha256:"
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_HEX = re.compile(r"[0-9a-f]{0,64}")
MOST_ADDRESSES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Master:
    """A master as announced, or as found."""

    name: str
    addresses: tuple[str, ...]
    api_port: int = 6443
    bus_port: int = 0
    """0: not offered. Nodes need it; a laptop does not, and the home network is not told of it."""
    cluster_id: str = ""
    ca_hash_prefix: str = ""


def instance(master: Master) -> str:
    """Return the full instance name. The cluster is part of it, so that two racks on one network do not collide."""
    suffix = f"-{master.cluster_id[:8]}" if master.cluster_id else ""
    return f"{master.name}{suffix}.{SERVICE_TYPE}"


def host(master: Master) -> str:
    """Return the host name the addresses stand under; as unique as the instance."""
    return instance(master).removesuffix(SERVICE_TYPE) + "local."


def properties(master: Master) -> dict[str, str]:
    """Return the text record (RFC 6763, section 6)."""
    bus = {"bus": str(master.bus_port)} if master.bus_port else {}
    return {"txtvers": "1", "api": str(master.api_port), **bus, "cluster": master.cluster_id,
            "ca": master.ca_hash_prefix}


def service(master: Master) -> records.Service:
    """Return the master as it is announced."""
    return records.Service(type=SERVICE_TYPE, instance=instance(master), host=host(master), port=master.api_port,
                           addresses=master.addresses, text=properties(master))


def read(answer: records.Answer, network: IPv4Network) -> Master | None:
    """Return the master an answer describes, or None when it is not one of ours: anybody may answer on multicast.

    Only its addresses on the network the answer came from count: nobody is sent elsewhere by a word on the wire.
    """
    values = answer.text
    label = records.label_of(answer.instance, SERVICE_TYPE).lower()
    api, bus = values.get("api", ""), values.get("bus", "")
    cluster, prefix = values.get("cluster", ""), values.get("ca", "")
    addresses = records.inside(answer.addresses, network)
    if values.get("txtvers") != "1" or not addresses or answer.gone:
        return None
    if not _is_port(api) or (bus and not _is_port(bus)):
        return None
    if not (_LABEL.fullmatch(label) and _HEX.fullmatch(cluster) and _HEX.fullmatch(prefix)):
        return None
    name = label.removesuffix(f"-{cluster[:8]}") if cluster else label
    return Master(name=name, addresses=addresses[:MOST_ADDRESSES], api_port=int(api),
                  bus_port=int(bus or 0), cluster_id=cluster, ca_hash_prefix=prefix)


def hash_prefix(ca_hash: str) -> str:
    """Return what of `sha256:<hex>` is announced."""
    return ca_hash.removeprefix(_SCHEME).lower()[:HASH_PREFIX_LENGTH]


def matches(master: Master, ca_hash: str) -> bool:
    """Return whether the master may be the one with that authority; an empty hash matches any."""
    return not ca_hash or master.ca_hash_prefix == hash_prefix(ca_hash)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5 and 0 < int(text) < 65536
