"""Reads the public key out of a certificate without the cryptography library, which is large for that alone."""

from __future__ import annotations

import hashlib


def key_hash(certificate: bytes) -> str:
    """Return `sha256:<hex>` of the SubjectPublicKeyInfo of a certificate in DER (RFC 7469, section 2.4).

    Raises:
        ValueError: it is no certificate.
    """
    try:
        _, content, _ = element(certificate, 0)
        _, at, _ = element(certificate, content)
        # Version (tagged 0, optional), serial, signature, issuer, validity, subject come before the key.
        skipped = 6 if certificate[at] == 0xA0 else 5
        for _ in range(skipped):
            _, _, at = element(certificate, at)
        _, _, end = element(certificate, at)
    except IndexError as error:
        raise ValueError("not a certificate") from error
    return "sha256:" + hashlib.sha256(certificate[at:end]).hexdigest()


def element(der: bytes, at: int) -> tuple[int, int, int]:
    """Return (tag, start of the content, end) of the DER element at an offset. Raises IndexError."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(der[start:start + size], "big"), start + size
    if start + length > len(der):
        raise IndexError("truncated")
    return tag, start, start + length
