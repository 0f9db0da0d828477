import base64
from datetime import timedelta

import msgspec
import pytest

from edge.agent import identity
from edge.agent.identity import Held, Next
from edge.api import certificates, meta
from edge.pki import names
from edge.pki.subjects import Subject
from tests.fakes.clock import START


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


CERTIFICATE = Subject("node-1", "board-1", START + timedelta(days=365))


@pytest.mark.parametrize(("certificate", "serial", "step"), [
    (None, "board-1", Next.JOIN), (CERTIFICATE, "board-1", Next.USE), (CERTIFICATE, "board-2", Next.ASK),
    (CERTIFICATE, "", Next.USE), (Subject("node-1", ""), "board-2", Next.USE),
    (Subject("node-1", "board-1", START), "board-1", Next.USE),
])
def test_an_identity_is_used_unless_it_is_another_boards(certificate: Subject | None, serial: str, step: Next) -> None:
    """Also when it has expired: a node whose master is away goes on."""
    assert identity.next_step(Held(certificate), serial) is step


@pytest.mark.parametrize(("called", "name", "renamed"), [
    ("", "node-1", False), ("", "kitchen", True), ("kitchen", "kitchen", False), ("node-1", "kitchen", True),
    ("fresh", "fresh", False),
])
def test_a_machine_is_renamed_when_its_own_name_has_changed(called: str, name: str, renamed: bool) -> None:
    """One that was adopted has another name as a node than as a machine, and has not been renamed."""
    assert identity.is_renamed(Held(CERTIFICATE, called), name) is renamed
    assert not identity.is_renamed(Held(), name)


@pytest.mark.parametrize(("days", "reason"), [(-1, "it has expired"), (0, "it has expired"), (1, "it ends soon"),
                                              (122, "it ends soon"), (143, ""), (365, "")])
def test_a_certificate_is_renewed_in_the_last_third_of_its_life(days: int, reason: str) -> None:
    held = Held(Subject("node-1", "board-1", START + timedelta(days=days)))
    assert identity.renewal_reason(held, "node-1", "board-1", START) == reason


def test_nodes_renew_on_days_of_their_own() -> None:
    days = {next(day for day in range(365, 0, -1) if identity.renewal_reason(
        Held(Subject(f"node-{number}", "b", START + timedelta(days=day))), f"node-{number}", "b", START))
        for number in range(50)}
    assert len(days) > 10
    assert min(days) >= 121
    assert max(days) <= 142


def test_other_reasons_to_renew() -> None:
    assert "called kitchen" in identity.renewal_reason(Held(CERTIFICATE), "kitchen", "board-1", START)
    assert "name the board" in identity.renewal_reason(
        Held(Subject("node-1", "", CERTIFICATE.not_after)), "node-1", "board-1", START)
    assert identity.renewal_reason(Held(), "node-1", "", START)
    # A clock that is behind is no reason.
    assert identity.renewal_reason(Held(CERTIFICATE), "node-1", "board-1", START.replace(year=1970)) == ""


HASH = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize("text", [HASH, HASH + "\n", f"  {HASH}\r\n", HASH.upper(), HASH.removeprefix("sha256:")])
def test_a_pin_is_read_as_people_copy_it(text: str) -> None:
    assert identity.pin(text) == HASH


@pytest.mark.parametrize("text", ["", "\n", "sha256:", HASH[:-1], HASH + "0", "md5:" + "0" * 64, f"{HASH} {HASH}"])
def test_what_is_no_pin_is_said(text: str) -> None:
    with pytest.raises(identity.JoinError, match="edgectl token create"):
        identity.pin(text)


@pytest.mark.parametrize(("status", "body", "error"), [
    (403, {"reason": "KeyUnknown"}, identity.KeyUnknown), (403, {"reason": "NodeCloned"}, identity.Copied),
    (409, {"reason": "NodeStateUnknown", "message": "in a moment"}, identity.JoinError),
    (403, {"reason": "Forbidden", "message": "an older master"}, identity.NotServed),
    (401, {"reason": "Unauthorized"}, identity.NotServed), (404, {"reason": "NotFound"}, identity.NotServed),
    (405, {"reason": "MethodNotAllowed"}, identity.NotServed), (503, {"reason": "NotNow"}, identity.JoinError),
    (429, {"reason": "TooManyRequests", "message": "later"}, identity.JoinError), (500, {}, identity.JoinError),
])
def test_refused_renewals_say_why(status: int, body: dict[str, str], error: type[identity.JoinError]) -> None:
    with pytest.raises(error) as raised:
        identity.renewed(status, msgspec.json.encode(body))
    assert type(raised.value) is error


def test_a_master_that_serves_no_renewals_has_not_called_the_key_unknown() -> None:
    """The key is forgotten for that, with the pods that came with it."""
    assert not issubclass(identity.NotServed, identity.KeyUnknown)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"certificate": 7}', b"\xff"])
def test_a_renewal_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(identity.JoinError):
        identity.renewed(200, body)


def test_a_suspicion_has_to_hold_for_a_while() -> None:
    suspicion = identity.Suspicion()
    assert [suspicion.holds(now) for now in (5.0, 5.0 + identity.COPY_SECONDS - 1, 5.0 + identity.COPY_SECONDS)] == [
        False, False, True]


def test_what_a_request_waits_for_is_read() -> None:
    asked = certificates.CertificateSigningRequest(metadata=meta.ObjectMeta(annotations={
        names.WAITING_ANNOTATION: "a person"}))
    assert identity.waiting(msgspec.json.encode(asked)) == "a person"
    assert identity.waiting(answer()) == identity.waiting(b"[]") == ""
