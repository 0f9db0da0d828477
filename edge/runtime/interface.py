"""Containers on this node, as the agent drives them. One container at a time: the pod is the agent's business."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from edge.runtime.containers import Container, ContainerSpec, Credentials, ExecResult, Image


class ExecSession(Protocol):
    """A command that runs in a container with its streams. Closing it early kills nothing but the streams."""

    async def write(self, data: bytes) -> None:
        """Send to standard input, waiting while the command does not read."""
        ...

    async def close_stdin(self) -> None: ...

    async def resize(self, width: int, height: int) -> None: ...

    def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield (1, bytes) of standard output and (2, bytes) of standard error until the command ends."""
        ...

    async def exit_code(self) -> int:
        """Wait for the end. For an attach session this is 0 when the stream ended."""
        ...

    async def close(self) -> None: ...


class Runtime(Protocol):
    """All errors are `containers.RuntimeFailure`. Only containers made through `create` are listed."""

    async def version(self) -> str:
        """Return such as `podman://4.3.1`. Raises EngineAway."""
        ...

    async def list(self) -> tuple[Container, ...]: ...

    async def images(self) -> tuple[Image, ...]: ...

    async def find_image(self, reference: str) -> Image | None:
        """Return the image as stored here. Short names resolve as Docker's do (`hello` = docker.io/library/hello)
        and also match an image loaded as `localhost/hello`."""
        ...

    async def pull(self, reference: str, credentials: Credentials | None = None) -> Image: ...

    async def load(self, archive: AsyncIterator[bytes]) -> tuple[str, ...]:
        """Load a `podman save`/`docker save` archive; return the names it had."""
        ...

    async def remove_image(self, reference: str) -> None: ...

    async def create(self, spec: ContainerSpec) -> str:
        """Create a container and return its id. A leftover of the same pod, name and attempt is replaced."""
        ...

    async def start(self, container_id: str) -> None: ...

    async def kill(self, container_id: str, signal: str) -> None:
        """Send `SIGTERM`, `SIGKILL` ...; a container that has already ended is no error."""
        ...

    async def remove(self, container_id: str) -> None:
        """Kill if need be and remove; a container that is gone is no error."""
        ...

    async def exec(self, container_id: str, command: tuple[str, ...], timeout_seconds: float) -> ExecResult:
        """Run a command to its end. Raises TimeoutError."""
        ...

    async def open_exec(
        self, container_id: str, command: tuple[str, ...], *, stdin: bool, tty: bool
    ) -> ExecSession: ...

    async def open_attach(self, container_id: str, *, stdin: bool, tty: bool) -> ExecSession: ...

    def changes(self) -> AsyncIterator[str]:
        """Yield the id of a container whenever it starts, dies or is removed; ends when the engine goes away."""
        ...

    async def close(self) -> None: ...
