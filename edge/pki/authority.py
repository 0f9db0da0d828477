"""Makes keys, certificates and requests with the cryptography package (which is why others import this lazily).

A Pi has no clock at boot, so every certificate is valid from one fixed early day on, and an end is never reckoned
from a clock that is obviously behind.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge.pki import names, revocation
from edge.pki.clock_floor import EARLIEST_NOW as EARLIEST_NOW

NOT_BEFORE = datetime(2020, 1, 1, tzinfo=UTC)
CA_DAYS = 3650
LEAF_DAYS = 825
NODE_DAYS = 365


class PkiError(Exception):
    """A key, certificate or request cannot be read or does not fit; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A private key and its certificate, both PEM. The key does not show in the text form."""

    key: bytes
    certificate: bytes

    def __repr__(self) -> str:
        return "Pair(...)"


@dataclass(frozen=True, slots=True)
class Request:
    """What a certificate request asks for, its signature checked."""

    common_name: str
    organizations: tuple[str, ...]
    dns: tuple[str, ...]
    addresses: tuple[str, ...]
    key_hash: str
    serial: str = ""
    """Of the board, as the machine says."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a certificate says."""

    profile: names.Profile
    not_after: datetime
    key_hash: str


def new_key() -> bytes:
    """Return a new ECDSA P-256 private key as PEM (PKCS 8, not encrypted)."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def create_ca(now: datetime, key: bytes | None = None, called: str = names.CA_NAME) -> Pair:
    """Return a certificate authority that is good for ten years; with `key`, for that key."""
    key = key or new_key()
    private = load_key(key)
    name = _subject(names.Profile(common_name=called))
    usage = x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
                          key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
                          decipher_only=False)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(NOT_BEFORE)
        .not_valid_after(_end(now, CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA256()))
    return Pair(key, certificate.public_bytes(serialization.Encoding.PEM))


def issue(ca: Pair, profile: names.Profile, now: datetime, *, key: bytes | None = None, days: int = LEAF_DAYS) -> Pair:
    """Return a certificate of that profile; with `key`, for that key, else for a new one."""
    key = key or new_key()
    return Pair(key, _certificate(ca, profile, load_key(key).public_key(), now, days))


def request(key: bytes, profile: names.Profile) -> bytes:
    """Return a PEM certificate request for the key."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(profile))
    if profile.dns or profile.addresses:
        builder = builder.add_extension(_alternatives(profile), critical=False)
    return builder.sign(load_key(key), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def read_request(pem: bytes) -> Request:
    """Return what a request asks for.

    Raises:
        PkiError: not a request, its signature is wrong, or its key is not ECDSA P-256.
    """
    csr = _load_request(pem)
    dns, addresses = _read_alternatives(csr.extensions)
    return Request(_first(csr.subject, NameOID.COMMON_NAME), _all(csr.subject, NameOID.ORGANIZATION_NAME), dns,
                   addresses, _hash(_p256(csr.public_key())), _serial(csr.subject))


def sign(ca: Pair, pem: bytes, profile: names.Profile, now: datetime, *, days: int = NODE_DAYS) -> bytes:
    """Return a certificate for the request's key. Subject and names are those of `profile`, not the request's."""
    return _certificate(ca, profile, _p256(_load_request(pem).public_key()), now, days)


def read_certificate(pem: bytes) -> Facts:
    """Return what a certificate says. Raises PkiError when it cannot be read."""
    certificate = _load_certificate(pem)
    dns, addresses = _read_alternatives(certificate.extensions)
    try:
        purposes = set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        purposes = set()
    profile = names.Profile(
        common_name=_first(certificate.subject, NameOID.COMMON_NAME),
        organizations=_all(certificate.subject, NameOID.ORGANIZATION_NAME), dns=dns, addresses=addresses,
        serial=_first(certificate.subject, NameOID.SERIAL_NUMBER),
        client=ExtendedKeyUsageOID.CLIENT_AUTH in purposes, server=ExtendedKeyUsageOID.SERVER_AUTH in purposes)
    return Facts(profile, certificate.not_valid_after_utc, _hash(_p256(certificate.public_key())))


def issued_by(certificate: bytes, ca_certificate: bytes) -> bool:
    """Return whether that authority signed the certificate."""
    try:
        _load_certificate(certificate).verify_directly_issued_by(_load_certificate(ca_certificate))
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def spki_hash(pem: bytes) -> str:
    """Return `sha256:<hex>` of the SubjectPublicKeyInfo of a certificate, request or private key (RFC 7469, 2.4)."""
    if b"PRIVATE KEY" in pem:
        return _hash(load_key(pem).public_key())
    if b"CERTIFICATE REQUEST" in pem:
        return _hash(_p256(_load_request(pem).public_key()))
    return _hash(_p256(_load_certificate(pem).public_key()))


def public_key(pem: bytes) -> bytes:
    """Return the public half of a private key, as PEM."""
    return load_key(pem).public_key().public_bytes(serialization.Encoding.PEM,
                                                   serialization.PublicFormat.SubjectPublicKeyInfo)


def load_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Return the private key. Raises PkiError unless it is ECDSA."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise PkiError("not a private key in PEM form") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PkiError("the private key is not ECDSA")
    return key


def _certificate(ca: Pair, profile: names.Profile, key: ec.EllipticCurvePublicKey, now: datetime, days: int) -> bytes:
    issuer, signer = _load_certificate(ca.certificate), load_key(ca.key)
    usage = x509.KeyUsage(digital_signature=True, key_cert_sign=False, crl_sign=False, content_commitment=False,
                          key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
                          decipher_only=False)
    purposes = [oid for oid, wanted in ((ExtendedKeyUsageOID.CLIENT_AUTH, profile.client),
                                        (ExtendedKeyUsageOID.SERVER_AUTH, profile.server)) if wanted]
    serial = revocation.serial(_hash(key)) if profile.client else x509.random_serial_number()
    builder = (
        x509.CertificateBuilder().subject_name(_subject(profile))
        .issuer_name(issuer.subject).public_key(key).serial_number(serial)
        .not_valid_before(NOT_BEFORE).not_valid_after(min(_end(now, days), issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False))
    if profile.dns or profile.addresses:
        builder = builder.add_extension(_alternatives(profile), critical=False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _end(now: datetime, days: int) -> datetime:
    return (max(now, EARLIEST_NOW) + timedelta(days=days)).replace(microsecond=0)


def _subject(profile: names.Profile) -> x509.Name:
    serial = (x509.NameAttribute(NameOID.SERIAL_NUMBER, profile.serial),) if profile.serial else ()
    try:
        return x509.Name([*(x509.NameAttribute(NameOID.ORGANIZATION_NAME, text) for text in profile.organizations),
                          x509.NameAttribute(NameOID.COMMON_NAME, profile.common_name), *serial])
    except ValueError as error:
        raise PkiError(f"{profile.common_name}: {error}") from error


def _serial(subject: x509.Name) -> str:
    found = _all(subject, NameOID.SERIAL_NUMBER)
    if len(found) > 1:
        raise PkiError("the certificate request names more than one serial number")
    return found[0] if found else ""


def _alternatives(profile: names.Profile) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([
        *(x509.DNSName(name) for name in profile.dns),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in profile.addresses)])


def _read_alternatives(extensions: x509.Extensions) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        found = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return (), ()
    return (tuple(found.get_values_for_type(x509.DNSName)),
            tuple(str(address) for address in found.get_values_for_type(x509.IPAddress)))


def _load_certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise PkiError("not a certificate in PEM form") from error


def _load_request(pem: bytes) -> x509.CertificateSigningRequest:
    try:
        csr = x509.load_pem_x509_csr(pem)
        # First of all: the signature of a key of another kind may take seconds to check.
        _p256(csr.public_key())
        valid = csr.is_signature_valid
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise PkiError("not a certificate request in PEM form") from error
    if not valid:
        raise PkiError("the certificate request is not signed by its own key")
    return csr


def _p256(key: object) -> ec.EllipticCurvePublicKey:
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise PkiError("the key is not ECDSA P-256")
    return key


def _hash(key: ec.EllipticCurvePublicKey) -> str:
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(der).hexdigest()}"


def _all(name: x509.Name, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    return tuple(str(attribute.value) for attribute in name.get_attributes_for_oid(oid))


def _first(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    found = _all(name, oid)
    return found[0] if len(found) == 1 else ""
