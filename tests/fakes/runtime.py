"""A container engine in memory: passes the contract suite of the real one, and fails when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

from edge.api import times
from edge.clock import Clock
from edge.runtime.containers import (
    STOP_SIGNAL,
    Container,
    ContainerSpec,
    ExecResult,
    NoSuchContainer,
    RuntimeFailure,
    State,
)
from edge.runtime.interface import ExecSession
from tests.fakes.runtime_images import FakeImages

SIGNALS = {"SIGTERM": 15, "SIGKILL": 9, "SIGINT": 2, "SIGHUP": 1, "SIGUSR1": 10}


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


class FakeRuntime(FakeImages):
    """Containers that run until they are killed or `exit` ends them."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.specs: dict[str, ContainerSpec] = {}
        self.ignores_sigterm: set[str] = set()
        self.stop_signals: dict[str, str] = {}
        """By image."""
        self.commands: Callable[[str, tuple[str, ...]], ExecResult] = lambda container, command: ExecResult(0, b"")
        self.manager = "cgroupfs"
        self.layers: dict[str, int] = {}
        """Bytes that a container has written, by its id."""
        self._serial = 0
        self._watchers: list[asyncio.Queue[str | None]] = []

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

    async def cgroup_manager(self) -> str:
        self._check("info")
        return self.manager

    async def layer_sizes(self, container_ids: Collection[str]) -> Mapping[str, int]:
        self._check("sizes")
        return {key: self.layers.get(key, 0) for key in container_ids if key in self.containers}

    async def create(self, spec: ContainerSpec) -> str:
        self._check(f"create {spec.name}")
        profile = spec.confinement.seccomp_profile
        if profile.startswith("/") and not Path(profile).is_file():
            raise RuntimeFailure(f'cannot load seccomp profile "{profile}": open {profile}: no such file or directory')
        for container in list(self.containers.values()):
            if (container.pod_uid, container.name, container.attempt) == (spec.pod_uid, spec.name, spec.attempt):
                await self.remove(container.id)
        self._serial += 1
        container_id = f"c{self._serial}"
        self.specs[container_id] = spec
        self._put(Container(id=container_id, pod_uid=spec.pod_uid, name=spec.name, attempt=spec.attempt,
                            spec_hash=spec.spec_hash, state=State.CREATED, image=spec.image, image_id=spec.image_id,
                            created_at=self._now(), labels=dict(spec.labels)))
        return container_id

    async def start(self, container_id: str) -> None:
        container = self._get(container_id)
        self._check(f"start {container.name}")
        self._serial += 1
        self._put(replace(container, state=State.RUNNING, started_at=self._now(), finished_at="", exit_code=0,
                          pid=self._serial))

    async def kill(self, container_id: str, signal: str) -> None:
        container = self._get(container_id)
        if signal == STOP_SIGNAL:
            signal = self.stop_signals.get(container.image, "SIGTERM")
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
