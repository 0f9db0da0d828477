"""Renews the certificates of nodes that show the key they were known by: POST /edge/v1/renew, for everybody.

A certificate may have expired while the rack was off, so nothing but the key is asked for. The request is signed by
that key, which proves that its owner has made it at some time. An old one that somebody sends again yields a
certificate for the same key, which is of use to its owner alone. What a renewal changes besides, a Node's board or
name, is changed only when the node itself has appeared with it.

Nothing is written for a request that is not granted; a granted one is an ordinary certificate request from then on.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING

import msgspec

from edge import logs
from edge.api import certificates, errors, meta
from edge.client import cache
from edge.client.interface import Client
from edge.clock import Clock, wait
from edge.pki import approval, names
from edge.server.allowance import Allowance
from edge.server.certificates import Certificates

if TYPE_CHECKING:
    from edge.pki import authority

PATH = "/edge/v1/renew"
MOST_BYTES = 8 * 1024
SIGNING_SECONDS = 15.0
USAGES = ("digital signature", "client auth", "server auth")

log = logs.get("renewals")
Csr = certificates.CertificateSigningRequest


class Asking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request."""

    request: str
    """The certificate request, in PEM."""
    look: bool = False
    """Only say what would become of it, and whether another agent is that node at the moment."""
    boot_id: str = ""
    """Of the agent that asks."""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an answer."""

    reason: str = ""
    """Of the decision, such as NodeRenewal or NodeCloned."""
    message: str = ""
    certificate: str = ""
    """In PEM."""
    other: bool = False
    """Whether the node runs, by another agent than the one that asks."""


class Renewals:
    """The door. `client` acts as a member of the group of renewers."""

    def __init__(self, client: Client, caches: cache.SharedCaches, clock: Clock, signing: Certificates,
                 allowance: Allowance) -> None:
        self._client, self._clock, self._signing, self._allowance = client, clock, signing, allowance
        self._changed: set[asyncio.Event] = set()
        caches.of(Csr).listen(self._request_changed)

    async def answer(self, body: bytes, address: str) -> tuple[int, object]:
        """Return HTTP status and body for what was sent from an address."""
        if not self._signing.is_ready:
            # A key that is not known yet would be called unknown, and its owner would forget it.
            return 503, Answer("NotNow", "the server has just started; try again")
        if not self._allowance.take(address, self._clock.monotonic()):
            return 429, Answer("TooManyRequests", "too many requests for renewal; try again in a minute")
        # The cryptography package is loaded with the first request and not before.
        from edge.pki import authority

        try:
            if len(body) > MOST_BYTES:
                raise authority.PkiError(f"the request is larger than {MOST_BYTES} bytes")
            asking = msgspec.json.decode(body, type=Asking)
            content = authority.read_request(asking.request.encode())
        except (msgspec.DecodeError, UnicodeError, authority.PkiError) as error:
            return 400, Answer("InvalidRequest", str(error))
        return await self._judged(asking, content, address)

    def _request_changed(self, _old: Csr | None, _new: Csr | None) -> None:
        for each in self._changed:
            each.set()

    async def _judged(self, asking: Asking, content: authority.Request, address: str) -> tuple[int, object]:
        decision, name = self._signing.judge(_asked(content)), content.common_name
        if asking.look and isinstance(decision, approval.Approve):
            other = self._signing.identities.other_agent(name, asking.boot_id)
            if other:
                await self._signing.identities.tell(
                    name, "Warning", "NodeDuplicated", f"a second machine at {address} has the key of {name} and gives "
                    "way; is there a copy of its card?")
            return 200, Answer(decision.reason, decision.message, other=other)
        if isinstance(decision, approval.Approve):
            try:
                return await self._signed(asking.request, content)
            except errors.ApiError as error:
                return 503, Answer("NotNow", f"the request could not be worked off: {error.message}")
        # Who shows an unknown key may be anybody: that is no news about the node.
        if decision.reason not in ("KeyUnknown", "InvalidRequest"):
            await self._signing.tell(name, decision, content.key_hash)
        return 409 if isinstance(decision, approval.Leave) else 403, Answer(decision.reason, decision.message)

    async def _signed(self, pem: str, content: authority.Request) -> tuple[int, object]:
        """Have the request signed, and wait for that; one that was signed lately is answered as it was then.

        There is one request for one name, key and board. Another, of a machine that has got its old name back, takes
        its place.
        """
        mark = hashlib.sha256(f"{content.key_hash} {content.serial}".encode()).hexdigest()[:10]
        made = Csr(api_version="certificates.k8s.io/v1", kind="CertificateSigningRequest",
                   metadata=meta.ObjectMeta(name=f"renew-{content.common_name}-{mark}"),
                   spec=certificates.CertificateSigningRequestSpec(
                       request=base64.b64encode(pem.encode()).decode(), signer_name=names.NODE_SIGNER, usages=USAGES,
                       username=names.RENEWER_USER, groups=(names.RENEWERS_GROUP,)))
        wake, end = asyncio.Event(), self._clock.monotonic() + SIGNING_SECONDS
        self._changed.add(wake)
        try:
            try:
                found = await self._client.create(made)
            except errors.AlreadyExists:
                found = await self._client.get(Csr, made.metadata.name)
                if found.spec.request != made.spec.request and found.status.certificate:
                    await self._client.delete(Csr, found.metadata.name, uid=found.metadata.uid)
                    found = await self._client.create(made)
            while self._clock.monotonic() < end:
                if found.status.certificate:
                    return 200, Answer("NodeRenewal", certificate=base64.b64decode(found.status.certificate).decode())
                for condition in found.status.conditions:
                    if condition.type in ("Denied", "Failed"):
                        await self._client.delete(Csr, found.metadata.name, uid=found.metadata.uid)
                        return 409, Answer(condition.reason, condition.message)
                await wait(wake, self._clock, 1.0)
                found = await self._client.get(Csr, made.metadata.name)
        finally:
            self._changed.discard(wake)
        return 503, Answer("NotNow", f"the request {made.metadata.name} is not signed yet; try again")


def _asked(content: authority.Request) -> approval.Asked:
    return approval.Asked(
        signer=names.NODE_SIGNER, usages=USAGES, common_name=content.common_name, organizations=content.organizations,
        dns=content.dns, addresses=content.addresses, key_hash=content.key_hash, username=names.RENEWER_USER,
        groups=(names.RENEWERS_GROUP,), serial=content.serial)
