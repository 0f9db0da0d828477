"""What one response of multicast DNS says, as values: services with their text, names with their addresses.

Anybody on the network may answer, so everything is bounded and made printable where it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

MOST_KEYS = 24
LONGEST_VALUE = 255
_REPLACEMENT = "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service as it is announced (RFC 6763): an instance of a type, on a port of a host."""

    type: str
    instance: str
    """The whole name, such as `rack-01234567._edge-api._tcp.local.`"""
    host: str
    """Such as `hello.local.`; the addresses stand under it."""
    port: int
    addresses: tuple[str, ...]
    text: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A service as it was heard in one response; `gone` is a goodbye."""

    instance: str
    port: int = 0
    addresses: tuple[str, ...] = ()
    text: Mapping[str, str] = field(default_factory=dict)
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """An address somebody says a host name has."""

    host: str
    address: str


def parse_text(raw: bytes) -> dict[str, str]:
    """Return the pairs of a text record (RFC 6763, section 6), printable; what is no pair is left out."""
    found: dict[str, str] = {}
    at = 0
    while at < len(raw) and len(found) < MOST_KEYS:
        piece = raw[at + 1:at + 1 + raw[at]]
        at += 1 + raw[at]
        key, equals, value = piece.partition(b"=")
        if key and equals:
            # Of a key that comes twice the first holds (RFC 6763, section 6.4).
            found.setdefault(printable(key.decode(errors="replace")).lower(), printable(value.decode(errors="replace")))
    return found


def printable(text: str, longest: int = LONGEST_VALUE) -> str:
    """Return a text that does no harm on a terminal: one line, no control characters, bounded."""
    return "".join(letter if letter.isprintable() else _REPLACEMENT for letter in text[:longest])


def label_of(instance: str, service_type: str) -> str:
    """Return the instance's own label; empty when the name is not of the type or is more than one label."""
    if not instance.lower().endswith("." + service_type.lower()):
        return ""
    label = instance[:-len(service_type) - 1]
    return label if len(label) <= 63 and "." not in label else ""


def packed_text(pairs: Mapping[str, str]) -> dict[str, str]:
    """Return the pairs cut to what one string of a text record holds (255 bytes with key and equals sign)."""
    return {key: _cut(value, LONGEST_VALUE - len(key.encode()) - 1) for key, value in pairs.items()}


def _cut(value: str, most_bytes: int) -> str:
    return value.encode()[:most_bytes].decode(errors="ignore")


def inside(addresses: Iterable[str], network: IPv4Network) -> tuple[str, ...]:
    """Return the addresses of a network, in their order, without repeats."""
    found = {IPv4Address(each) for each in addresses if _is_ipv4(each)}
    return tuple(str(each) for each in sorted(found) if each in network)


def _is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True
