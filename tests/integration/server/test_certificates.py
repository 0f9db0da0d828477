"""Certificates over time: requests that want the same name, and what happens to renewed ones."""

from __future__ import annotations

import asyncio
import base64
import ssl
from pathlib import Path

from edge.api import certificates as certificates_api
from edge.api import core, meta
from edge.client import cache
from edge.clock import SystemClock
from edge.component import Supervisor
from edge.ids import SystemIds
from edge.pki import authority, directory, names, request
from edge.server import loop
from edge.server.certificates import Certificates
from tests.fakes.client import FakeClient
from tests.fakes.clock import START, FakeClock, settle

WAIT_SECONDS = 30.0


async def test_of_two_requests_for_one_name_the_first_is_approved(tmp_path: Path) -> None:
    """Both are there before the loop looks, as after a restart."""
    directory.ensure(tmp_path, now=START)
    api, clock = FakeClient(), SystemClock()
    await api.create(core.Secret(metadata=meta.ObjectMeta(name="bootstrap-token-abcdef", namespace="kube-system")))
    for number in (1, 2):
        request.make("node-1", tmp_path / str(number))
        pem = (tmp_path / str(number) / request.REQUEST).read_bytes()
        await api.create(certificates_api.CertificateSigningRequest(
            metadata=meta.ObjectMeta(name=f"join-{number}", creation_timestamp=f"2030-01-01T00:00:0{number}Z"),
            spec=certificates_api.CertificateSigningRequestSpec(
                request=base64.b64encode(pem).decode(), signer_name=names.NODE_SIGNER,
                usages=("client auth", "server auth"), username="system:bootstrap:abcdef",
                groups=(names.BOOTSTRAPPERS_GROUP,))))
    begin = (await api.list(certificates_api.CertificateSigningRequest)).resource_version
    supervisor = Supervisor(clock)
    caches = cache.SharedCaches(api, clock=clock, ids=SystemIds(), start=supervisor.start)
    supervisor.start("certificates", Certificates(api, caches, clock, tmp_path, ids=SystemIds()).run)
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            async for event in api.watch(certificates_api.CertificateSigningRequest, resource_version=begin):
                if event.object.status.certificate:
                    break
        await settle()
        second = await api.get(certificates_api.CertificateSigningRequest, "join-2")
        assert second.status.conditions == ()
    finally:
        await supervisor.stop()


def user_request(name: str, *usages: str, approved: bool = True) -> certificates_api.CertificateSigningRequest:
    """Return a request for a user's certificate, as a person has approved it."""
    pem = authority.request(authority.new_key(), names.Profile(common_name=name, organizations=("team",)))
    condition = meta.Condition(type="Approved", status="True", reason="KubectlApprove")
    return certificates_api.CertificateSigningRequest(
        metadata=meta.ObjectMeta(name=name, creation_timestamp="2030-01-01T00:00:00Z"),
        spec=certificates_api.CertificateSigningRequestSpec(
            request=base64.b64encode(pem).decode(), signer_name=names.USER_SIGNER, usages=usages, username="admin",
            expiration_seconds=3600),
        status=certificates_api.CertificateSigningRequestStatus(conditions=(condition,) if approved else ()))


async def test_requests_of_users_are_signed_once_approved_and_trusted_by_the_api_alone(tmp_path: Path) -> None:
    directory.ensure(tmp_path, now=START)
    api, clock = FakeClient(), SystemClock()
    for made in (user_request("jane", "client auth"), user_request("early", "client auth", approved=False),
                 user_request("wrong", "client auth", "server auth")):
        await api.create(made)
    begin = (await api.list(certificates_api.CertificateSigningRequest)).resource_version
    supervisor = Supervisor(clock)
    caches = cache.SharedCaches(api, clock=clock, ids=SystemIds(), start=supervisor.start)
    supervisor.start("certificates", Certificates(api, caches, clock, tmp_path, ids=SystemIds()).run)
    found: dict[str, certificates_api.CertificateSigningRequestStatus] = {}
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            async for event in api.watch(certificates_api.CertificateSigningRequest, resource_version=begin):
                found[event.object.metadata.name] = event.object.status
                if len(found) == 2:
                    break
        await settle()
        early = await api.get(certificates_api.CertificateSigningRequest, "early")
        assert early.status == certificates_api.CertificateSigningRequestStatus()
    finally:
        await supervisor.stop()
    refusal = found["wrong"].conditions[-1]
    assert (refusal.type, refusal.reason, refusal.message) == (
        "Failed", "SignerValidationFailure", "invalid usage for client certificate: server auth")
    signed = base64.b64decode(found["jane"].certificate)
    facts = authority.read_certificate(signed)
    assert (facts.profile.common_name, facts.profile.organizations) == ("jane", ("team",))
    assert authority.issued_by(signed, (tmp_path / "users.crt").read_bytes())
    assert not authority.issued_by(signed, (tmp_path / "ca.crt").read_bytes())


async def test_a_renewed_certificate_is_taken_up_and_a_broken_one_is_not(tmp_path: Path) -> None:
    clock = FakeClock()
    reloaded: list[str] = []

    def reload() -> None:
        reloaded.append((tmp_path / "server.crt").read_text())
        if reloaded[-1] == "broken":
            raise ssl.SSLError("no")

    def write(text: str) -> None:
        (tmp_path / "new").write_text(text)
        (tmp_path / "new").replace(tmp_path / "server.crt")

    write("first")
    task = asyncio.create_task(loop.keep_certificates((tmp_path / "server.crt",), reload, clock))
    for text, want in (("", []), ("broken", ["broken"]), ("second", ["broken", "second"]),
                       ("", ["broken", "second"])):
        if text:
            write(text)
        await settle()
        await clock.run(loop.CERTIFICATE_SECONDS, step=loop.CERTIFICATE_SECONDS)
        assert reloaded == want
    task.cancel()
