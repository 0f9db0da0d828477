"""What a node reads of its own certificate is what the library reads."""

from __future__ import annotations

import pytest

from edge.pki import authority, names, subjects
from tests.fakes.clock import START

CA = authority.create_ca(START)


@pytest.mark.parametrize("serial", ["", "10000000abcdef01", "a" * 64])
@pytest.mark.parametrize("days", [1, 365, 3650])
def test_certificate_and_request_name_the_node_and_its_board(serial: str, days: int) -> None:
    profile = names.node("node-1", serial=serial)
    pair = authority.issue(CA, profile, START, days=days)
    found, facts = subjects.certificate(pair.certificate.decode()), authority.read_certificate(pair.certificate)
    assert (found.name, found.serial, found.not_after) == ("node-1", serial, facts.not_after)
    assert facts.profile == profile
    pem = authority.request(pair.key, profile)
    assert subjects.request(pem.decode()) == subjects.Subject("node-1", serial)
    assert authority.read_request(pem).serial == serial


def test_times_before_and_after_2050_are_read() -> None:
    """RFC 5280 writes the one as UTCTime, the other as GeneralizedTime."""
    late = authority.create_ca(START.replace(year=2045))
    pair = authority.issue(late, names.node("n"), START.replace(year=2045), days=3600)
    assert subjects.certificate(pair.certificate.decode()).not_after.year == 2054


@pytest.mark.parametrize("text", [
    "", "x", "-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----",
    "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----",
    "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----",
])
def test_what_cannot_be_read_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)certificate"):
        subjects.certificate(text)
    with pytest.raises(ValueError, match=r"(?i)certificate"):
        subjects.request(text)


def test_a_torn_certificate_is_an_error_wherever_it_ends() -> None:
    pem = authority.issue(CA, names.node("node-1", serial="abc1"), START).certificate.decode()
    lines = pem.splitlines()
    for kept in range(1, 4):
        with pytest.raises(ValueError):
            subjects.certificate("\n".join((*lines[:kept], lines[-1])))


def test_two_serial_numbers_are_none() -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import NameOID

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node-1"),
                      *(x509.NameAttribute(NameOID.SERIAL_NUMBER, each) for each in ("one", "two"))])
    pem = x509.CertificateSigningRequestBuilder().subject_name(name).sign(
        authority.load_key(authority.new_key()), hashes.SHA256()).public_bytes(Encoding.PEM)
    with pytest.raises(authority.PkiError, match="more than one serial"):
        authority.read_request(pem)
