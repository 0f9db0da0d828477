"""What the streams tests run against: commands as processes of this machine, a directory of one pod, certificates."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import cast

from edge.agent.streams_directory import PodView
from edge.api import core, meta
from edge.runtime.containers import Container, Image, NoSuchContainer
from edge.runtime.interface import Runtime
from tests.fakes import authority


class LocalProcess:
    """An ExecSession that is a process of this machine."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.sizes: list[tuple[int, int]] = []
        self.closed = False

    async def write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(data)
            await self._process.stdin.drain()

    async def close_stdin(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def resize(self, width: int, height: int) -> None:
        self.sizes.append((width, height))

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        queue: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue(4)

        async def pump(number: int, reader: asyncio.StreamReader | None) -> None:
            assert reader is not None
            while data := await reader.read(32768):
                await queue.put((number, data))
            await queue.put((number, b""))

        async with asyncio.TaskGroup() as group:
            group.create_task(pump(1, self._process.stdout))
            group.create_task(pump(2, self._process.stderr))
            ended = 0
            while ended < 2:
                number, data = await queue.get()
                ended += not data
                if data:
                    yield number, data

    async def exit_code(self) -> int:
        return await self._process.wait()

    async def close(self) -> None:
        self.closed = True
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


class LocalRuntime:
    """The part of a Runtime that streams use."""

    def __init__(self) -> None:
        self.sessions: list[LocalProcess] = []
        self.loaded = b""

    async def list(self) -> tuple[Container, ...]:
        return ()

    async def open_exec(self, container_id: str, command: tuple[str, ...], *, stdin: bool, tty: bool) -> LocalProcess:
        if container_id != "c1":
            raise NoSuchContainer(f"no container {container_id}")
        pipe = asyncio.subprocess.PIPE
        session = LocalProcess(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe))
        self.sessions.append(session)
        return session

    async def open_attach(self, container_id: str, *, stdin: bool, tty: bool) -> LocalProcess:
        return await self.open_exec(container_id, ("cat",), stdin=stdin, tty=tty)

    async def load(self, archive: AsyncIterator[bytes]) -> tuple[str, ...]:
        self.loaded = b"".join([chunk async for chunk in archive])
        return ("docker.io/library/hello:latest",)

    async def images(self) -> tuple[Image, ...]:
        return (Image(id="i1", names=("docker.io/library/hello:latest",), size_bytes=5),)

    def as_runtime(self) -> Runtime:
        return cast(Runtime, self)


@dataclass
class OnePod:
    """A PodDirectory of one pod."""

    pod: PodView | None = field(default=None)

    def find(self, namespace: str, name: str) -> PodView | None:
        pod = self.pod
        return pod if pod is not None and (pod.namespace, pod.name) == (namespace, name) else None

    def views(self) -> tuple[PodView, ...]:
        return (self.pod,) if self.pod is not None else ()

    def manifests(self) -> tuple[core.Pod, ...]:
        return tuple(core.Pod(metadata=meta.ObjectMeta(name=pod.name, namespace=pod.namespace, uid=pod.uid))
                     for pod in self.views())


class Authority(authority.Authority):
    """Also makes the contexts of both ends."""

    def server(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(name, "system:nodes", server=True))
        context.load_verify_locations(self.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self, name: str, organization: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ca))
        context.load_cert_chain(*self.issue(name, organization))
        return context
