"""Containers on this node, as the agent drives them. One container at a time: the pod is the agent's business."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
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

    async def pull(self, reference: str, credentials: Credentials | None = None) -> Image:
        """Fetch an image, also when it is here; cancelling gives it up. Raises one of the exceptions for images."""
        ...

    async def load(self, archive: AsyncIterator[bytes]) -> tuple[str, ...]:
        """Load a `podman save`/`docker save` archive; return the names it had."""
        ...

    async def remove_image(self, reference: str, *, force: bool = False) -> None:
        """Take a name from an image, and the image with its last name; by an id, all of it. One that is gone is no
        error. Raises ImageInUse where containers were made from it; with `force` these are removed too."""
        ...

    async def image_user(self, image_id: str) -> str:
        """Return whom an image runs as, such as `1000:1000` or `app`; empty for root. Raises ImageNotFound."""
        ...

    async def image_dir(self) -> str:
        """Return the directory that images are kept in; empty when the engine does not say."""
        ...

    async def cgroup_manager(self) -> str:
        """Return who makes the containers' control groups: `cgroupfs` or `systemd`."""
        ...

    async def layer_sizes(self, container_ids: Collection[str]) -> Mapping[str, int]:
        """Return how many bytes each of these containers has written outside its mounts. The engine has to look at
        every file for that; a container that is gone is left out."""
        ...

    async def create(self, spec: ContainerSpec) -> str:
        """Create a container and return its id. A leftover of the same pod, name and attempt is replaced."""
        ...

    async def start(self, container_id: str) -> None: ...

    async def kill(self, container_id: str, signal: str) -> None:
        """Send `SIGTERM`, `SIGKILL` ... or STOP_SIGNAL; a container that has already ended is no error."""
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
