"""A container engine in memory: passes the contract suite of the real one, and fails when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from edge.api import times
from edge.clock import Clock
from edge.runtime.containers import (
    Container,
    ContainerSpec,
    Credentials,
    EngineAway,
    ExecResult,
    Image,
    ImageNotFound,
    InvalidImageName,
    NoSuchContainer,
    RuntimeFailure,
    State,
)
from edge.runtime.interface import ExecSession

SIGNALS = {"SIGTERM": 15, "SIGKILL": 9, "SIGINT": 2, "SIGHUP": 1}


class FakeSession:
    """An exec or attach session that echoes what is written, then ends."""

    def __init__(self, code: int, output: bytes) -> None:
        self._code = code
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.sizes: list[tuple[int, int]] = []
        if output:
            self._chunks.put_nowait(output)

    async def write(self, data: bytes) -> None:
        self._chunks.put_nowait(data)

    async def close_stdin(self) -> None:
        self._chunks.put_nowait(None)

    async def resize(self, width: int, height: int) -> None:
        self.sizes.append((width, height))

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        while (chunk := await self._chunks.get()) is not None:
            yield 1, chunk

    async def exit_code(self) -> int:
        return self._code

    async def close(self) -> None:
        self._chunks.put_nowait(None)


class FakeRuntime:
    """Containers that run until they are killed or `exit` ends them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.containers: dict[str, Container] = {}
        self.specs: dict[str, ContainerSpec] = {}
        self.local: dict[str, Image] = {}
        self.registry: dict[str, Image] = {}
        self.away = False
        self.calls: list[str] = []
        self.fail: Callable[[str], RuntimeFailure | None] = lambda call: None
        """Asked before each call that changes something, with such as `start web`; what it returns is raised."""
        self.ignores_sigterm: set[str] = set()
        self.commands: Callable[[str, tuple[str, ...]], ExecResult] = lambda container, command: ExecResult(0, b"")
        self.pulling = asyncio.Event()
        self.pulling.set()
        self._serial = 0
        self._watchers: list[asyncio.Queue[str | None]] = []

    def _check(self, call: str) -> None:
        if self.away:
            raise EngineAway("the engine is away")
        self.calls.append(call)
        if (error := self.fail(call)) is not None:
            raise error

    def _get(self, container_id: str) -> Container:
        if container_id not in self.containers:
            raise NoSuchContainer(f"no container {container_id}")
        return self.containers[container_id]

    def _put(self, container: Container) -> None:
        self.containers[container.id] = container
        for watcher in self._watchers:
            watcher.put_nowait(container.id)

    def _now(self) -> str:
        return times.render(self._clock.now())

    def by_name(self, name: str, pod_uid: str = "") -> Container:
        """Return the newest container of that name."""
        found = [c for c in self.containers.values() if c.name == name and pod_uid in ("", c.pod_uid)]
        return max(found, key=lambda container: container.attempt)

    def exit(self, name: str, code: int = 0, *, oom_killed: bool = False) -> None:
        """Have the newest container of that name end by itself."""
        self._end(self.by_name(name).id, code, oom_killed)

    def _end(self, container_id: str, code: int, oom_killed: bool = False) -> None:
        self._put(replace(self.containers[container_id], state=State.EXITED, exit_code=code, oom_killed=oom_killed,
                          finished_at=self._now(), pid=0))

    def reboot(self) -> None:
        """Lose everything that runs, as a power cut does: Podman then shows such containers as created."""
        for container in list(self.containers.values()):
            if container.state is State.RUNNING:
                self.containers[container.id] = replace(container, state=State.CREATED, pid=0)

    async def version(self) -> str:
        self._check("version")
        return "podman://4.3.1"

    async def list(self) -> tuple[Container, ...]:
        self._check("list")
        return tuple(self.containers.values())

    async def images(self) -> tuple[Image, ...]:
        self._check("images")
        return tuple({image.id: image for image in self.local.values()}.values())

    async def find_image(self, reference: str) -> Image | None:
        self._check(f"find {reference}")
        return self.local.get(reference)

    async def pull(self, reference: str, credentials: Credentials | None = None) -> Image:
        self._check(f"pull {reference}")
        await self.pulling.wait()
        if reference != reference.lower():
            raise InvalidImageName(f"invalid reference format: {reference}")
        if reference not in self.registry:
            raise ImageNotFound(f"{reference}: not found")
        self.local[reference] = self.registry[reference]
        return self.local[reference]

    async def load(self, archive: AsyncIterator[bytes]) -> tuple[str, ...]:
        self._check("load")
        name = b"".join([chunk async for chunk in archive]).decode()
        self.local[name] = Image(id=f"sha256:{name}", names=(name,), size_bytes=len(name))
        return (name,)

    async def remove_image(self, reference: str) -> None:
        self._check(f"rmi {reference}")
        self.local.pop(reference, None)

    async def create(self, spec: ContainerSpec) -> str:
        self._check(f"create {spec.name}")
        for container in list(self.containers.values()):
            if (container.pod_uid, container.name, container.attempt) == (spec.pod_uid, spec.name, spec.attempt):
                await self.remove(container.id)
        self._serial += 1
        container_id = f"c{self._serial}"
        self.specs[container_id] = spec
        self._put(Container(id=container_id, pod_uid=spec.pod_uid, name=spec.name, attempt=spec.attempt,
                            spec_hash=spec.spec_hash, state=State.CREATED, image=spec.image, image_id=spec.image_id,
                            created_at=self._now()))
        return container_id

    async def start(self, container_id: str) -> None:
        container = self._get(container_id)
        self._check(f"start {container.name}")
        self._serial += 1
        self._put(replace(container, state=State.RUNNING, started_at=self._now(), finished_at="", exit_code=0,
                          pid=self._serial))

    async def kill(self, container_id: str, signal: str) -> None:
        container = self._get(container_id)
        self._check(f"kill {container.name} {signal}")
        if container.state is State.RUNNING and not (signal == "SIGTERM" and container.name in self.ignores_sigterm):
            self._end(container_id, 128 + SIGNALS[signal])

    async def remove(self, container_id: str) -> None:
        self._check(f"remove {container_id}")
        if self.containers.pop(container_id, None) is not None:
            for watcher in self._watchers:
                watcher.put_nowait(container_id)

    async def exec(self, container_id: str, command: tuple[str, ...], timeout_seconds: float) -> ExecResult:
        self._check(f"exec {self._get(container_id).name}")
        return self.commands(self._get(container_id).name, command)

    async def open_exec(self, container_id: str, command: tuple[str, ...], *, stdin: bool, tty: bool) -> ExecSession:
        result = await self.exec(container_id, command, 0)
        session = FakeSession(result.exit_code, result.output)
        if not stdin:
            await session.close_stdin()
        return session

    async def open_attach(self, container_id: str, *, stdin: bool, tty: bool) -> ExecSession:
        self._get(container_id)
        return FakeSession(0, b"")

    async def changes(self) -> AsyncIterator[str]:
        self._check("changes")
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._watchers.append(queue)
        try:
            while (container_id := await queue.get()) is not None:
                yield container_id
        finally:
            self._watchers.remove(queue)

    def go_away(self) -> None:
        """Stop answering, and end the streams of changes."""
        self.away = True
        for watcher in self._watchers:
            watcher.put_nowait(None)

    async def close(self) -> None:
        for watcher in self._watchers:
            watcher.put_nowait(None)
