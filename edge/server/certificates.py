"""Works certificate requests off: approves what the rules for nodes allow, signs what is approved, tidies up.

Requests of users (signer `kubernetes.io/kube-apiserver-client`) are approved by people and signed here.

Effects: the API, and the authorities' keys, which are read from their files for each signature and not kept.
Requests are deleted after a while, as Kubernetes does: signed ones after an hour, undecided ones after a day.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge import logs
from edge.api import certificates, core, errors, meta, times
from edge.client import cache
from edge.client.interface import Client
from edge.client.recorder import Recorder
from edge.clock import Clock, wait
from edge.ids import Ids
from edge.pki import approval, names
from edge.server import bootstrap_tokens, node_identities
from edge.server.node_identities import SILENT_SECONDS, Given

if TYPE_CHECKING:
    from edge.pki import authority

DONE_AFTER = timedelta(hours=1)
PENDING_AFTER = timedelta(hours=24)
LOOK_SECONDS = 600.0
WAITING_SECONDS = 10.0
"""A request may wait for a node to fall silent, which nobody tells."""
RETRY_SECONDS = 5.0
SOON_SECONDS = 2.0
REMEMBERED = 512

log = logs.get("certificates")
Csr = certificates.CertificateSigningRequest


class Certificates:
    """The loop over all certificate requests."""

    def __init__(self, client: Client, caches: cache.SharedCaches, clock: Clock, pki_dir: Path, *, ids: Ids,
                 listening: Callable[[], datetime | None] = lambda: None, silent_seconds: float = SILENT_SECONDS,
                 revoked: Callable[[], Collection[str]] = tuple, own_names: Collection[str] = ()) -> None:
        """`listening` returns since when nodes are heard, `revoked` the hashes of the revoked keys; `own_names` are the
        master's, besides those in its certificate."""
        self._client = client
        self._clock = clock
        self._pki_dir = pki_dir
        self._revoked = revoked
        self._own_names = own_names
        self._caches = caches
        self._requests = caches.of(Csr)
        self._nodes = caches.of(core.Node)
        self._maps = caches.of(core.ConfigMap)
        self._wake = asyncio.Event()
        self.identities = node_identities.Identities(
            client, caches, clock, Recorder(client, clock, ids, component="edge-server"), listening=listening,
            silent_seconds=silent_seconds)
        self._told: dict[str, str] = {}
        """By name, what was logged last: a machine that is refused asks every few seconds."""
        self._tokens = bootstrap_tokens.Tokens(client, clock)
        self._requests.listen(lambda _old, _new: self._wake.set())
        self._nodes.listen(self._node_changed)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._requests.synced.wait()
        await self._nodes.synced.wait()
        # Which keys are revoked: before that is known nobody may be let in.
        await self._maps.synced.wait()
        self.identities.restore()
        while True:
            delay = LOOK_SECONDS
            for request in sorted(self._requests.items(), key=lambda r: r.metadata.creation_timestamp or ""):
                try:
                    delay = min(delay, await self._work(request))
                except (errors.Conflict, errors.NotFound):
                    continue  # It has changed, which wakes this loop again.
                except (errors.ApiError, OSError) as error:
                    log.error("certificate request not worked off", name=request.metadata.name, reason=str(error))
                    delay = min(delay, RETRY_SECONDS)
            if await self.identities.keep():
                delay = min(delay, RETRY_SECONDS)
            await wait(self._wake, self._clock, delay)

    @property
    def is_ready(self) -> bool:
        """Whether everything a decision looks at is there."""
        return all(each.synced.is_set() for each in (self._requests, self._nodes, self._maps))

    def judge(self, asked: approval.Asked) -> approval.Decision:
        """Return what would become of a request."""
        return approval.decide(asked, self.identities.known(), revoked=self._revoked(), own=self._names())

    async def tell(self, name: str, decision: approval.Decision, key: str) -> None:
        """Log a decision about a key, and record an event about the node."""
        good, reason = isinstance(decision, approval.Approve), decision.reason
        if reason in ("", "NodeStateUnknown"):
            return  # Somebody else's business, or a matter of seconds.
        # The name of an invalid request may be anything, and who has a revoked key may say any node's.
        if reason != "InvalidRequest" and not (reason == "KeyRevoked" and self.identities.is_anothers(name, key)):
            await self.identities.tell(name, "Normal" if good else "Warning", reason, decision.message)
        if self._told.get(name) == decision.message:
            return
        self._told[name] = decision.message
        while len(self._told) > REMEMBERED:
            self._told.pop(next(iter(self._told)))
        (log.info if good else log.warning)("certificate request judged", node=name, reason=reason,
                                            decision=type(decision).__name__.lower(), why=decision.message)

    def _names(self) -> frozenset[str]:
        """Return the names of the master that a node could have: those without a domain."""
        from edge.pki import authority, directory

        try:
            found = authority.read_certificate((self._pki_dir / f"{directory.API}.crt").read_bytes()).profile.dns
        except (OSError, authority.PkiError):
            found = ()  # One that somebody else has made may have a key we do not read; the settings' names hold.
        return frozenset(name for name in (*self._own_names, *found) if "." not in name)

    def _node_changed(self, old: meta.Object | None, new: meta.Object | None) -> None:
        if old is None or new is None:
            self._wake.set()

    async def _work(self, request: Csr) -> float:
        """Do what there is to do for a request, and return in how many seconds it has to be looked at again."""
        state = {condition.type for condition in request.status.conditions}
        age = self._clock.now() - _created(request, self._clock.now())
        finished = bool(request.status.certificate) or "Denied" in state or "Failed" in state
        if age > (DONE_AFTER if finished else PENDING_AFTER):
            await self._client.delete(Csr, request.metadata.name, uid=request.metadata.uid)
            return LOOK_SECONDS
        if finished:
            return LOOK_SECONDS
        if request.spec.signer_name == names.USER_SIGNER and "Approved" in state:
            await self._sign_user(request)
        if request.spec.signer_name != names.NODE_SIGNER:
            return LOOK_SECONDS
        # The cryptography package is loaded with the first request and not before.
        from edge.pki import authority

        try:
            pem = base64.b64decode(request.spec.request, validate=True)
            content = authority.read_request(pem)
        except (authority.PkiError, binascii.Error, ValueError) as error:
            await self._add_condition(request, "Denied", "InvalidRequest", str(error))
            return LOOK_SECONDS
        if "Approved" in state:
            await self._sign(request, pem, content)
            return LOOK_SECONDS
        return await self._decide(request, content)

    async def _decide(self, request: Csr, content: authority.Request) -> float:
        asked = _asked(request, content, await self._tokens.is_good(request.spec.username))
        decision, name = self.judge(asked), content.common_name
        match decision:
            case approval.Approve(reason, message):
                self.identities.approved(name, Given(content.key_hash, content.serial))
                await self._add_condition(request, "Approved", reason, message)
                await self.tell(name, decision, content.key_hash)
            case approval.Deny(reason, message):
                await self._add_condition(request, "Denied", reason, message)
                await self.tell(name, decision, content.key_hash)
            case approval.Leave(message, reason):
                if request.metadata.annotations.get(names.WAITING_ANNOTATION) != message:
                    await self._client.patch(Csr, request.metadata.name, "", {"metadata": {"annotations": {
                        names.WAITING_ANNOTATION: message}}})
                    await self.tell(name, decision, content.key_hash)
                return SOON_SECONDS if reason == "NodeStateUnknown" else WAITING_SECONDS
        return LOOK_SECONDS

    async def _sign(self, request: Csr, pem: bytes, content: authority.Request) -> None:
        """Sign with the subject and the one name a node has to have, whatever was asked for: with an address of the
        master in it, a certificate would pass for the API server's."""
        from edge.pki import authority, directory

        approved = next(each for each in request.status.conditions if each.type == "Approved")
        if problem := await self._problem(request, content, approved.reason):
            self.identities.given_up(content.common_name)
            await self._add_condition(request, "Failed", "SignerValidationFailure", problem)
            return
        name = approval.adopted_name(approved.reason, approved.message) or content.common_name
        ca = directory.read_pair(self._pki_dir, directory.CA)
        signed = authority.sign(ca, pem, names.node(name, serial=content.serial), self._clock.now())
        given = Given(content.key_hash, content.serial, authority.read_certificate(signed).not_after)
        by = "" if approved.reason in approval.AUTOMATIC else approved.reason or "a person"
        # First of all: a certificate that is handed out with the old key still good could be asked for by both.
        await self.identities.signed(name, given, by_person=by)
        await self._client.patch(Csr, request.metadata.name, "",
                                 {"status": {"certificate": base64.b64encode(signed).decode()}}, subresource="status")
        if by:
            await self.identities.tell(name, "Normal", approved.reason or "NodeApproved",
                                       f"the name was given to the key {content.key_hash}"
                                       + (f" of board {content.serial}" if content.serial else ""))
        log.info("certificate signed", node=name, key=content.key_hash, serial=content.serial)

    async def _problem(self, request: Csr, content: authority.Request, reason: str) -> str:
        """Return why an approved request is not signed all the same, or ""."""
        token_is_good = await self._tokens.is_good(request.spec.username)
        asked = _asked(request, content, token_is_good)
        if problem := approval.wrong(asked):
            return problem
        if content.key_hash in self._revoked():
            return f"the key {content.key_hash} was revoked"
        if reason in approval.AUTOMATIC and not token_is_good:
            return "the bootstrap token was deleted or has expired since the request was approved"
        return ""

    async def _sign_user(self, request: Csr) -> None:
        """Sign with the subject that was asked for and approved, by the authority that only the API server trusts."""
        from edge.pki import authority, directory, users

        usages, seconds = request.spec.usages, request.spec.expiration_seconds
        try:
            csr = users.read(base64.b64decode(request.spec.request, validate=True))
            if problem := users.wrong(csr, usages):
                raise authority.PkiError(problem)
            ca = directory.read_pair(self._pki_dir, directory.USERS)
            signed = users.sign(ca, csr, usages, seconds, self._clock.now())
        except (authority.PkiError, binascii.Error, ValueError) as error:
            await self._add_condition(request, "Failed", "SignerValidationFailure", str(error))
            return
        await self._client.patch(Csr, request.metadata.name, "",
                                 {"status": {"certificate": base64.b64encode(signed).decode()}}, subresource="status")
        log.info("certificate signed for a user", name=request.metadata.name)

    async def _add_condition(self, request: Csr, kind: str, reason: str, message: str) -> None:
        now = times.render(self._clock.now())
        added = {"type": kind, "status": "True", "reason": reason, "message": message, "lastUpdateTime": now,
                 "lastTransitionTime": now}
        kept: list[dict[str, Any]] = [
            {"type": c.type, "status": c.status, "reason": c.reason, "message": c.message,
             "lastUpdateTime": c.last_update_time, "lastTransitionTime": c.last_transition_time}
            for c in request.status.conditions]
        await self._client.patch(Csr, request.metadata.name, "",
                                 {"metadata": {"resourceVersion": request.metadata.resource_version},
                                  "status": {"conditions": [*kept, added]}},
                                 subresource="status" if kind == "Failed" else "approval")


def _asked(request: Csr, content: authority.Request, token_is_good: bool) -> approval.Asked:
    return approval.Asked(
        signer=request.spec.signer_name, usages=request.spec.usages, common_name=content.common_name,
        organizations=content.organizations, dns=content.dns, addresses=content.addresses,
        key_hash=content.key_hash, username=request.spec.username, groups=request.spec.groups, serial=content.serial,
        token_is_good=token_is_good)


def _created(request: Csr, now: datetime) -> datetime:
    return times.parse(request.metadata.creation_timestamp) if request.metadata.creation_timestamp else now
