"""Decides which list of revoked certificates the broker has: the one the server has left, if it is good.

A broker with a list that it cannot use lets nobody in. So a list that is damaged, or that another authority has signed,
never replaces the last good one, and a list without entries is none.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.pki import revocation_list


@dataclass(frozen=True, slots=True)
class Chosen:
    """The list the broker is to have."""

    pem: str = ""
    """Empty where nothing is revoked."""
    problem: str = ""
    """Why it is not the one the server has left."""


def choose(wished: bytes | None, own: bytes, ca_certificate: bytes) -> Chosen:
    """Return the list the broker is to have.

    Args:
        wished: what the server has left; None when it has left nothing.
        own: what the broker has now, empty for nothing.
        ca_certificate: the rack's authority, in PEM.
    """
    # One that another authority has signed is good for nothing: nobody would be let in.
    kept = _serials(own, ca_certificate) if own else None
    if wished is None:
        return Chosen(_text(own) if kept else "")
    try:
        fresh = revocation_list.read(wished, ca_certificate)
    except revocation_list.ListError as error:
        return Chosen(_text(own) if kept else "", f"{error}; `systemctl restart edge-server` writes it anew")
    if not fresh:
        return Chosen()
    # Signing the same list again makes another file; the broker need not start again for that.
    return Chosen(_text(own) if kept == fresh else _text(wished))


def _serials(pem: bytes, ca_certificate: bytes) -> frozenset[int] | None:
    try:
        return revocation_list.read(pem, ca_certificate)
    except revocation_list.ListError:
        return None


def _text(pem: bytes) -> str:
    return pem.decode("ascii", "replace")  # around the list anything may stand
