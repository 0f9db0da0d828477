"""Effects: images through Podman's REST socket: listed, pulled, loaded and removed."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import aiohttp
import msgspec
from aiohttp import ConnectionTimeoutError

from edge import logs
from edge.runtime import pull_errors, references, repair, states
from edge.runtime.containers import (
    Credentials,
    EngineAway,
    Image,
    ImageInUse,
    ImageNotFound,
    ImagesUnreadable,
    RuntimeFailure,
    WrongArchitecture,
)
from edge.runtime.podman_http import LONG_TIMEOUT, PodmanConnection, understood

# Only the calls that Docker has too tell how many bytes of an image have come.
COMPATIBLE = "/v4.0.0"
STALLED_SECONDS = 300.0
LONGEST_PULL_SECONDS = 4 * 3600.0
MOST_DAMAGED = 50

log = logs.get("runtime.podman")


class PodmanImages(PodmanConnection):
    """The part of a Runtime that is about images. A pull that gets nothing for `stalled_seconds` is given up."""

    def __init__(self, socket: str) -> None:
        super().__init__(socket)
        self.stalled_seconds = STALLED_SECONDS
        self._architectures: dict[str, str] = {}
        self._image_dir = ""

    async def images(self) -> tuple[Image, ...]:
        rows = await self._image_rows()
        with understood("a list of images"):
            found = [states.image(row) for row in rows]
            self._architectures = {each.id: await self._architecture(each) for each in found}
        return tuple(replace(each, architecture=self._architectures.get(each.id, "")) for each in found)

    async def _image_rows(self) -> list[Mapping[str, Any]]:
        for _ in range(MOST_DAMAGED):
            try:
                return await self._call("GET", "/images/json") or []
            except RuntimeFailure as error:
                # One image that cannot be read spoils the whole list.
                if not (damaged := repair.damaged_image(str(error))):
                    raise
                await self._drop_image(damaged, str(error))
        raise ImagesUnreadable(f"{MOST_DAMAGED} images were damaged and removed, and there are more")

    async def _drop_image(self, image_id: str, reason: str) -> None:
        """Remove an image that a power cut has damaged; whoever needs it fetches it again."""
        log.warning("image is damaged and removed", image=image_id, reason=reason)
        try:
            await self._call("DELETE", f"/images/{image_id}", {"force": "true"})
        except RuntimeFailure as error:
            raise ImagesUnreadable(f"an image is damaged and cannot be removed: {error}") from error

    async def _architecture(self, image: Image) -> str:
        """Return what machine an image is for. Podman 4 does not list it; it is asked once for each image."""
        if known := image.architecture or self._architectures.get(image.id):
            return known
        with contextlib.suppress(RuntimeFailure):
            return str((await self._call("GET", f"/images/{image.id}/json")).get("Architecture") or "")
        return ""

    async def find_image(self, reference: str) -> Image | None:
        return references.find(reference, await self.images())

    async def pull(self, reference: str, credentials: Credentials | None = None) -> Image:
        name = references.full_name(reference)
        headers = {"X-Registry-Auth": _authorization(credentials)} if credentials else {}
        timeout = aiohttp.ClientTimeout(total=LONGEST_PULL_SECONDS, sock_connect=5, sock_read=self.stalled_seconds)
        error = ""
        try:
            async for line in self._lines("POST", "/images/create", {"fromImage": name}, headers=headers,
                                          timeout=timeout, api=COMPATIBLE):
                error = str(line.get("error") or error)
        except EngineAway as away:
            if not isinstance(away.__cause__, TimeoutError) or isinstance(away.__cause__, ConnectionTimeoutError):
                raise
            error = f"pulling {name}: no progress for {self.stalled_seconds:.0f} seconds, the pull was given up"
        except RuntimeFailure as refused:
            error = str(refused)
        if error:
            failed = pull_errors.failure(error)
            if isinstance(failed, WrongArchitecture) and (others := await self._offered(name)):
                raise WrongArchitecture(f"{failed} (it is for {others})")
            raise failed
        image = await self.find_image(name)
        if image is None:
            raise RuntimeFailure(f'image "{reference}" was pulled and is gone again')
        return image

    async def _offered(self, name: str) -> str:
        """Return the machines that a list of images in a registry is for, as far as anybody may know."""
        try:
            found = await self._call("GET", f"/manifests/{name}/json") or {}
        except RuntimeFailure:
            return ""
        machines = (row.get("platform", {}).get("architecture", "") for row in found.get("manifests") or ())
        return ", ".join(dict.fromkeys(machine for machine in machines if machine not in ("", "unknown")))

    async def load(self, archive: AsyncIterator[bytes]) -> tuple[str, ...]:
        headers = {"Content-Type": "application/x-tar"}
        try:
            body = await self._call("POST", "/images/load", data=archive, headers=headers, timeout=LONG_TIMEOUT)
        except RuntimeFailure as error:
            raise pull_errors.load_failure(error) from error
        return tuple(body.get("Names") or ())

    async def remove_image(self, reference: str, *, force: bool = False) -> None:
        rows = await self._image_rows()
        found = references.lookup(reference, tuple(states.image(row) for row in rows))
        if found is None:
            return
        image, name = found
        if name and len(image.names) > 1:
            await self._delete_image(name)
        elif force:
            await self._delete_image(image.id, force=True)
        elif image.containers:
            raise ImageInUse(f'image "{reference}" is in use by {image.containers} container(s)')
        else:
            # By its id only one with a single name may be removed, and with force its containers would go too.
            row = next(row for row in rows if states.image(row).id == image.id)
            for each in (*(row.get("Names") or ()), image.id):
                await self._delete_image(each)

    async def _delete_image(self, name: str, *, force: bool = False) -> None:
        try:
            await self._call("DELETE", f"/images/{name}", {"force": "true"} if force else {})
        except RuntimeFailure as error:
            if "in use" in str(error):
                raise ImageInUse(str(error)) from error
            if "not known" not in str(error):
                raise

    async def image_user(self, image_id: str) -> str:
        try:
            config = (await self._call("GET", f"/images/{image_id}/json")).get("Config") or {}
        except RuntimeFailure as error:
            if "not known" in str(error) or "No such image" in str(error):
                raise ImageNotFound(f"image {image_id} is gone") from error
            raise
        return str(config.get("User") or "")

    async def image_dir(self) -> str:
        if not self._image_dir:
            store = (await self._call("GET", "/info") or {}).get("store") or {}
            self._image_dir = str(store.get("graphRoot") or "")
        return self._image_dir


def _authorization(credentials: Credentials) -> str:
    document = msgspec.json.encode({"username": credentials.username, "password": credentials.password})
    return base64.urlsafe_b64encode(document).decode("ascii")
