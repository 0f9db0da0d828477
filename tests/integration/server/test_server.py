"""The whole server: real store, real HTTPS, real broker; nodes join with a token and are heard."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from edge.api import core
from edge.bus import interface, messages, mqtt, topics
from edge.clock import SystemClock
from edge.ids import SystemIds
from edge.pki import authority, names, request
from edge.server import main
from edge.server.settings import ServerSettings
from tests.fakes.broker import PROGRAM, Mosquitto

TOKEN = "abcdef.0123456789abcdef"
WAIT_SECONDS = 30.0
pytestmark = pytest.mark.skipif(not PROGRAM, reason="mosquitto is not installed")
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Rack:
    """A running server and its broker."""

    folder: Path
    broker: Mosquitto
    settings: ServerSettings

    def context(self, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.broker.folder / "ca.crt"))
        if certificate is not None:
            context.load_cert_chain(certificate, key)
        return context

    async def call(self, method: str, path: str, body: object = None, *, token: str = "",
                   identity: tuple[Path, Path] | None = None) -> tuple[int, Any]:
        """Make one API request: as the administrator, or with a token or identity."""
        folder = self.broker.folder
        if not token and identity is None:
            identity = (folder / "admin.crt", folder / "admin.key")
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        connector = aiohttp.TCPConnector(ssl=self.context(*(identity or ())))
        async with aiohttp.ClientSession(connector=connector) as session, session.request(
                method, f"https://localhost:{self.settings.port}{path}", headers=headers,
                data=msgspec.json.encode(body) if body is not None else None) as answer:
            return answer.status, msgspec.json.decode(await answer.read())

    async def until(self, path: str, check: Any) -> Any:
        """Return the object at a path once it is as wanted."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                code, body = await self.call("GET", path)
                if code == 200 and check(body):
                    return body
                await asyncio.sleep(0.02)

    async def join(self, name: str, folder: Path, csr: str, *, token: str = TOKEN) -> Any:
        """Ask for a certificate as an agent does, and return the request object."""
        request.make(name, folder)
        pem = base64.b64encode((folder / request.REQUEST).read_bytes()).decode()
        code, body = await self.call("POST", CSRS, token=token, body={
            "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": csr},
            "spec": {"request": pem, "signerName": names.NODE_SIGNER, "usages": ["client auth", "server auth"]}})
        assert code == 201, body
        return body


@pytest.fixture
async def rack(tmp_path: Path) -> AsyncIterator[Rack]:
    broker = Mosquitto(tmp_path / "pki")
    broker.start()
    (tmp_path / "token").write_text(TOKEN + "\n")
    settings = ServerSettings.model_validate({
        "data_dir": tmp_path / "data", "pki_dir": tmp_path / "pki", "listen": "127.0.0.1", "port": free_port(),
        "advertise_address": "10.0.0.1", "bus": {"host": "127.0.0.1", "port": broker.port},
        "discovery": {"enabled": False},
        "audit": {"path": str(tmp_path / "audit.log")},
        "rack": {name: tmp_path / name for name in ("state_dir", "run_dir", "wishes_dir")},
        "bootstrap_token_file": tmp_path / "token"})
    stop = asyncio.Event()
    task = asyncio.create_task(main.run(main.check(settings), SystemClock(), SystemIds(), stop))
    made = Rack(tmp_path, broker, settings)
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                with_error = task.done() and task.exception()
                assert not with_error, with_error
                try:
                    if (await made.call("GET", "/api/v1/namespaces/default/endpoints/kubernetes"))[0] == 200:
                        break
                except aiohttp.ClientConnectorError:
                    await asyncio.sleep(0.02)
        yield made
    finally:
        stop.set()
        await asyncio.wait_for(task, WAIT_SECONDS)
        broker.kill()


def has_certificate(body: Any) -> bool:
    return bool(body.get("status", {}).get("certificate"))


def condition(body: Any) -> list[tuple[str, str]]:
    return [(c["type"], c["reason"]) for c in body.get("status", {}).get("conditions", [])]


async def test_a_node_joins_with_a_token_reports_and_is_lost(rack: Rack) -> None:
    folder = rack.folder / "node-1"
    await rack.join("node-1", folder, "join-1")
    body = await rack.until(f"{CSRS}/join-1", has_certificate)
    assert condition(body) == [("Approved", "NodeJoin")]
    (folder / "node.crt").write_bytes(base64.b64decode(body["status"]["certificate"]))
    facts = authority.read_certificate((folder / "node.crt").read_bytes())
    assert facts.profile == names.node("node-1")

    bus = mqtt.MqttBus(mqtt.Settings(
        host="127.0.0.1", port=rack.broker.port, client_id="node-1",
        ssl_context=rack.context(folder / "node.crt", folder / "node.key"), will_topic=topics.state("node-1"),
        will_payload=messages.encode(messages.NodeState(boot_id="b", sequence=0, state="lost")),
        subscriptions=topics.agent_subscriptions("node-1")), SystemClock(), SystemIds())
    await bus.start()
    try:
        events = bus.events()
        while not isinstance(await asyncio.wait_for(anext(events), WAIT_SECONDS), interface.Connected):
            pass
        status = msgspec.convert({"conditions": [{"type": "Ready", "status": "True"}]}, core.NodeStatus)
        await bus.publish(topics.reported_node("node-1"), messages.encode(messages.ReportedNode(
            boot_id="b", sequence=1, status=status)))
        node = await rack.until("/api/v1/nodes/node-1", lambda n: names.KEY_ANNOTATION in n["metadata"].get(
            "annotations", {}))
        assert node["metadata"]["annotations"][names.KEY_ANNOTATION] == facts.key_hash
        assert node["spec"]["podCIDR"] == "10.244.0.0/24"
        async with asyncio.timeout(WAIT_SECONDS):
            async for event in events:
                if isinstance(event, interface.Message) and event.topic == topics.desired_index("node-1"):
                    assert messages.decode(messages.DesiredIndex, event.payload).pods == ()
                    break
        await bus.publish(topics.state("node-1"), messages.encode(
            messages.NodeState(boot_id="b", sequence=2, state="lost")), retain=True)
        await rack.until("/api/v1/nodes/node-1", lambda n: n["status"]["conditions"][0]["status"] == "Unknown")
    finally:
        await bus.stop()

    # The same key is let in again, another one under the same name waits for a person.
    await rack.join("node-1", folder, "join-2")
    assert condition(await rack.until(f"{CSRS}/join-2", has_certificate)) == [("Approved", "NodeRejoin")]
    await rack.join("node-1", rack.folder / "impostor", "join-3")
    await rack.join("node-2", rack.folder / "node-2", "join-4")
    await rack.until(f"{CSRS}/join-4", has_certificate)
    assert condition((await rack.call("GET", f"{CSRS}/join-3"))[1]) == []


async def test_requests_that_may_never_be_signed_are_denied(rack: Rack) -> None:
    key = authority.new_key()
    wishes = {"admin": names.admin(), "garbage": None, "api": names.node("kubernetes")}
    for name, wish in wishes.items():
        pem = authority.request(key, wish) if wish else b"garbage"
        body = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
                "metadata": {"name": name}, "spec": {
                    "request": base64.b64encode(pem).decode(), "signerName": names.NODE_SIGNER,
                    "usages": ["client auth"]}}
        code, answer = await rack.call("POST", CSRS, body, token=TOKEN)
        if code == 422:
            continue  # the API itself refuses what is no request
        assert code == 201, answer
        denied = await rack.until(f"{CSRS}/{name}", lambda found: condition(found))
        assert condition(denied) == [("Denied", "InvalidRequest")]
        assert not has_certificate(denied)


async def test_a_wrong_bootstrap_token_is_refused(rack: Rack) -> None:
    code, _ = await rack.call("GET", CSRS, token="abcdef.0000000000000000")
    assert code == 401


async def test_a_service_account_token_opens_the_api_as_that_account(rack: Rack) -> None:
    await rack.until("/api/v1/namespaces/default/serviceaccounts/default", lambda _body: True)
    code, body = await rack.call("POST", "/api/v1/namespaces/default/serviceaccounts/default/token",
                                 {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                                  "spec": {"audiences": []}})
    assert code == 201, body
    code, answer = await rack.call("GET", "/api/v1/namespaces/default/secrets", token=body["status"]["token"])
    assert code == 403
    assert "system:serviceaccount:default:default" in answer["message"]


async def test_a_second_server_on_the_same_port_or_store_says_so(rack: Rack) -> None:
    checked = main.check(rack.settings)
    with pytest.raises(main.StartError, match=r"cannot open .*store\.db"):
        await main.run(checked, SystemClock(), SystemIds())
    other = rack.settings.model_copy(update={"data_dir": rack.folder / "other"})
    with pytest.raises(main.StartError, match=r"cannot listen on .* address already in use"):
        await main.run(main.check(other), SystemClock(), SystemIds())


def write_config(folder: Path, text: str) -> Path:
    path = folder / "server.toml"
    path.write_text(text)
    return path


def start(config: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "edge.server.main", "--config", str(config), *more], check=False,
                          capture_output=True, text=True, timeout=WAIT_SECONDS, cwd=Path.cwd())


@pytest.mark.parametrize(("text", "words"), [
    ("prot = 1", "prot"), ("port = ", "server.toml"), ("pki_dir = '/nonexistent'", "cannot read /nonexistent/ca.crt"),
    (None, "no such file")])
def test_a_bad_start_is_one_sentence_and_exit_code_1(tmp_path: Path, text: str | None, words: str) -> None:
    config = tmp_path / "missing.toml" if text is None else write_config(tmp_path, text)
    done = start(config, "--check")
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_damaged_keys_tokens_and_directories_are_named(tmp_path: Path) -> None:
    Mosquitto(tmp_path / "pki")
    base = {"data_dir": tmp_path / "data", "pki_dir": tmp_path / "pki"}
    (tmp_path / "token").write_text("no token")
    with pytest.raises(main.StartError, match="no bootstrap token"):
        main.check(ServerSettings.model_validate(base | {"bootstrap_token_file": tmp_path / "token"}))
    (tmp_path / "file").write_text("")
    with pytest.raises(main.StartError, match="not a directory"):
        main.check(ServerSettings.model_validate(base | {"data_dir": tmp_path / "file/data"}))
    (tmp_path / "pki/server.key").write_bytes(authority.new_key())
    with pytest.raises(main.StartError, match=r"server\.key cannot be used: key values mismatch"):
        main.check(ServerSettings.model_validate(base))


async def test_aggregated_servers_find_out_whom_to_believe_and_writes_are_audited(rack: Rack) -> None:
    found = await rack.until("/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication",
                             lambda body: "data" in body)
    assert found["data"]["requestheader-allowed-names"] == '["system:edge-server"]'
    assert found["data"]["requestheader-client-ca-file"] == (rack.broker.folder / "ca.crt").read_text()
    code, _ = await rack.call("DELETE", "/api/v1/namespaces/default/configmaps/none")
    assert code == 404
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            log = rack.folder / "audit.log"
            if log.exists() and "/configmaps/none" in log.read_text():
                break
            await asyncio.sleep(0.02)


async def test_a_secret_gets_a_token_of_its_account_that_ends_with_it(rack: Rack) -> None:
    here = "/api/v1/namespaces/default"
    assert (await rack.call("POST", f"{here}/serviceaccounts", body={"metadata": {"name": "robot"}}))[0] == 201
    secret = {"type": "kubernetes.io/service-account-token",
              "metadata": {"name": "s", "annotations": {"kubernetes.io/service-account.name": "robot"}}}
    assert (await rack.call("POST", f"{here}/secrets", body=secret))[0] == 201
    found = await rack.until(f"{here}/secrets/s", lambda body: "token" in body.get("data", {}))
    assert set(found["data"]) == {"token", "ca.crt", "namespace"}
    token = base64.b64decode(found["data"]["token"]).decode()
    assert (await rack.call("GET", "/api", token=token))[0] == 200
    assert (await rack.call("GET", f"{here}/pods", token=token))[0] == 403
    assert (await rack.call("GET", "/openid/v1/jwks", token=token))[0] == 200
    await rack.call("DELETE", f"{here}/secrets/s")
    assert (await rack.call("GET", "/api", token=token))[0] == 401
