import base64

import msgspec
import pytest

from edge.agent import identity
from edge.api import certificates, meta


def answer(certificate: str = "", condition: meta.Condition | None = None) -> bytes:
    conditions = (condition,) if condition is not None else ()
    return msgspec.json.encode(certificates.CertificateSigningRequest(
        metadata=meta.ObjectMeta(name="node-x"), status=certificates.CertificateSigningRequestStatus(
            certificate=base64.b64encode(certificate.encode()).decode(), conditions=conditions)))


def test_a_certificate_is_awaited_and_taken() -> None:
    assert identity.certificate(answer()) == ""
    assert identity.certificate(answer("PEM", meta.Condition(type="Approved", status="True"))) == "PEM"


def test_a_denial_is_said() -> None:
    with pytest.raises(identity.JoinError, match="has denied the request node-x: no such board"):
        identity.certificate(answer("", meta.Condition(type="Denied", status="True", message="no such board")))


@pytest.mark.parametrize("text", [b"", b"<html>", b"[]", b'{"status":{"certificate":"%%"}}'])
def test_nonsense_is_refused(text: bytes) -> None:
    with pytest.raises(identity.JoinError):
        identity.certificate(text)


@pytest.mark.parametrize("pem", ["", "x", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused(pem: str) -> None:
    with pytest.raises(identity.JoinError):
        identity.key_hash(pem)


def test_refusals_name_the_cause() -> None:
    assert "token" in identity.refusal(401, b"")
    assert identity.refusal(500, b"boom").endswith("HTTP 500: boom")


def test_the_name_of_a_request_is_stable() -> None:
    assert identity.request_name("n", "a") == identity.request_name("n", "a") != identity.request_name("n", "b")
