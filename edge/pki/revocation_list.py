"""Makes and reads certificate revocation lists (RFC 5280, section 5) with the cryptography package.

A list that has expired, or is not valid yet, makes OpenSSL refuse every certificate. A rack may be off for a year and
its clock may be wrong, so a list is valid from a fixed early day on and for ever: how new it is, is known by the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge.pki import authority

ListError = authority.PkiError
NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""RFC 5280 (4.1.2.5) writes "no end" like this."""


def make(ca: authority.Pair, serials: Iterable[int]) -> bytes:
    """Return the list in PEM, signed by the authority. Raises PkiError when the pair cannot be read."""
    try:
        issuer = x509.load_pem_x509_certificate(ca.certificate)
    except ValueError as error:
        raise authority.PkiError("the authority's certificate cannot be read") from error
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.subject).last_update(
        authority.NOT_BEFORE).next_update(NEVER)
    for serial in sorted(serials):
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(authority.NOT_BEFORE).build())
    return builder.sign(authority.load_key(ca.key), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def read(pem: bytes, ca_certificate: bytes) -> frozenset[int]:
    """Return the serial numbers of a list.

    Raises:
        PkiError: it is no list, this authority has not signed it, or OpenSSL would refuse everybody because of it.
    """
    if pem.count(b"-----BEGIN X509 CRL-----") != 1:
        raise authority.PkiError("not one list of revoked certificates in PEM form")  # Mosquitto takes no more
    try:
        found = x509.load_pem_x509_crl(pem)
        issuer = x509.load_pem_x509_certificate(ca_certificate)
        key = issuer.public_key()
        # A point that is no key of this kind can be no authority of ours.
        good = isinstance(key, ec.EllipticCurvePublicKey) and found.is_signature_valid(key)
        if not good or found.issuer != issuer.subject:
            raise authority.PkiError("the list of revoked certificates is not signed by this authority")
        if found.last_update_utc != authority.NOT_BEFORE or found.next_update_utc != NEVER:
            raise authority.PkiError("the list of revoked certificates has an end")
        return frozenset(each.serial_number for each in found)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise authority.PkiError("not a list of revoked certificates in PEM form") from error
