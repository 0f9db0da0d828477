"""A real API server on a loopback port: TLS, client certificates, a real SQLite store, and the real kubectl."""

from __future__ import annotations

import asyncio
import io
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from edge.apiserver import audit_log
from edge.apiserver.http import ApiServer, Settings
from edge.apiserver.local import LocalClient
from edge.clock import SystemClock
from edge.ids import SystemIds
from edge.lab import host
from edge.pki import authority as pki
from edge.server.accounts import Accounts
from edge.store.sqlite import open_store
from tests.fakes.authority import Authority

COMMAND_SECONDS = 30


@dataclass(slots=True)
class Ran:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


@dataclass(slots=True)
class Cluster:
    """A running API server and ways to talk to it."""

    server: ApiServer
    authority: Authority
    kubeconfig: Path
    http: aiohttp.ClientSession
    agent_port: int = 0
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.port}"

    @property
    def client(self) -> LocalClient:
        return LocalClient(self.server.service)

    async def request(self, method: str, path: str, body: Any = None, *, code: int | None = None,
                      headers: Mapping[str, str] | None = None) -> Any:
        """Make a request as the administrator and return the JSON of the answer."""
        data = body if isinstance(body, bytes | None) else msgspec.json.encode(body)
        sent = {"Content-Type": "application/json", **(headers or {})} if data is not None else dict(headers or {})
        async with self.http.request(method, self.url + path, headers=sent,
                                     data=None if data is None else io.BytesIO(data)) as answer:
            text = await answer.read()
            if code is not None:
                assert answer.status == code, (answer.status, text)
            return msgspec.json.decode(text)

    async def kubectl(self, *arguments: str, stdin: str = "", code: int | None = 0) -> Ran:
        """Run the real kubectl as the administrator."""
        process = await self.start_kubectl(*arguments)
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                out, err = await process.communicate(stdin.encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        ran = Ran(process.returncode or 0, out.decode(), err.decode())
        if code is not None:
            assert ran.code == code, ran
        return ran

    async def start_kubectl(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start the real kubectl with pipes on all three streams."""
        program = host.find_kubectl()
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.kubeconfig.parent), "KUBECONFIG": str(self.kubeconfig),
               **self.env}
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(program, *arguments, stdin=pipe, stdout=pipe, stderr=pipe, env=env)


def client_context(authority: Authority, identity: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """Return TLS settings that trust the authority and show an identity."""
    context = ssl.create_default_context(cafile=str(authority.ca))
    if identity is not None:
        context.load_cert_chain(*identity)
    return context


def write_kubeconfig(path: Path, url: str, authority: Authority, identity: tuple[Path, Path]) -> None:
    """Write a kubeconfig for one identity."""
    path.write_text(f"""apiVersion: v1
kind: Config
current-context: edge
clusters: [{{name: edge, cluster: {{server: "{url}", certificate-authority: {authority.ca}}}}}]
users: [{{name: admin, user: {{client-certificate: {identity[0]}, client-key: {identity[1]}}}}}]
contexts: [{{name: edge, context: {{cluster: edge, user: admin}}}}]
""")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    folder = tmp_path / "pki"
    folder.mkdir()
    return Authority(folder)


@pytest.fixture
async def cluster(tmp_path: Path, authority: Authority) -> AsyncIterator[Cluster]:
    async with asyncio.timeout(120):
        certificate, key = authority.issue("master", server=True)
        admin = authority.issue("kubernetes-admin", "system:masters")
        store = await open_store(tmp_path / "store.db")
        identity = authority.issue("system:edge-server", "system:masters")
        agents = client_context(authority, identity)
        port = free_port()
        (tmp_path / "sa.key").write_bytes(pki.new_key())
        accounts = Accounts(tmp_path / "sa.key", SystemClock())
        server = ApiServer(Settings(certificate=certificate, key=key, client_ca=authority.ca, host="127.0.0.1", port=0,
                                    agent_ssl=agents, agent_port=port, identity=identity,
                                    audit=audit_log.Settings(path=tmp_path / "audit.log")),
                           store, SystemClock(), SystemIds(), verify_token=accounts.verify, sign_token=accounts.sign,
                           signing_keys=accounts.keys)
        await server.start()
        kubeconfig = tmp_path / "kubeconfig"
        write_kubeconfig(kubeconfig, f"https://127.0.0.1:{server.port}", authority, admin)
        connector = aiohttp.TCPConnector(ssl=client_context(authority, admin))
        async with aiohttp.ClientSession(connector=connector) as http:
            yield Cluster(server, authority, kubeconfig, http, port)
        await server.stop()
        await store.close()


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
