"""Certificates for people and programs that speak to the API: signer `kubernetes.io/kube-apiserver-client`.

Whoever asks may choose any name and any groups, and a person approves it. So they come from an authority that only the
API server trusts: on the bus and on the nodes a name alone would make somebody else of their owner.
https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge.pki import authority, names

LONGEST = timedelta(days=365)
RSA_BITS = (2048, 8192)
"""A larger key would keep the server busy for seconds."""
CLIENT_AUTH = "client auth"
_FURTHER_USAGES = ("digital signature", "key encipherment")


def read(pem: bytes) -> x509.CertificateSigningRequest:
    """Return the request. Raises PkiError when it is none, its signature is wrong, or its key is not one we take."""
    try:
        csr = x509.load_pem_x509_csr(pem)
        key = csr.public_key()
        if isinstance(key, rsa.RSAPublicKey) and not RSA_BITS[0] <= key.key_size <= RSA_BITS[1]:
            raise authority.PkiError(f"an RSA key has to have {RSA_BITS[0]} to {RSA_BITS[1]} bits")
        if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
            raise authority.PkiError("the key is neither RSA nor ECDSA nor Ed25519")
        valid = csr.is_signature_valid
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.UnsupportedGeneralNameType) as error:
        raise authority.PkiError("not a certificate request in PEM form") from error
    if not valid:
        raise authority.PkiError("the certificate request is not signed by its own key")
    return csr


def groups(csr: x509.CertificateSigningRequest) -> tuple[str, ...]:
    """Return the groups a request asks for: its organizations."""
    return tuple(str(each.value) for each in csr.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME))


def wrong(csr: x509.CertificateSigningRequest, usages: Iterable[str]) -> str:
    """Return why no certificate may ever be made of the request, or ""."""
    usages = tuple(usages)
    for usage in usages:
        if usage != CLIENT_AUTH and usage not in _FURTHER_USAGES:
            return f"invalid usage for client certificate: {usage}"
    if CLIENT_AUTH not in usages:
        return f"missing required usage for client certificate: {CLIENT_AUTH}"
    if names.MASTERS_GROUP in groups(csr):
        return restriction()
    return ""


def restriction() -> str:
    """Return the words for who wants to be a master."""
    return f"use of {names.USER_SIGNER} signer with {names.MASTERS_GROUP} group is not allowed"


def sign(ca: authority.Pair, csr: x509.CertificateSigningRequest, usages: Iterable[str], seconds: int | None,
         now: datetime) -> bytes:
    """Return a client certificate with the request's subject and alternative names, good for `seconds` or a year."""
    issuer = x509.load_pem_x509_certificate(ca.certificate)
    signer, key, usages = authority.load_key(ca.key), csr.public_key(), tuple(usages)
    lifetime = min(timedelta(seconds=seconds), LONGEST) if seconds else LONGEST
    end = (max(now, authority.EARLIEST_NOW) + lifetime).replace(microsecond=0)
    builder = (
        x509.CertificateBuilder().subject_name(csr.subject).issuer_name(issuer.subject).public_key(key)
        .serial_number(x509.random_serial_number()).not_valid_before(authority.NOT_BEFORE)
        .not_valid_after(min(end, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False))
    if any(usage in _FURTHER_USAGES for usage in usages):
        builder = builder.add_extension(x509.KeyUsage(
            digital_signature=_FURTHER_USAGES[0] in usages, key_encipherment=_FURTHER_USAGES[1] in usages,
            content_commitment=False, data_encipherment=False, key_agreement=False, key_cert_sign=False,
            crl_sign=False, encipher_only=False, decipher_only=False), critical=True)
    try:
        alternatives = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        builder = builder.add_extension(alternatives.value, critical=False)
    except x509.ExtensionNotFound:
        pass
    except ValueError as error:
        raise authority.PkiError("the request's extensions cannot be read") from error
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
