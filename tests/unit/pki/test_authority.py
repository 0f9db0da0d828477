"""Certificate requests that are refused before anything is made of them."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from edge.pki import authority, names, users

SUBJECT = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node-1")])
P256, OTHER_CURVE = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d03017f")
WITH_SHA256, OTHER_SIGNATURE = bytes.fromhex("06082a8648ce3d040302"), bytes.fromhex("06082a8648ce3d04037f")


def made(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return x509.CertificateSigningRequestBuilder().subject_name(SUBJECT).sign(key, hashes.SHA256()).public_bytes(
        serialization.Encoding.DER)


def pem(der: bytes) -> bytes:
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{text}-----END CERTIFICATE REQUEST-----\n".encode()


@pytest.mark.parametrize("key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())])
def test_a_key_of_another_kind_is_refused_before_its_signature_is_checked(
        key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
    """Checking it is what could take long."""
    der = made(key)
    for each in (der, der[:-1] + bytes((der[-1] ^ 1,))):
        with pytest.raises(authority.PkiError, match="the key is not ECDSA P-256"):
            authority.read_request(pem(each))


@pytest.mark.parametrize(("old", "new"), [(P256, OTHER_CURVE), (WITH_SHA256, OTHER_SIGNATURE)])
def test_what_the_library_does_not_know_is_a_request_that_is_refused(old: bytes, new: bytes) -> None:
    der = made(ec.generate_private_key(ec.SECP256R1()))
    assert old in der
    for read in (authority.read_request, users.read):
        with pytest.raises(authority.PkiError):
            read(pem(der.replace(old, new)))


def test_a_request_signed_by_another_key_is_refused() -> None:
    der = made(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(authority.PkiError):
        authority.read_request(pem(der[:-1] + bytes((der[-1] ^ 1,))))
    assert authority.read_request(authority.request(authority.new_key(), names.node("node-1"))).common_name == "node-1"
