"""What becomes of names, keys and boards over time: the loop over certificate requests on a clock that is driven."""

from __future__ import annotations

import asyncio
import base64
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.api import certificates as certificates_api
from edge.api import coordination, core, errors, meta, times
from edge.client import cache
from edge.component import Supervisor
from edge.ids import SystemIds
from edge.pki import approval, authority, directory, names, revocation
from edge.server.certificates import Certificates
from edge.server.node_identities import SILENT_SECONDS, Identities
from tests.fakes.client import FakeClient
from tests.fakes.clock import START, FakeClock, settle

Csr = certificates_api.CertificateSigningRequest
TOKEN = "system:bootstrap:abcdef"


@dataclass
class World:
    """An API, a clock, the loop, and who wants what of it."""

    folder: Path
    api: FakeClient = field(default_factory=FakeClient)
    clock: FakeClock = field(default_factory=FakeClock)
    listening: datetime | None = START
    supervisor: Supervisor | None = None
    number: int = 0
    identities: Identities = field(init=False)

    async def start(self) -> None:
        """Start the server's part, or start it anew."""
        if self.supervisor is not None:
            await self.supervisor.stop()
        self.supervisor = Supervisor(self.clock)
        caches = cache.SharedCaches(self.api, clock=self.clock, ids=SystemIds(), start=self.supervisor.start)
        maps = caches.of(core.ConfigMap)

        def revoked() -> tuple[str, ...]:
            found = maps.get(f"{revocation.NAMESPACE}/{revocation.NAME}")
            return tuple(revocation.read(found.data)) if found is not None else ()

        loop = Certificates(self.api, caches, self.clock, self.folder, ids=SystemIds(), revoked=revoked,
                            listening=lambda: self.listening)
        self.identities = loop.identities
        self.supervisor.start("certificates", loop.run)
        await settle(100)

    async def ask(self, name: str, key: bytes, serial: str = "", *, user: str = TOKEN,
                  group: str = names.BOOTSTRAPPERS_GROUP, conditions: tuple[meta.Condition, ...] = ()) -> Csr:
        """Send a certificate request and return what has become of it a moment later."""
        self.number += 1
        pem = authority.request(key, names.node(name, serial=serial))
        asked = f"request-{self.number}"
        await self.api.create(Csr(
            metadata=meta.ObjectMeta(name=asked, creation_timestamp=times.render(self.clock.now())),
            spec=certificates_api.CertificateSigningRequestSpec(
                request=base64.b64encode(pem).decode(), signer_name=names.NODE_SIGNER,
                usages=("client auth", "server auth"), username=user, groups=(group,)),
            status=certificates_api.CertificateSigningRequestStatus(conditions=conditions)))
        await settle(200)
        return await self.api.get(Csr, asked)

    async def member(self, name: str, key: bytes, serial: str = "") -> core.Node:
        """Let a new machine in, have it report, and return its Node."""
        assert (await self.ask(name, key, serial)).status.certificate
        return await self.register(name)

    async def register(self, name: str) -> core.Node:
        await self.api.create(core.Node(metadata=meta.ObjectMeta(name=name, uid=f"uid-{name}")))
        for _ in range(2):
            await self.beat(name)
            await self.clock.run(1, step=1)
        await settle(200)
        return await self.api.get(core.Node, name)

    async def beat(self, name: str, boot_id: str = "") -> None:
        """Have the node say that it is alive."""
        notes = {names.BOOT_ANNOTATION: boot_id}
        spec = coordination.LeaseSpec(renew_time=times.render_micro(self.clock.now()))
        lease = coordination.Lease(metadata=meta.ObjectMeta(name=name, namespace="kube-node-lease", annotations=notes),
                                   spec=spec)
        try:
            await self.api.create(lease)
        except errors.AlreadyExists:
            old = await self.api.get(coordination.Lease, name, "kube-node-lease")
            await self.api.update(msgspec.structs.replace(
                old, spec=spec, metadata=msgspec.structs.replace(old.metadata, annotations=notes)))
        await settle(50)

    async def silence(self) -> None:
        """Let so much time pass that everybody counts as silent who says nothing."""
        await self.clock.run(SILENT_SECONDS + 1, step=1)

    async def events(self) -> list[tuple[str, str]]:
        return [(event.involved_object.name, event.reason) for event in (await self.api.list(core.Event)).items]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    directory.ensure(tmp_path, now=START)
    made = World(tmp_path)
    await made.api.create(core.Secret(metadata=meta.ObjectMeta(name="bootstrap-token-abcdef", namespace="kube-system")))
    await made.start()
    for _ in range(2):
        await made.beat("somebody")
        await made.clock.run(1, step=1)
    await made.clock.run(SILENT_SECONDS, step=5)
    yield made
    assert made.supervisor is not None
    await made.supervisor.stop()


def outcome(request: Csr) -> tuple[str, str]:
    """Return what was decided, and why; ("", words) for who waits."""
    if not request.status.conditions:
        return "", request.metadata.annotations.get(names.WAITING_ANNOTATION, "")
    return request.status.conditions[-1].type, request.status.conditions[-1].reason


def issued(request: Csr) -> authority.Facts:
    return authority.read_certificate(base64.b64decode(request.status.certificate))


async def test_the_node_says_which_key_and_board_it_is_and_until_when(world: World) -> None:
    key = authority.new_key()
    request = await world.ask("node-1", key, "board-1")
    assert outcome(request) == ("Approved", "NodeJoin")
    assert issued(request).profile == names.node("node-1", serial="board-1")
    notes = (await world.register("node-1")).metadata.annotations
    assert notes[names.KEY_ANNOTATION] == authority.spki_hash(key)
    assert notes[names.SERIAL_ANNOTATION] == "board-1"
    assert notes[names.EXPIRES_ANNOTATION] == times.render(issued(request).not_after)


async def adopt(world: World, request: Csr, name: str) -> Csr:
    """Approve as `edgectl node adopt` does."""
    condition = meta.Condition(type="Approved", status="True", reason=approval.ADOPTED,
                               message=approval.adopted_message(name, "a person"))
    await world.api.update_status(msgspec.structs.replace(request, status=msgspec.structs.replace(
        request.status, conditions=(condition,))))
    await settle(200)
    return await world.api.get(Csr, request.metadata.name)


@pytest.mark.parametrize(("called", "serial"), [("node-1", "board-1"), ("fresh", "board-1"), ("node-1", "board-2")])
async def test_a_card_flashed_anew_is_adopted_and_the_old_key_opens_nothing_any_more(
        world: World, called: str, serial: str) -> None:
    old, new = authority.new_key(), authority.new_key()
    await world.member("node-1", old, "board-1")
    running = await world.ask(called, new, serial)
    if called == "node-1":
        assert "another host name" in outcome(running)[1]
    else:  # It harms nobody who runs: a node of its own.
        assert outcome(running) == ("Approved", "NodeJoin")
        return
    await world.silence()
    await settle(200)
    request = await world.api.get(Csr, running.metadata.name)
    assert "`edgectl node adopt node-1`" in outcome(request)[1]
    assert ("node-1", "NodeNeedsAdoption") in await world.events()
    signed = await adopt(world, request, "node-1")
    assert issued(signed).profile == names.node("node-1", serial=serial)
    node = await world.api.get(core.Node, "node-1")
    assert node.metadata.uid == "uid-node-1"
    assert node.metadata.annotations[names.KEY_ANNOTATION] == authority.spki_hash(new)
    assert node.metadata.annotations[names.SERIAL_ANNOTATION] == serial
    listed = await world.api.get(core.ConfigMap, revocation.NAME, revocation.NAMESPACE)
    assert list(revocation.read(listed.data)) == [authority.spki_hash(old)]
    assert outcome(await world.ask("node-1", old, "board-1")) == ("Denied", "KeyRevoked")
    assert outcome(await world.ask("node-1", new, serial)) == ("Approved", "NodeRejoin")


async def test_a_board_flashed_anew_under_another_name_is_adopted_under_its_old_one(world: World) -> None:
    await world.member("node-1", authority.new_key(), "board-1")
    await world.silence()
    new = authority.new_key()
    request = await world.ask("fresh", new, "board-1")
    assert "`edgectl node adopt node-1`" in outcome(request)[1]
    signed = await adopt(world, request, "node-1")
    assert issued(signed).profile == names.node("node-1", serial="board-1")
    # From now on that key is node-1's, whatever its machine is called.
    assert outcome(await world.ask("node-1", new, "board-1")) == ("Approved", "NodeRejoin")


async def test_a_card_in_another_board_is_moved_only_when_the_old_board_is_silent(world: World) -> None:
    key = authority.new_key()
    await world.member("node-1", key, "board-1")
    assert outcome(await world.ask("node-1", key, "board-2")) == ("Denied", "NodeCloned")
    notes = (await world.api.get(core.Node, "node-1")).metadata.annotations
    assert notes[names.SERIAL_ANNOTATION] == "board-1"
    await world.silence()
    assert outcome(await world.ask("node-1", key, "board-2")) == ("Approved", "NodeMoved")
    notes = (await world.api.get(core.Node, "node-1")).metadata.annotations
    assert notes[names.SERIAL_ANNOTATION] == "board-2"
    assert {("node-1", "NodeCloned"), ("node-1", "NodeMoved")} <= set(await world.events())
    # The old board is back with the card it still has: now that is the copy.
    await world.beat("node-1")
    assert outcome(await world.ask("node-1", key, "board-1")) == ("Denied", "NodeCloned")


async def test_a_server_that_has_just_started_does_not_take_a_node_for_silent(world: World) -> None:
    key = authority.new_key()
    await world.member("node-1", key, "board-1")
    await world.silence()
    world.listening = None
    await world.start()
    request = await world.ask("node-1", key, "board-2")
    assert "not known yet" in outcome(request)[1]
    await world.silence()
    assert outcome(await world.api.get(Csr, request.metadata.name))[0] == ""
    world.listening = world.clock.now()
    await world.clock.run(5, step=1)
    # A jump of the wall clock is no silence.
    world.clock.jump(3 * 365 * 86400)
    assert outcome(await world.api.get(Csr, request.metadata.name))[0] == ""
    world.clock.jump(-3 * 365 * 86400)
    await world.silence()
    await world.clock.run(10, step=1)
    assert outcome(await world.api.get(Csr, request.metadata.name)) == ("Approved", "NodeMoved")


async def test_the_old_node_of_a_renamed_machine_goes_once_the_machine_is_there_under_its_new_name(
        world: World) -> None:
    key = authority.new_key()
    await world.member("node-1", key, "board-1")
    request = await world.ask("kitchen", key, "board-1")
    assert outcome(request) == ("Approved", "NodeRenamed")
    old = await world.api.get(core.Node, "node-1")
    assert old.metadata.annotations[names.RENAMED_ANNOTATION] == "kitchen"
    await world.silence()
    await world.clock.run(10, step=1)
    await world.api.get(core.Node, "node-1")  # Nobody has seen the new one yet.
    await world.register("kitchen")
    await world.clock.run(10, step=1)
    with pytest.raises(errors.NotFound):
        await world.api.get(core.Node, "node-1")
    assert (await world.api.get(core.Node, "kitchen")).metadata.annotations[names.KEY_ANNOTATION] \
        == authority.spki_hash(key)
    # Somebody sends the request of before again: he gets nothing he could use, and kitchen stays.
    replayed = await world.ask("node-1", key, "board-1")
    assert issued(replayed).key_hash == authority.spki_hash(key)
    await world.silence()
    await world.clock.run(10, step=1)
    await world.api.get(core.Node, "kitchen")


async def test_what_was_signed_just_before_the_server_died_is_known_to_the_next_one(world: World) -> None:
    key = authority.new_key()
    assert (await world.ask("node-1", key, "board-1")).status.certificate
    await world.start()
    notes = (await world.register("node-1")).metadata.annotations
    assert notes[names.KEY_ANNOTATION] == authority.spki_hash(key)


async def test_a_deleted_node_that_comes_back_has_the_key_it_had(world: World) -> None:
    key = authority.new_key()
    await world.member("node-1", key, "board-1")
    await world.clock.run(5000, step=600)  # The request is forgotten by now.
    assert not (await world.api.list(Csr)).items
    await world.api.delete(core.Node, "node-1")
    await settle(100)
    notes = (await world.register("node-1")).metadata.annotations
    assert notes[names.KEY_ANNOTATION] == authority.spki_hash(key)
    assert notes[names.SERIAL_ANNOTATION] == "board-1"


async def test_a_token_that_was_revoked_in_between_lets_nobody_in(world: World) -> None:
    approved = (meta.Condition(type="Approved", status="True", reason="NodeJoin"),)
    await world.api.delete(core.Secret, "bootstrap-token-abcdef", "kube-system")
    assert "deleted or has expired" in outcome(await world.ask("node-1", authority.new_key()))[1]
    found = await world.ask("node-2", authority.new_key(), conditions=approved)
    assert outcome(found) == ("Failed", "SignerValidationFailure")
    assert not found.status.certificate
    # The name is free for the next one, and what a person has approved is signed all the same.
    by_person = (meta.Condition(type="Approved", status="True", reason="KubectlApprove"),)
    assert (await world.ask("node-2", authority.new_key(), conditions=by_person)).status.certificate


async def test_who_shows_a_known_key_needs_no_token_and_who_shows_another_gets_nothing(world: World) -> None:
    key = authority.new_key()
    await world.member("node-1", key, "board-1")
    renewer: dict[str, Any] = {"user": names.RENEWER_USER, "group": names.RENEWERS_GROUP}
    assert outcome(await world.ask("node-1", key, "board-1", **renewer)) == ("Approved", "NodeRenewal")
    assert outcome(await world.ask("node-1", authority.new_key(), "board-1", **renewer)) == ("Denied", "KeyUnknown")
    assert outcome(await world.ask("node-9", authority.new_key(), "board-9", **renewer)) == ("Denied", "KeyUnknown")


async def test_a_node_that_asks_for_another_key_waits_and_is_adopted_by_a_person(world: World) -> None:
    """What its certificate may do alone a thief could, too."""
    old, new = authority.new_key(), authority.new_key()
    await world.member("node-1", old, "board-1")
    request = await world.ask("node-1", new, "board-1", user="system:node:node-1", group=names.NODES_GROUP)
    assert "`edgectl node adopt node-1`" in outcome(request)[1]
    assert issued(await adopt(world, request, "node-1")).key_hash == authority.spki_hash(new)
    assert outcome(await world.ask("node-1", old, "board-1")) == ("Denied", "KeyRevoked")


async def test_a_key_that_was_signed_and_never_reported_is_revoked_with_the_name(world: World) -> None:
    old, new = authority.new_key(), authority.new_key()
    assert (await world.ask("node-1", old, "board-1")).status.certificate
    await world.silence()
    request = await world.ask("node-1", new, "board-1")
    assert issued(await adopt(world, request, "node-1")).key_hash == authority.spki_hash(new)
    listed = await world.api.get(core.ConfigMap, revocation.NAME, revocation.NAMESPACE)
    assert list(revocation.read(listed.data)) == [authority.spki_hash(old)]


async def test_the_key_of_a_renamed_machine_is_not_revoked_with_its_old_name(world: World) -> None:
    key, new = authority.new_key(), authority.new_key()
    await world.member("node-1", key, "board-1")
    assert outcome(await world.ask("kitchen", key, "board-1")) == ("Approved", "NodeRenamed")
    await world.silence()
    await world.register("kitchen")
    await world.clock.run(10, step=1)
    request = await world.ask("node-1", new, "board-2")
    assert issued(await adopt(world, request, "node-1")).key_hash == authority.spki_hash(new)
    with pytest.raises(errors.NotFound):
        await world.api.get(core.ConfigMap, revocation.NAME, revocation.NAMESPACE)


async def test_a_known_key_does_not_take_the_masters_name(world: World) -> None:
    directory.ensure(world.folder / "named", now=START, dns=("master", "master.cluster.home"))
    shutil.copy(world.folder / "named/server.crt", world.folder / "server.crt")
    key = authority.new_key()
    await world.member("node-1", key, "board-1")
    assert "is the master's" in outcome(await world.ask("master", key, "board-1"))[1]
    assert ("master", "NameReserved") in await world.events()
    assert outcome(await world.ask("master", authority.new_key(), "board-0")) == ("Approved", "NodeJoin")


async def test_a_revoked_key_is_no_news_about_the_node_of_another(world: World) -> None:
    old, new = authority.new_key(), authority.new_key()
    await world.member("node-1", old, "board-1")
    await world.member("node-2", authority.new_key(), "board-2")
    await world.silence()
    await adopt(world, await world.ask("node-1", new, "board-1"), "node-1")
    for name in ("node-1", "node-2"):
        assert outcome(await world.ask(name, old, "board-1")) == ("Denied", "KeyRevoked")
    assert "KeyRevoked" not in {reason for _, reason in await world.events()}


async def test_of_two_that_want_one_name_at_the_same_time_the_second_waits(world: World) -> None:
    found = await asyncio.gather(*(world.ask("node-1", authority.new_key(), serial)
                                   for serial in ("board-1", "board-2")))
    assert sorted(outcome(each)[0] for each in found) == ["", "Approved"]


async def test_of_two_agents_that_are_one_node_the_later_one_is_told_of_the_other(world: World) -> None:
    """Each heartbeat is that of one of them; who was heard last says nothing."""
    await world.member("node-1", authority.new_key(), "board-1")
    identities = world.identities
    for boot_id in ("first", "first", "second"):
        await world.beat("node-1", boot_id)
        await world.clock.run(2, step=1)
    assert not identities.other_agent("node-1", "second")  # The first one may just have ended.
    for boot_id in ("first", "second"):
        await world.beat("node-1", boot_id)
        await world.clock.run(2, step=1)
    assert not identities.other_agent("node-1", "first")
    assert identities.other_agent("node-1", "second")
    assert not identities.other_agent("node-9", "first")
    for _ in range(int(SILENT_SECONDS)):
        await world.beat("node-1", "second")
        await world.clock.run(1, step=1)
    assert not identities.other_agent("node-1", "second")
    assert not identities.other_agent("node-1", "first")
    await world.beat("node-1", "first")
    await world.beat("node-1", "second")
    await world.clock.run(1, step=1)
    await world.beat("node-1", "second")
    assert identities.other_agent("node-1", "first")
