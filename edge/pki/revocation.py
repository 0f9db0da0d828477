"""Which keys are revoked: what is written down of each, and which certificates that concerns.

A key is revoked and not a certificate: a stolen card has one key, whatever certificates were made for it. The list is
the ConfigMap `revoked-keys` of the namespace kube-system, one entry for each key, so that it outlives Nodes, can be
read with kubectl, and is changed by those alone who may write there.

Programs that know serial numbers only (OpenSSL, and with it the broker) are served as well: the serial number of a
client's certificate is made of its key, so that a renewed certificate has the number of the one it replaces, and one
entry in a list of revoked certificates is good for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

NAMESPACE, NAME = "kube-system", "revoked-keys"
"""Of the ConfigMap."""
FILE = "revoked.crl"
"""The list of revoked certificates, in the server's wishes and among the broker's files."""
UNKNOWN = "unknown"
_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_ENTRY = re.compile(r"sha256-[0-9a-f]{64}")
_SERIAL_DIGITS = 38
"""Hexadecimal digits of the hash in a serial number: 19 octets, of the 20 that RFC 5280 (4.1.2.2) allows."""
_LONGEST_SERIAL = 40
_MOST_SERIALS = 8
"""Of one entry; who may write an entry shall not fill the list of the broker."""


class Revocation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whose key was revoked, by whom, when and why."""

    name: str = UNKNOWN
    by: str = UNKNOWN
    at: str = ""
    """RFC 3339."""
    reason: str = ""
    serials: tuple[str, ...] = ()
    """Further serial numbers, in hexadecimal, of certificates whose number was not made of the key."""


def problem(key: str) -> str:
    """Return what is wrong with the hash of a key, or ""."""
    if _HASH.fullmatch(key):
        return ""
    return f"{key!r} is no hash of a key: write sha256: and 64 hexadecimal digits, in lower case"


def entry(key: str) -> str:
    """Return the name of a key's entry; a colon may not stand in one."""
    return key.replace(":", "-", 1)


def read(data: Mapping[str, str]) -> dict[str, Revocation]:
    """Return the revocations by the hash of the key. What an entry says may be damaged: its key is revoked all the
    same. An entry whose name is no hash says nothing."""
    return {name.replace("-", ":", 1): _decoded(text) for name, text in data.items() if _ENTRY.fullmatch(name)}


def written(revocation: Revocation) -> str:
    """Return what stands in an entry."""
    return msgspec.json.encode(revocation).decode()


def serial(key: str) -> int:
    """Return the serial number of every client's certificate for the key with that hash."""
    return int(key.removeprefix("sha256:")[:_SERIAL_DIGITS], 16) or 1


def serials(revoked: Mapping[str, Revocation], keep: Iterable[str] = ()) -> frozenset[int]:
    """Return the serial numbers of every revoked certificate.

    Keys to `keep` stay, whoever has revoked them; so do the serial numbers made of them, which any entry could name.
    """
    kept = set(keep)
    found: set[int] = set()
    for key, revocation in revoked.items():
        if key not in kept:
            found.add(serial(key))
            found |= {int(text, 16) for text in revocation.serials[:_MOST_SERIALS] if _is_serial(text)}
    return frozenset(found - {serial(key) for key in kept})


def told(key: str, revocation: Revocation) -> str:
    """Return one sentence about a revocation."""
    parts = [f"the key {key} of {revocation.name} was revoked by {revocation.by}"]
    if revocation.at:
        parts.append(f"at {revocation.at}")
    return " ".join(parts) + (f": {revocation.reason}" if revocation.reason else "")


def _decoded(text: str) -> Revocation:
    try:
        return msgspec.json.decode(text, type=Revocation)
    except (msgspec.DecodeError, UnicodeError):
        return Revocation()


def _is_serial(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9a-fA-F]+", text)) and len(text) <= _LONGEST_SERIAL and int(text, 16) > 0
