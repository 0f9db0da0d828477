"""Works certificate requests off: approves what the rules for nodes allow, signs what is approved, tidies up.

Requests of users (signer `kubernetes.io/kube-apiserver-client`) are approved by people and signed here.

Effects: the API, and the authorities' keys, which are read from their files for each signature and not kept.
Requests are deleted after a while, as Kubernetes does: signed ones after an hour, undecided ones after a day.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge import logs
from edge.api import certificates, core, errors, meta, times
from edge.client import cache
from edge.client.interface import Client
from edge.clock import Clock, wait
from edge.pki import approval, names

if TYPE_CHECKING:
    from edge.pki import authority

DONE_AFTER = timedelta(hours=1)
PENDING_AFTER = timedelta(hours=24)
LOOK_SECONDS = 600.0
RETRY_SECONDS = 5.0

log = logs.get("certificates")
Csr = certificates.CertificateSigningRequest


class Certificates:
    """The loop over all certificate requests."""

    def __init__(self, client: Client, caches: cache.SharedCaches, clock: Clock, pki_dir: Path) -> None:
        self._client = client
        self._clock = clock
        self._pki_dir = pki_dir
        self._requests = caches.of(Csr)
        self._nodes = caches.of(core.Node)
        self._wake = asyncio.Event()
        self._requests.listen(lambda _old, _new: self._wake.set())
        self._nodes.listen(self._node_changed)
        self._issued: dict[str, str] = {}
        """Key hash by node name, of certificates signed since the start."""
        self._deleted: dict[str, str] = {}
        """Likewise, as deleted Nodes had it: a machine that still runs registers again, with the same key."""
        self._approved: dict[str, str] = {}
        """Likewise, of requests approved and not signed yet: of two that want one name only the first gets it."""

    async def run(self) -> None:
        """Work until cancelled."""
        await self._requests.synced.wait()
        await self._nodes.synced.wait()
        while True:
            delay = LOOK_SECONDS
            for request in sorted(self._requests.items(), key=lambda r: r.metadata.creation_timestamp or ""):
                try:
                    await self._work(request)
                except (errors.Conflict, errors.NotFound):
                    continue  # It has changed, which wakes this loop again.
                except (errors.ApiError, OSError) as error:
                    log.error("certificate request not worked off", name=request.metadata.name, reason=str(error))
                    delay = RETRY_SECONDS
            await self._annotate()
            await wait(self._wake, self._clock, delay)

    def _node_changed(self, old: meta.Object | None, new: meta.Object | None) -> None:
        if old is not None and new is None:
            self._deleted[old.metadata.name] = old.metadata.annotations.get(names.KEY_ANNOTATION, "")
        if old is None or new is None:
            self._wake.set()

    async def _work(self, request: Csr) -> None:
        state = {condition.type for condition in request.status.conditions}
        age = self._clock.now() - _created(request, self._clock.now())
        finished = bool(request.status.certificate) or "Denied" in state or "Failed" in state
        if age > (DONE_AFTER if finished else PENDING_AFTER):
            await self._client.delete(Csr, request.metadata.name, uid=request.metadata.uid)
            return
        if finished:
            return
        if request.spec.signer_name == names.USER_SIGNER and "Approved" in state:
            await self._sign_user(request)
        if request.spec.signer_name != names.NODE_SIGNER:
            return
        # The cryptography package is loaded with the first request and not before.
        from edge.pki import authority

        try:
            pem = base64.b64decode(request.spec.request, validate=True)
            content = authority.read_request(pem)
        except (authority.PkiError, binascii.Error, ValueError) as error:
            await self._add_condition(request, "Denied", "InvalidRequest", str(error))
            return
        if "Approved" in state:
            await self._sign(request, pem, content)
        else:
            await self._decide(request, content)

    async def _decide(self, request: Csr, content: authority.Request) -> None:
        match approval.decide(_asked(request, content), node_exists=self._nodes.get(content.common_name) is not None,
                              known_keys=self._known_keys(content.common_name)):
            case approval.Approve(reason, message):
                self._approved[content.common_name] = content.key_hash
                await self._add_condition(request, "Approved", reason, message)
                log.info("certificate request approved", node=content.common_name, reason=reason)
            case approval.Deny(reason, message):
                await self._add_condition(request, "Denied", reason, message)
                log.warning("certificate request denied", node=content.common_name, reason=message)
            case approval.Leave(message):
                log.debug("certificate request left to a person", node=content.common_name, reason=message)

    async def _sign(self, request: Csr, pem: bytes, content: authority.Request) -> None:
        """Sign with the subject and the one name a node has to have, whatever was asked for: with an address of the
        master in it, a certificate would pass for the API server's."""
        from edge.pki import authority, directory

        if problem := approval.wrong(_asked(request, content)):
            await self._add_condition(request, "Failed", "SignerValidationFailure", problem)
            return
        ca = directory.read_pair(self._pki_dir, directory.CA)
        signed = authority.sign(ca, pem, names.node(content.common_name), self._clock.now())
        await self._client.patch(Csr, request.metadata.name, "",
                                 {"status": {"certificate": base64.b64encode(signed).decode()}}, subresource="status")
        self._issued[content.common_name] = content.key_hash
        self._approved.pop(content.common_name, None)
        self._deleted.pop(content.common_name, None)
        log.info("certificate signed", node=content.common_name, key=content.key_hash)

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

    def _known_keys(self, name: str) -> set[str]:
        """Return the keys certificates of that name were issued for: on the Node, and in requests since."""
        from edge.pki import authority

        known = {self._issued.get(name, ""), self._approved.get(name, "")}
        if (node := self._nodes.get(name)) is not None:
            known.add(node.metadata.annotations.get(names.KEY_ANNOTATION, ""))
        for request in self._requests.items():
            if request.status.certificate and request.spec.signer_name == names.NODE_SIGNER:
                facts = authority.read_certificate(base64.b64decode(request.status.certificate))
                if facts.profile.common_name == name:
                    known.add(facts.key_hash)
        return known - {""}

    async def _annotate(self) -> None:
        """Write the key of each new certificate to its Node, once there is one."""
        for name, key in list((self._deleted | self._issued).items()):
            node = self._nodes.get(name)
            if node is None:
                continue
            if key and node.metadata.annotations.get(names.KEY_ANNOTATION) != key:
                try:
                    await self._client.patch(core.Node, name, "",
                                             {"metadata": {"annotations": {names.KEY_ANNOTATION: key}}})
                except errors.ApiError as error:
                    log.warning("node not annotated", node=name, reason=str(error))
                    continue
            self._issued.pop(name, None)
            self._deleted.pop(name, None)


def _asked(request: Csr, content: authority.Request) -> approval.Asked:
    return approval.Asked(
        signer=request.spec.signer_name, usages=request.spec.usages, common_name=content.common_name,
        organizations=content.organizations, dns=content.dns, addresses=content.addresses,
        key_hash=content.key_hash, username=request.spec.username, groups=request.spec.groups)


def _created(request: Csr, now: datetime) -> datetime:
    return times.parse(request.metadata.creation_timestamp) if request.metadata.creation_timestamp else now
