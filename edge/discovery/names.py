"""What the master announces: service type, instance name and text record, made and read in one place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SERVICE_TYPE = "_edge-api._tcp.local."
HASH_PREFIX_LENGTH = 16
"""Hexadecimal digits of the authority's hash in the text record: enough to tell racks apart. Trust comes later."""
_SCHEME = "sha256:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Master:
    """A master as announced, or as found."""

    name: str
    addresses: tuple[str, ...]
    api_port: int = 6443
    bus_port: int = 8883
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
    return {"txtvers": "1", "api": str(master.api_port), "bus": str(master.bus_port), "cluster": master.cluster_id,
            "ca": master.ca_hash_prefix}


def read(name: str, addresses: Iterable[str], text: Mapping[bytes, bytes | None]) -> Master | None:
    """Return the master an answer describes, or None when it is not one of ours: anybody may answer on multicast."""
    values = {key.decode(errors="replace"): (value or b"").decode(errors="replace") for key, value in text.items()}
    found = tuple(sorted(set(addresses)))
    ports = values.get("api", ""), values.get("bus", "")
    if values.get("txtvers") != "1" or not found or not all(_is_port(port) for port in ports):
        return None
    short = name.removesuffix(f".{SERVICE_TYPE}")
    cluster = values.get("cluster", "")
    return Master(name=short.removesuffix(f"-{cluster[:8]}") if cluster else short, addresses=found,
                  api_port=int(ports[0]), bus_port=int(ports[1]), cluster_id=cluster,
                  ca_hash_prefix=values.get("ca", ""))


def hash_prefix(ca_hash: str) -> str:
    """Return what of `sha256:<hex>` is announced."""
    return ca_hash.removeprefix(_SCHEME).lower()[:HASH_PREFIX_LENGTH]


def matches(master: Master, ca_hash: str) -> bool:
    """Return whether the master may be the one with that authority; an empty hash matches any."""
    return not ca_hash or master.ca_hash_prefix == hash_prefix(ca_hash)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5 and 0 < int(text) < 65536
