"""A node's joining against the real server: what goes wrong is one clear line, and is tried again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from edge.agent import identity, identity_files, masters, membership
from edge.agent.identity_files import Joining
from edge.clock import SystemClock
from edge.pki import authority, names
from tests.fakes.broker import PROGRAM
from tests.integration.server.test_server import CSRS, TOKEN, WAIT_SECONDS, Rack, rack

pytestmark = pytest.mark.skipif(not PROGRAM, reason="mosquitto is not installed")
__all__ = ["rack"]


def joining(rack: Rack, name: str = "node-7", *, token: str = TOKEN) -> Joining:
    folder = rack.folder / name
    folder.mkdir()
    (folder / "token").write_text(token + "\n")
    pinned = identity.key_hash((rack.broker.folder / "ca.crt").read_text())
    return Joining(node_name=name, data_dir=folder / "data", server="localhost", api_port=rack.settings.port,
                         token_file=folder / "token", ca_cert_hash=pinned)


async def said(caplog: pytest.LogCaptureFixture, words: str) -> None:
    """Wait until the agent logged that it cannot join for this reason."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            if any(words in reason for reason in reasons(caplog)):
                return
            await asyncio.sleep(0.02)


class Tries(SystemClock):
    """Counts how often joining was given up for a while."""

    def __init__(self) -> None:
        self.count = 0

    async def sleep(self, seconds: float) -> None:
        self.count += 1
        await super().sleep(0.1)

    async def more(self) -> None:
        """Wait for three more."""
        async with asyncio.timeout(WAIT_SECONDS):
            wanted = self.count + 3
            while True:
                if self.count >= wanted:
                    return
                await asyncio.sleep(0.02)


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [str(record.__dict__["fields"]["reason"]) for record in caplog.records
            if record.message == "cannot join yet"]


async def test_a_node_with_token_and_hash_gets_its_identity(rack: Rack) -> None:
    wanted = joining(rack)
    found = await asyncio.wait_for(membership.join(wanted, SystemClock()), WAIT_SECONDS)
    assert found.key.stat().st_mode & 0o777 == 0o600
    code, answer = await rack.call("GET", "/api/v1/nodes/node-7", identity=(found.certificate, found.key))
    assert code in (200, 404), answer
    assert masters.remembered(wanted.data_dir) == masters.Master("localhost", rack.settings.port)
    again = replace(wanted, token_file=None, server="203.0.113.1")
    assert await asyncio.wait_for(membership.join(again, SystemClock()), 1) == found


async def test_a_damaged_identity_is_asked_for_anew(rack: Rack) -> None:
    wanted = joining(rack)
    found = await asyncio.wait_for(membership.join(wanted, SystemClock()), WAIT_SECONDS)
    found.certificate.write_bytes(b"")
    assert (await asyncio.wait_for(membership.join(wanted, SystemClock()), WAIT_SECONDS)).certificate.read_text()


@pytest.mark.parametrize(("spoil", "words"), [
    (lambda wanted: replace(wanted, ca_cert_hash="sha256:" + "0" * 64), "another master, or somebody in between"),
    (lambda wanted: replace(wanted, token_file=wanted.data_dir / "none"), "cannot read the bootstrap token"),
    (lambda wanted: replace(wanted, token_file=None), "the settings lack bootstrap_token_file"),
    (lambda wanted: replace(wanted, api_port=1), "no answer from localhost:1"),
])
async def test_what_is_wrong_is_said_once(rack: Rack, caplog: pytest.LogCaptureFixture,
                                          spoil: Callable[[Joining], Joining], words: str) -> None:
    caplog.set_level(logging.INFO)
    wanted = spoil(joining(rack))
    tries = Tries()
    task = asyncio.create_task(membership.join(wanted, tries))
    await said(caplog, words)
    await tries.more()
    assert len(reasons(caplog)) == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not identity_files.files(wanted.directory).complete


async def test_a_wrong_token_is_said_and_the_right_one_is_taken_when_it_comes(
        rack: Rack, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    wanted = joining(rack, token="abcdef.0000000000000000")
    task = asyncio.create_task(membership.join(wanted, SystemClock()))
    await said(caplog, "the master does not know the bootstrap token: it is wrong or has expired")
    assert "0000000000000000" not in caplog.text
    assert wanted.token_file is not None
    wanted.token_file.write_text(TOKEN)
    await asyncio.wait_for(task, WAIT_SECONDS)


async def test_a_denied_node_asks_no_second_time_until_a_person_says_so(
        rack: Rack, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    first = joining(rack)
    await asyncio.wait_for(membership.join(first, SystemClock()), WAIT_SECONDS)
    await register(rack, "node-7", first)
    impostor = replace(first, data_dir=rack.folder / "impostor")
    tries = Tries()
    task = asyncio.create_task(membership.join(impostor, tries))
    name = await request_of(rack, impostor)
    denied = (await rack.call("GET", f"{CSRS}/{name}"))[1]
    denied["status"] = {"conditions": [{"type": "Denied", "status": "True", "reason": "NotOurs", "message": "go away"}]}
    code, answer = await rack.call("PUT", f"{CSRS}/{name}/approval", denied)
    assert code == 200, answer
    await said(caplog, f"the master has denied the request {name}: go away; `kubectl delete csr {name}`")
    await tries.more()
    assert [each for each in await requests(rack) if "node-7" in each] == sorted(
        [name, await request_of(rack, first)])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def register(rack: Rack, name: str, owner: Joining) -> None:
    """Make the Node object that says whose key the name belongs to."""
    key = authority.spki_hash((owner.directory / "node.key").read_bytes())
    code, answer = await rack.call("POST", "/api/v1/nodes", {
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "annotations": {names.KEY_ANNOTATION: key}}})
    assert code == 201 or answer["reason"] == "AlreadyExists", answer


async def requests(rack: Rack) -> list[str]:
    listed: dict[str, Any] = (await rack.call("GET", CSRS))[1]
    return sorted(each["metadata"]["name"] for each in listed["items"])


async def request_of(rack: Rack, wanted: Joining) -> str:
    """Return the name of the request of this node once it is there."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            path = wanted.directory / "node.csr"
            if path.is_file():
                name = identity.request_name(wanted.node_name, path.read_text())
                if name in await requests(rack):
                    return name
            await asyncio.sleep(0.02)
