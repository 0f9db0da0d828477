"""The images of a container engine in memory, and a registry to pull them from: one half of `FakeRuntime`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from edge.runtime import references
from edge.runtime.containers import (
    Container,
    Credentials,
    EngineAway,
    Image,
    ImageInUse,
    ImageNotFound,
    RegistryDenied,
    RegistryUnavailable,
    RuntimeFailure,
)


class FakeImages:
    """Images by the reference they were pulled as; `registry` has more of them. `pulling` cleared holds pulls back."""

    def __init__(self) -> None:
        self.containers: dict[str, Container] = {}
        self.local: dict[str, Image] = {}
        self.registry: dict[str, Image] = {}
        self.passwords: dict[str, Credentials] = {}
        """What the registry asks for, by reference; nothing: anybody may pull."""
        self.registry_away = False
        self.users: dict[str, str] = {}
        """Whom images run as, by their id."""
        self.directory = ""
        """Where images are kept."""
        self.away = False
        self.calls: list[str] = []
        self.fail: Callable[[str], RuntimeFailure | None] = lambda call: None
        """Asked before each call that changes something, with such as `start web`; what it returns is raised."""
        self.pulling = asyncio.Event()
        self.pulling.set()

    def _check(self, call: str) -> None:
        if self.away:
            raise EngineAway("the engine is away")
        self.calls.append(call)
        if (error := self.fail(call)) is not None:
            raise error

    async def images(self) -> tuple[Image, ...]:
        self._check("images")
        return tuple({image.id: self._counted(image) for image in self.local.values()}.values())

    def _counted(self, image: Image) -> Image:
        return replace(image, containers=sum(each.image_id == image.id for each in self.containers.values()))

    async def find_image(self, reference: str) -> Image | None:
        self._check(f"find {reference}")
        if reference in self.local:
            return self._counted(self.local[reference])
        by_id = next((each for each in self.local.values() if each.id == reference), None)
        found = by_id or references.find(reference, tuple(self.local.values()))
        return self._counted(found) if found is not None else None

    async def pull(self, reference: str, credentials: Credentials | None = None) -> Image:
        self._check(f"pull {reference}")
        await self.pulling.wait()
        references.parse(reference)
        if self.registry_away:
            raise RegistryUnavailable(f'failed to pull image "{reference}": connection refused')
        if self.passwords.get(reference, credentials) != credentials:
            raise RegistryDenied(f'failed to pull image "{reference}": unauthorized: authentication required')
        if reference not in self.registry:
            raise ImageNotFound(f"{reference}: not found")
        self.local[reference] = self.registry[reference]
        return self.local[reference]

    async def load(self, archive: AsyncIterator[bytes]) -> tuple[str, ...]:
        self._check("load")
        name = b"".join([chunk async for chunk in archive]).decode()
        self.local[name] = Image(id=f"sha256:{name}", names=(name,), size_bytes=len(name))
        return (name,)

    async def remove_image(self, reference: str, *, force: bool = False) -> None:
        self._check(f"rmi {reference}")
        image = await self.find_image(reference)
        if image is None:
            return
        keys = [key for key, each in self.local.items() if each.id == image.id]
        if reference in keys and len(keys) > 1:
            del self.local[reference]
            return
        users = [each.id for each in self.containers.values() if each.image_id == image.id]
        if users and not force:
            raise ImageInUse(f'image "{reference}" is in use by {len(users)} container(s)')
        for container_id in users:
            await self.remove(container_id)
        for key in keys:
            del self.local[key]

    async def image_user(self, image_id: str) -> str:
        self._check(f"user {image_id}")
        found = next((image for image in self.local.values() if image.id == image_id), None)
        if found is None:
            raise ImageNotFound(f"image {image_id} is gone")
        return self.users.get(image_id, "")

    async def image_dir(self) -> str:
        self._check("image_dir")
        return self.directory

    async def remove(self, container_id: str) -> None:
        """Remove a container."""
        raise NotImplementedError
