"""Certificates that are renewed by the key alone, against the real server: nobody approves, no token is left."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from edge.agent import identity, identity_files, membership, renewal
from edge.agent.identity_files import Joining
from edge.api import times
from edge.client import cache
from edge.clock import SystemClock
from edge.component import Supervisor
from edge.ids import SystemIds
from edge.pki import authority, directory, names, subjects
from edge.server import renewals
from edge.server.allowance import Allowance
from edge.server.certificates import Certificates
from tests.fakes.broker import PROGRAM
from tests.fakes.client import FakeClient
from tests.fakes.clock import FakeClock
from tests.integration.server.test_enrolment import Tries, joining, reasons, register, said
from tests.integration.server.test_server import CSRS, WAIT_SECONDS, Rack, rack

pytestmark = pytest.mark.skipif(not PROGRAM, reason="mosquitto is not installed")
__all__ = ["rack"]
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


async def member(rack: Rack, name: str = "node-7", serial: str = "board-7") -> Joining:
    """Return what a node has that joined and whose token is gone."""
    wanted = replace(joining(rack, name), serial=serial)
    await asyncio.wait_for(membership.join(wanted, SystemClock()), WAIT_SECONDS)
    await register(rack, name, wanted)
    return replace(wanted, token_file=None)


def expire(rack: Rack, wanted: Joining, *, days: int = -1, **other: Any) -> None:
    """Give the node a certificate of the rack's authority that ends so many days from now."""
    key = (wanted.directory / "node.key").read_bytes()
    profile = replace(names.node(wanted.node_name, serial=wanted.serial), **other)
    ca = directory.read_pair(rack.settings.pki_dir, directory.CA)
    # The end is never reckoned from a day before the program was written, so the days are counted from there.
    end = SystemClock().now() + timedelta(days=days)
    made = authority.issue(ca, profile, authority.EARLIEST_NOW, key=key, days=(end - authority.EARLIEST_NOW).days)
    (wanted.directory / "node.crt").write_bytes(made.certificate)


def held(wanted: Joining) -> subjects.Subject:
    return subjects.certificate((wanted.directory / "node.crt").read_text())


async def post(rack: Rack, body: bytes, *, method: str = "POST") -> tuple[int, Any]:
    """Send something to the door, without any credentials."""
    connector = aiohttp.TCPConnector(ssl=rack.context())
    async with aiohttp.ClientSession(connector=connector) as session, session.request(
            method, f"https://localhost:{rack.settings.port}{renewals.PATH}", data=body) as answer:
        return answer.status, msgspec.json.decode(await answer.read())


async def asked(rack: Rack, wanted: Joining) -> tuple[int, Any]:
    return await post(rack, identity.renewal_request((wanted.directory / "node.csr").read_text()))


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            if await check():
                return
            await asyncio.sleep(0.05)


async def test_an_expired_certificate_is_renewed_without_a_person_and_without_a_token(rack: Rack) -> None:
    """And taken up by the contexts in use, without a restart."""
    wanted = await member(rack)
    expire(rack, wanted)
    # The identity is used as it is: a node goes on without its master.
    found = await asyncio.wait_for(membership.join(wanted, SystemClock()), 5)
    assert (found.name, held(wanted).not_after < SystemClock().now()) == ("node-7", True)
    context, told = identity_files.context(found), asyncio.Queue[tuple[str, str]]()
    loop = renewal.Renewal(wanted, found.name, (context,), SystemClock(), lambda *each: told.put_nowait(each))
    task = asyncio.create_task(loop.run())
    reason, message = await asyncio.wait_for(told.get(), WAIT_SECONDS)
    assert (reason, message) == ("CertificateRenewed", "the node has a new certificate: it has expired")
    task.cancel()
    assert held(wanted).not_after > SystemClock().now() + timedelta(days=360)
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session, session.get(
            f"https://localhost:{rack.settings.port}/api/v1/nodes/node-7") as answer:
        assert answer.status == 200
    node = (await rack.call("GET", "/api/v1/nodes/node-7"))[1]
    await rack.until("/api/v1/nodes/node-7", lambda body: body["metadata"]["annotations"].get(
        names.EXPIRES_ANNOTATION) == times.render(held(wanted).not_after))
    assert node["metadata"]["annotations"][names.SERIAL_ANNOTATION] == "board-7"


async def test_the_server_refuses_the_expired_certificate_itself(rack: Rack) -> None:
    """Which is why the request for renewal is sent without it."""
    wanted = await member(rack)
    expire(rack, wanted)
    with pytest.raises(aiohttp.ClientError):
        await rack.call("GET", "/api/v1/nodes/node-7",
                        identity=(wanted.directory / "node.crt", wanted.directory / "node.key"))


async def test_a_lost_or_damaged_certificate_is_given_again_for_the_key(rack: Rack) -> None:
    wanted = await member(rack)
    for text in ("", "half of it"):
        (wanted.directory / "node.crt").write_text(text)
        await asyncio.wait_for(membership.join(wanted, SystemClock()), WAIT_SECONDS)
        assert held(wanted).name == "node-7"


async def test_the_same_request_sent_again_gives_the_same_key_and_nothing_else(rack: Rack) -> None:
    wanted = await member(rack)
    answers = [await asked(rack, wanted) for _ in range(3)]
    assert {status for status, _ in answers} == {200}
    assert len({answer["certificate"] for _, answer in answers}) == 1
    facts = authority.read_certificate(answers[0][1]["certificate"].encode())
    assert facts.key_hash == authority.spki_hash((wanted.directory / "node.key").read_bytes())
    listed = (await rack.call("GET", CSRS))[1]["items"]
    (made,) = [each for each in listed if each["metadata"]["name"].startswith("renew-node-7-")]
    assert (made["spec"]["username"], made["spec"]["groups"]) == (names.RENEWER_USER, [names.RENEWERS_GROUP])


@pytest.mark.parametrize(("body", "code", "reason"), [
    (b"", 400, "InvalidRequest"), (b"{}", 400, "InvalidRequest"), (b'{"request": 7}', 400, "InvalidRequest"),
    (b'{"request": "x"}', 400, "InvalidRequest"), (b"\xff\xfe", 400, "InvalidRequest"),
    (b'{"request": "", "more": 1}', 400, "InvalidRequest"), (b'{"request": "\\ud800"}', 400, "InvalidRequest"),
    (b'{"request": "' + b"x" * 9000 + b'"}', 400, "InvalidRequest"), (b"x" * 20_000, 413, "RequestEntityTooLarge"),
])
async def test_nonsense_is_refused_in_words(rack: Rack, body: bytes, code: int, reason: str) -> None:
    status, answer = await post(rack, body)
    assert (status, answer["reason"]) == (code, reason)
    assert answer["message"]


async def test_nobody_gets_anything_for_a_key_the_rack_does_not_know(rack: Rack) -> None:
    """Not even with a name and a serial number that are right, and nothing is written for it."""
    await member(rack)
    before = (await rack.call("GET", CSRS))[1]["items"]
    for name in ("node-7", "node-8"):
        pem = authority.request(authority.new_key(), names.node(name, serial="board-7"))
        status, answer = await post(rack, identity.renewal_request(pem.decode()))
        assert (status, answer["reason"]) == (403, "KeyUnknown")
        master = authority.request(authority.new_key(), names.admin())
    assert (await post(rack, identity.renewal_request(master.decode())))[0] == 403
    assert len((await rack.call("GET", CSRS))[1]["items"]) == len(before)
    assert (await post(rack, b"", method="PUT"))[0] in (403, 405)


async def test_one_key_on_one_board_is_one_request_whatever_its_text(rack: Rack) -> None:
    wanted = await member(rack)
    key = (wanted.directory / "node.key").read_bytes()
    for _ in range(3):
        pem = authority.request(key, names.node("node-7", serial="board-7"))
        assert (await post(rack, identity.renewal_request(pem.decode())))[0] == 200
    listed = (await rack.call("GET", CSRS))[1]["items"]
    assert len([each for each in listed if each["metadata"]["name"].startswith("renew-node-7-")]) == 1


async def test_a_server_that_has_just_started_calls_no_key_unknown(tmp_path: Path) -> None:
    clock, api = FakeClock(), FakeClient()
    supervisor = Supervisor(clock)
    waiting: list[Callable[[], Awaitable[None]]] = []
    caches = cache.SharedCaches(api, clock=clock, ids=SystemIds(), start=lambda _name, run: waiting.append(run))
    directory.ensure(tmp_path, now=authority.EARLIEST_NOW)
    door = renewals.Renewals(api, caches, clock, Certificates(api, caches, clock, tmp_path, ids=SystemIds()),
                             Allowance())
    body = identity.renewal_request(authority.request(authority.new_key(), names.node("node-7")).decode())
    assert await door.answer(body, "10.0.0.2") == (
        503, renewals.Answer("NotNow", "the server has just started; try again"))
    for number, run in enumerate(waiting):
        supervisor.start(f"cache {number}", run)
    try:
        await caches.synced()
        status, answer = await door.answer(body, "10.0.0.2")
        assert isinstance(answer, renewals.Answer)
        assert (status, answer.reason) == (403, "KeyUnknown")
    finally:
        await supervisor.stop()


async def test_who_asks_too_often_has_to_wait(rack: Rack) -> None:
    answers = [(await post(rack, b"{}"))[0] for _ in range(15)]
    assert answers[0] == 400
    assert answers[-1] == 429


async def test_a_revoked_key_is_renewed_no_more(rack: Rack, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    wanted = await member(rack)
    key = authority.spki_hash((wanted.directory / "node.key").read_bytes())
    code, answer = await rack.call("POST", "/api/v1/namespaces/kube-system/configmaps", {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "revoked-keys"},
        "data": {key.replace(":", "-"): "{}"}})
    assert code == 201, answer

    async def refused() -> bool:
        return bool((await asked(rack, wanted))[0] == 403)

    await until(refused)
    (wanted.directory / "node.crt").unlink()
    task = asyncio.create_task(membership.join(wanted, SystemClock()))
    await said(caplog, "was revoked")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not (wanted.directory / "node.crt").exists()


async def beat(rack: Rack, name: str, boot_id: str = "") -> None:
    """Have the node say that it is alive, as the bridge does for it."""
    lease: dict[str, Any] = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}}
    code, found = await rack.call("GET", f"{LEASES}/{name}")
    method, path = ("POST", LEASES) if code == 404 else ("PUT", f"{LEASES}/{name}")
    lease = lease if code == 404 else found
    lease["metadata"]["annotations"] = {names.BOOT_ANNOTATION: boot_id}
    lease["spec"] = {"holderIdentity": name, "renewTime": times.render_micro(SystemClock().now())}
    code, found = await rack.call(method, path, lease)
    assert code in (200, 201), found


async def test_a_copied_card_gets_an_identity_of_its_own_and_the_original_is_not_disturbed(
        rack: Rack, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    wanted = await member(rack)
    before = held(wanted)
    (wanted.data_dir / "desired.json").write_text("the pods of the other one")
    token = wanted.data_dir.parent / "token"
    copy = replace(wanted, serial="board-8", token_file=token)
    clock = FakeClock()
    task = asyncio.create_task(membership.join(copy, clock))

    async def hears(words: str) -> bool:
        clock.advance(membership.LONGEST_RETRY_SECONDS)
        await beat(rack, "node-7")
        return any(words in each for each in reasons(caplog))

    await until(lambda: hears("is a copy: the key of node-7 (board board-7)"))
    # It has the host name of the original, which is its last trouble, and a person has to end that.
    await until(lambda: hears("belongs to node-7 (board board-7), which runs"))
    assert not (copy.data_dir / "desired.json").exists()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    named = replace(copy, node_name="node-8")
    found = await asyncio.wait_for(membership.join(named, SystemClock()), WAIT_SECONDS)
    assert (held(named).name, held(named).serial, found.name) == ("node-8", "board-8", "node-8")
    node = (await rack.call("GET", "/api/v1/nodes/node-7"))[1]
    assert node["metadata"]["annotations"][names.SERIAL_ANNOTATION] == "board-7"
    events = (await rack.call("GET", "/api/v1/events"))[1]["items"]
    (event,) = [each for each in events if each["reason"] == "NodeCloned"]
    assert (event["involvedObject"]["name"], event["type"]) == ("node-7", "Warning")
    assert "board-8" in event["message"]
    assert "board-7" in event["message"]
    assert before.serial == "board-7"


async def test_a_renamed_machine_is_called_so_with_its_next_start(rack: Rack) -> None:
    wanted = await member(rack)
    renamed = replace(wanted, node_name="kitchen")
    away = replace(renamed, api_port=1)
    assert (await asyncio.wait_for(membership.join(away, SystemClock()), 20)).name == "node-7"
    assert (await asyncio.wait_for(membership.join(renamed, SystemClock()), WAIT_SECONDS)).name == "kitchen"
    assert held(renamed).name == "kitchen"
    await rack.until("/api/v1/nodes/node-7", lambda node: node["metadata"]["annotations"].get(
        names.RENAMED_ANNOTATION) == "kitchen")


async def test_a_certificate_of_an_older_version_is_renewed_to_name_the_board(rack: Rack) -> None:
    wanted = await member(rack, serial="")
    assert held(wanted).serial == ""
    known = replace(wanted, serial="board-7")
    assert (await asyncio.wait_for(membership.join(known, SystemClock()), 5)).name == "node-7"
    loop = renewal.Renewal(known, "node-7", (), SystemClock(), lambda *_: None)
    task = asyncio.create_task(loop.run())

    async def named() -> bool:
        return held(known).serial == "board-7"

    await until(named)
    task.cancel()
    assert not loop.over.is_set()


async def test_an_agent_that_is_thrown_out_waits_until_the_other_one_is_gone(rack: Rack) -> None:
    wanted = await member(rack)
    pem = (wanted.directory / "node.csr").read_text()
    answer: dict[str, Any] = {}

    for _ in range(2):  # The first one only makes the lease.
        await beat(rack, "node-7", "boot-1")

    async def is_heard() -> bool:
        for boot_id in ("boot-1", "boot-2", "boot-1"):
            await beat(rack, "node-7", boot_id)
            await asyncio.sleep(0.3)
        await asyncio.sleep(1)  # What may be asked how often is bounded.
        answer.update((await post(rack, identity.renewal_request(pem, look=True, boot_id="boot-2")))[1])
        return bool(answer.get("other"))

    await until(is_heard)
    assert answer["reason"] == "NodeRenewal"
    assert "certificate" not in answer
    assert "other" not in (await post(rack, identity.renewal_request(pem, look=True, boot_id="boot-1")))[1]
    events = (await rack.call("GET", "/api/v1/events"))[1]["items"]
    assert "NodeDuplicated" in {each["reason"] for each in events}
    for boot_id, waits in (("boot-1", False), ("boot-2", True)):
        loop = renewal.Renewal(wanted, "node-7", (), FakeClock(), lambda *_: None, boot_id=boot_id)
        waiting = asyncio.create_task(loop.until_alone())
        done, _ = await asyncio.wait((waiting,), timeout=3 if waits else WAIT_SECONDS)
        assert bool(done) is not waits
        waiting.cancel()


async def test_an_agent_whose_key_is_another_boards_now_begins_anew(rack: Rack) -> None:
    wanted, clock = await member(rack), FakeClock()

    async def is_alive() -> bool:
        await beat(rack, "node-7", "boot-1")
        await asyncio.sleep(1)
        other = authority.request((wanted.directory / "node.key").read_bytes(), names.node("node-7", serial="board-9"))
        _, answer = await post(rack, identity.renewal_request(other.decode(), look=True))
        return bool(answer["reason"] == "NodeCloned")

    await until(is_alive)
    loop = renewal.Renewal(replace(wanted, serial="board-9"), "node-7", (), clock, lambda *_: None)
    task = asyncio.create_task(loop.until_alone())

    async def gives_up() -> bool:
        await beat(rack, "node-7", "boot-1")
        clock.advance(2 * renewal.ALONE_SECONDS)
        await asyncio.sleep(1)
        return loop.over.is_set()

    await until(gives_up)
    assert loop.is_foreign
    assert not task.done()
    task.cancel()


@pytest.mark.parametrize("status", [401, 403, 404, 405])
async def test_a_key_is_kept_while_the_master_serves_no_renewals(rack: Rack, status: int) -> None:
    """A server that starts answers so for a moment, and an older one always; neither has looked at the key."""
    wanted = await member(rack)
    pki, asked_for = rack.settings.pki_dir, asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.Response(text=(pki / "ca.crt").read_text())
        asked_for.set()
        reason = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed"}[status]
        return web.json_response({"kind": "Status", "reason": reason, "message": "no"}, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(pki / "server.crt", pki / "server.key")
    site = web.TCPSite(runner, "localhost", 0, ssl_context=secure)
    await site.start()
    try:
        key, port = (wanted.directory / "node.key").read_bytes(), runner.addresses[0][1]
        # The card is in another board now: the master has to be asked what has become of it.
        task = asyncio.create_task(membership.join(replace(wanted, serial="board-9", api_port=port), Tries()))
        for _ in range(2):
            asked_for.clear()
            await asyncio.wait_for(asked_for.wait(), WAIT_SECONDS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (wanted.directory / "node.key").read_bytes() == key
        assert held(wanted).name == "node-7"
    finally:
        await runner.cleanup()


async def test_another_master_is_told_nothing(rack: Rack) -> None:
    wanted = replace(await member(rack), ca_cert_hash="sha256:" + "0" * 64)
    with pytest.raises(identity.JoinError, match="another master, or somebody in between"):
        await renewal.renew(wanted, "node-7")
    # Without a pin in the settings the node's own authority is what counts.
    stranger = replace(wanted, ca_cert_hash="")
    (stranger.directory / "ca.crt").write_bytes(authority.create_ca(authority.EARLIEST_NOW).certificate)
    with pytest.raises(identity.JoinError, match="another master"):
        await renewal.renew(stranger, "node-7")


