"""Certificates of users: who may have one, what it says, and how long it is good."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge.pki import authority, names, users
from tests.fakes.clock import START

CA = authority.create_ca(START, called=names.USERS_CA_NAME)
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def asked(name: str = "jane", *groups: str, key: object = RSA, dns: str = "") -> bytes:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name),
                  *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups)]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    if dns:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(dns)]), critical=False)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, digest).public_bytes(serialization.Encoding.PEM)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", [RSA, ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()])
def test_the_certificate_has_the_subject_that_was_asked_for(key: object) -> None:
    csr = users.read(asked("jane", "developers", "testers", key=key, dns="jane.example"))
    assert users.wrong(csr, ("client auth", "digital signature")) == ""
    made = x509.load_pem_x509_certificate(users.sign(CA, csr, ("client auth", "digital signature"), None, START))
    assert made.subject == csr.subject
    made.verify_directly_issued_by(x509.load_pem_x509_certificate(CA.certificate))
    extensions = made.extensions
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    names_in_it = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names_in_it.get_values_for_type(x509.DNSName) == ["jane.example"]


@pytest.mark.parametrize(("seconds", "days"), [(None, 365), (86_400, 1), (10 * 365 * 86_400, 365)])
def test_it_is_good_as_long_as_asked_for_and_a_year_at_most(seconds: int | None, days: int) -> None:
    made = users.sign(CA, users.read(asked()), ("client auth",), seconds, START)
    assert x509.load_pem_x509_certificate(made).not_valid_after_utc == START + timedelta(days=days)


@pytest.mark.parametrize(("usages", "words"), [
    (("server auth", "client auth"), "invalid usage for client certificate: server auth"),
    (("digital signature",), "missing required usage for client certificate: client auth"),
    ((), "missing required usage for client certificate: client auth"),
])
def test_usages_that_no_user_may_have(usages: tuple[str, ...], words: str) -> None:
    assert users.wrong(users.read(asked()), usages) == words


def test_nobody_becomes_a_master_by_a_certificate() -> None:
    assert users.wrong(users.read(asked("eve", "developers", "system:masters")), ("client auth",)) == (
        "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed")


def broken() -> bytes:
    """Return a request whose subject was changed after it was signed."""
    der = x509.load_pem_x509_csr(asked("jane")).public_bytes(serialization.Encoding.DER).replace(b"jane", b"root")
    return x509.load_der_x509_csr(der).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize("pem", [
    b"", b"garbage", broken(), asked(key=rsa.generate_private_key(public_exponent=65537, key_size=1024)),
    asked(key=dsa.generate_private_key(2048)), CA.certificate,
])
def test_what_is_no_request_or_has_a_poor_key_is_refused(pem: bytes) -> None:
    with pytest.raises(authority.PkiError):
        users.read(pem)
