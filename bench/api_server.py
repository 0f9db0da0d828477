"""The API server as its benchmarks use it: in a process of its own, over TLS, its store in a temporary folder."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import os
import resource
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from edge.apiserver.http import ApiServer, Settings
from edge.clock import SystemClock
from edge.ids import SystemIds
from edge.server.accounts import Accounts
from edge.store.sqlite import open_store
from tests.fakes.authority import Authority

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
SPARE_FILES = 200
"""What a process has open beside its connections, plenty of it."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs, and how to reach it as its administrator."""

    port: int
    pid: int
    ca: Path
    identity: tuple[Path, Path]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self.port}"

    def context(self, *, identity: bool = True) -> ssl.SSLContext:
        """Return the TLS settings of a client, the administrator's or nobody's."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if identity:
            context.load_cert_chain(*self.identity)
        return context

    def cpu_seconds(self) -> float:
        """Return the processor time of all of the server's threads."""
        return sum(int((task / "schedstat").read_text().split()[0])
                   for task in Path(f"/proc/{self.pid}/task").iterdir()) / 1e9

    @contextlib.asynccontextmanager
    async def client(self, connections: int = 1, token: str = "") -> Any:
        """Give a `Client` with that many connections; with a token, as whoever it is of."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connector = aiohttp.TCPConnector(ssl=self.context(identity=not token), limit=connections)
        async with aiohttp.ClientSession(connector=connector, headers=headers) as http:
            yield Client(http, self.url)


@dataclass(frozen=True, slots=True)
class Client:
    """Makes requests that must succeed."""

    http: aiohttp.ClientSession
    url: str

    async def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> bytes:
        """Return the answer's body."""
        data = None if body is None else msgspec.json.encode(body)
        async with self.http.request(method, self.url + path, data=data, headers={"Content-Type": kind}) as answer:
            text = await answer.read()
            if answer.status >= 300:
                raise SystemExit(f"{method} {path}: {answer.status} {text.decode()}")
            return text


Call = Callable[[Client], Awaitable[Any]]


def allow_files(count: int) -> None:
    """Let this process, and those it starts, have that many files open. Raises SystemExit where nobody may."""
    wanted = count + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise SystemExit(f"{wanted} open files are needed and {hard} allowed: ulimit -Hn {wanted}")
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextlib.contextmanager
def running() -> Iterator[Running]:
    """Run a server while the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        authority.issue("master", server=True)
        identity = authority.issue("kubernetes-admin", "system:masters")
        authority.issue("sa")
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=_serve, args=(folder, theirs), daemon=True)
        process.start()
        theirs.close()  # If it dies, `recv` says so.
        try:
            yield Running(ours.recv(), process.pid or os.getpid(), authority.ca, identity)
            ours.send(None)
            process.join(20)
        finally:
            if process.is_alive():
                process.terminate()


def _serve(folder: str, pipe: Connection) -> None:
    async def run() -> None:
        base, clock = Path(folder), SystemClock()
        store = await open_store(base / "store.db")
        accounts = Accounts(base / "sa.key", clock)
        server = ApiServer(Settings(certificate=base / "master.crt", key=base / "master.key",
                                    client_ca=base / "ca.crt", host="127.0.0.1", port=0),
                           store, clock, SystemIds(), verify_token=accounts.verify, sign_token=accounts.sign,
                           signing_keys=accounts.keys)
        await server.start()
        gc.collect()
        gc.freeze()  # As edge-server does.
        pipe.send(server.port)
        await asyncio.to_thread(pipe.recv)
        await server.stop()
        await store.close()
    asyncio.run(run())
