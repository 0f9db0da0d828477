"""Knows which names were given to which keys and boards, and which of those nodes run.

What was given is written to the Nodes, as annotations: the key, the board's serial number, the certificate's end. A
Node comes only once its machine has reported, so until then signed requests say it. Whether a node runs is told by its
heartbeats, on a clock that never jumps: a server that has just started knows it of nobody.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from edge import logs
from edge.api import certificates, coordination, core, errors, meta, times
from edge.client import cache
from edge.client.interface import Client
from edge.client.recorder import Recorder
from edge.clock import Clock
from edge.pki import approval, names, revocation

LEASES = "kube-node-lease"
SILENT_SECONDS = 20.0
"""Without a heartbeat for so long a node counts as silent, unless the settings let nodes be silent for longer."""

log = logs.get("certificates")
Csr = certificates.CertificateSigningRequest


@dataclass(frozen=True, slots=True)
class Given:
    """What a certificate was issued for."""

    key: str
    serial: str = ""
    not_after: datetime | None = None

    @property
    def annotations(self) -> dict[str, str]:
        """What a Node says of it."""
        found = {names.KEY_ANNOTATION: self.key, names.SERIAL_ANNOTATION: self.serial}
        if self.not_after is not None:
            found[names.EXPIRES_ANNOTATION] = times.render(self.not_after)
        return found


class Identities:
    """All names that are taken."""

    def __init__(self, client: Client, caches: cache.SharedCaches, clock: Clock, recorder: Recorder, *,
                 listening: Callable[[], datetime | None], silent_seconds: float = SILENT_SECONDS) -> None:
        """`listening` returns since when nodes can be heard, None while they cannot."""
        self._client, self._clock, self._recorder = client, clock, recorder
        self._listening, self._silent_seconds = listening, silent_seconds
        self._nodes = caches.of(core.Node)
        self._requests = caches.of(Csr)
        self._heard: dict[str, dict[str, tuple[float, float]]] = {}
        """By name and boot id of the agent, when that was heard first and last (monotonic)."""
        self._listens_since: tuple[datetime | None, float] = (None, clock.monotonic())
        self._issued: dict[str, Given] = {}
        """By name, what certificates were signed for and no Node says yet."""
        self._deleted: dict[str, Given] = {}
        """Likewise, as deleted Nodes had it: a machine that still runs registers again, with the same key."""
        self._approved: dict[str, Given] = {}
        """Likewise, of requests approved and not signed yet: of two that want one name only the first gets it."""
        self._nodes.listen(self._node_changed)
        caches.of(coordination.Lease).listen(self._lease_changed)

    def restore(self) -> None:
        """Take up what a server before this one has signed and perhaps not written to the Nodes any more."""
        for name, given in _signed(self._requests.items()).items():
            node = self._nodes.get(name)
            if node is None or node.metadata.annotations.get(names.KEY_ANNOTATION) != given.key:
                self._issued.setdefault(name, given)

    def known(self) -> tuple[approval.Known, ...]:
        """Return every name that is taken."""
        signed = _signed(self._requests.items())
        every = {node.metadata.name for node in self._nodes.items()} | set(signed) | set(self._issued)
        return tuple(self._known(name, signed.get(name)) for name in sorted(every | set(self._approved)))

    def life(self, name: str) -> approval.Life:
        """Return whether the node runs."""
        now, since = self._clock.monotonic(), self._note_listening()
        if self._agents(name):
            return approval.Life.ALIVE
        if since is None or now - self._listens_since[1] < self._silent_seconds:
            return approval.Life.UNKNOWN
        return approval.Life.SILENT

    def other_agent(self, name: str, boot_id: str) -> bool:
        """Return whether another agent than the one with this boot id is the node, and was so before this one.

        One that was heard before this one only is an earlier start of it, and gone.
        """
        agents = self._agents(name)
        own, _ = agents.pop(boot_id, (self._clock.monotonic(), 0.0))
        return any(first < own < last for other, (first, last) in agents.items() if other)

    def is_anothers(self, name: str, key: str) -> bool:
        """Return whether the Node of that name has another key than this one."""
        node = self._nodes.get(name)
        known = node.metadata.annotations.get(names.KEY_ANNOTATION, "") if node is not None else ""
        return known not in ("", key)

    def approved(self, name: str, given: Given) -> None:
        """Note that the name is as good as given away."""
        self._approved[name] = given

    def given_up(self, name: str) -> None:
        """Note that an approved request is not signed after all."""
        self._approved.pop(name, None)

    async def signed(self, name: str, given: Given, *, by_person: str) -> None:
        """Note what a certificate was signed for. Where a person gave the name to another key, those before it are
        revoked.

        Raises:
            errors.ApiError: the revocation could not be written; nothing was noted.
        """
        for old in sorted(self._keys(name) - {given.key}) if by_person else ():
            await self._revoke(old, name, by_person)
        self._issued[name] = given
        self._approved.pop(name, None)
        self._deleted.pop(name, None)
        await self._mark_renamed(name, given.key)

    async def keep(self) -> bool:
        """Write what is noted to the Nodes, and remove those whose machine is there under another name.

        Return whether something has to be looked at again soon.
        """
        for name, given in list((self._deleted | self._issued).items()):
            node = self._nodes.get(name)
            if node is None:
                continue
            wanted = given.annotations
            if given.key and any(node.metadata.annotations.get(key, "") != value for key, value in wanted.items()):
                try:
                    await self._client.patch(core.Node, name, "", {"metadata": {"annotations": wanted}})
                except errors.ApiError as error:
                    log.warning("node not annotated", node=name, reason=str(error))
                    continue
            self._issued.pop(name, None)
            self._deleted.pop(name, None)
        renamed = [node for node in self._nodes.items() if names.RENAMED_ANNOTATION in node.metadata.annotations]
        for node in renamed:
            await self._remove_renamed(node)
        return bool(renamed)

    async def tell(self, name: str, kind: str, reason: str, message: str) -> None:
        """Record an event about the node, whether there is a Node object yet or not."""
        node = self._nodes.get(name)
        await self._recorder.record(meta.ObjectReference(
            kind="Node", api_version="v1", name=name, uid=node.metadata.uid if node is not None else name),
            kind, reason, message)

    def _known(self, name: str, signed: Given | None) -> approval.Known:
        node = self._nodes.get(name)
        newest = self._approved.get(name) or self._issued.get(name) or signed
        if newest is None and node is not None:
            newest = _of_node(node)
        keys = {given.key for given in (newest, self._issued.get(name)) if given is not None and given.key}
        return approval.Known(name=name, keys=frozenset(keys), serial=newest.serial if newest is not None else "",
                              life=self.life(name), address=_address(node) if node is not None else "")

    def _keys(self, name: str) -> set[str]:
        """Return the keys that open the name: its Node's, and those that were signed and that no Node says yet."""
        notes = {node.metadata.name: node.metadata.annotations.get(names.KEY_ANNOTATION, "")
                 for node in self._nodes.items()}
        own = notes.pop(name, "")
        signed = (self._issued.get(name), _signed(self._requests.items()).get(name))
        # The key of a machine that was renamed belongs to its new name, whatever was signed for the old one.
        return ({own} | ({given.key for given in signed if given is not None} - set(notes.values()))) - {""}

    async def _revoke(self, key: str, name: str, by: str) -> None:
        entry = revocation.written(revocation.Revocation(
            name=name, by=by, at=times.render(self._clock.now()), reason="the name was given to another key"))
        wanted = {revocation.entry(key): entry}
        try:
            listed = await self._client.get(core.ConfigMap, revocation.NAME, revocation.NAMESPACE)
            if revocation.entry(key) in listed.data:
                return  # Who has revoked it before knew more of the reason.
            await self._client.patch(core.ConfigMap, revocation.NAME, revocation.NAMESPACE, {"data": wanted})
        except errors.NotFound:
            await self._client.create(core.ConfigMap(
                api_version="v1", kind="ConfigMap", data=wanted,
                metadata=meta.ObjectMeta(name=revocation.NAME, namespace=revocation.NAMESPACE)))
        log.info("key revoked", node=name, key=key)

    async def _mark_renamed(self, name: str, key: str) -> None:
        """Note on the Nodes that had the key what their machine is called now."""
        for node in self._nodes.items():
            annotations, own = node.metadata.annotations, node.metadata.name == name
            if own and names.RENAMED_ANNOTATION in annotations:
                change = None
            elif not own and annotations.get(names.KEY_ANNOTATION) == key:
                change = name
            else:
                continue
            try:
                await self._client.patch(core.Node, node.metadata.name, "",
                                         {"metadata": {"annotations": {names.RENAMED_ANNOTATION: change}}})
            except errors.NotFound:
                continue

    async def _remove_renamed(self, node: core.Node) -> None:
        """Delete the Node once it is silent and its machine has shown, with the same key, that it is there."""
        old, new = node.metadata.name, node.metadata.annotations[names.RENAMED_ANNOTATION]
        heir = self._nodes.get(new)
        if heir is None or self.life(old) is not approval.Life.SILENT or self.life(new) is not approval.Life.ALIVE:
            return
        if heir.metadata.annotations.get(names.KEY_ANNOTATION) != node.metadata.annotations.get(names.KEY_ANNOTATION):
            return
        try:
            await self._client.delete(core.Node, old, uid=node.metadata.uid)
        except errors.ApiError as error:
            log.warning("renamed node not removed", node=old, reason=str(error))
            return
        self._deleted.pop(old, None)
        await self.tell(new, "Normal", "NodeRenamed", f"the Node {old} was removed: its machine is {new} now")
        log.info("renamed node removed", node=old, name=new)

    def _node_changed(self, old: core.Node | None, new: core.Node | None) -> None:
        if old is not None and new is None:
            self._deleted[old.metadata.name] = _of_node(old)

    def _lease_changed(self, old: coordination.Lease | None, new: coordination.Lease | None) -> None:
        if new is None or new.metadata.namespace != LEASES:
            return
        self._note_listening()
        # What is there when the server starts is no sign of life, so a lease's first appearance is none either.
        if old is not None and old.spec.renew_time != new.spec.renew_time:
            now, agents = self._clock.monotonic(), self._agents(new.metadata.name)
            boot_id = new.metadata.annotations.get(names.BOOT_ANNOTATION, "")
            self._heard[new.metadata.name] = agents | {boot_id: (agents.get(boot_id, (now, now))[0], now)}

    def _agents(self, name: str) -> dict[str, tuple[float, float]]:
        """Return the agents that were this node lately."""
        now = self._clock.monotonic()
        return {boot_id: heard for boot_id, heard in self._heard.get(name, {}).items()
                if now - heard[1] < self._silent_seconds}

    def _note_listening(self) -> datetime | None:
        """Return since when nodes can be heard, and note by the other clock when that has changed."""
        since = self._listening()
        if since != self._listens_since[0]:
            self._listens_since = (since, self._clock.monotonic())
        return since


def _of_node(node: core.Node) -> Given:
    annotations = node.metadata.annotations
    end = annotations.get(names.EXPIRES_ANNOTATION, "")
    try:
        not_after = times.parse(end) if end else None
    except ValueError:
        not_after = None
    return Given(annotations.get(names.KEY_ANNOTATION, ""), annotations.get(names.SERIAL_ANNOTATION, ""), not_after)


def _address(node: core.Node) -> str:
    return next((each.address for each in node.status.addresses if each.type == "InternalIP"), "")


def _signed(requests: Iterable[Csr]) -> dict[str, Given]:
    """Return by name what the newest signed request was for."""
    # The cryptography package is loaded with the first request and not before.
    from edge.pki import authority

    newest: dict[str, tuple[str, Given]] = {}
    for request in requests:
        if not request.status.certificate or request.spec.signer_name != names.NODE_SIGNER:
            continue
        facts = authority.read_certificate(base64.b64decode(request.status.certificate))
        stamp = max((request.metadata.creation_timestamp or "", *(
            each.last_update_time or "" for each in request.status.conditions if each.type == "Approved")))
        name = facts.profile.common_name
        if name not in newest or newest[name][0] <= stamp:
            newest[name] = (stamp, Given(facts.key_hash, facts.profile.serial, facts.not_after))
    return {name: given for name, (_, given) in newest.items()}
