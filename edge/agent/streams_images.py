"""Effects: the images of this node over HTTP: listed with who uses them, loaded from an archive, removed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web

from edge.agent.image_gc import Policy, is_pinned
from edge.agent.streams_directory import PodDirectory
from edge.runtime import references
from edge.runtime.containers import Image, ImageInUse, InvalidImageName
from edge.runtime.interface import Runtime

UPLOAD_CHUNK_BYTES = 64 * 1024


class ImagePaths:
    """What is below `/images`. `changed` is called when images came or went."""

    def __init__(self, runtime: Runtime, directory: PodDirectory, changed: Callable[[], None],
                 policy: Policy = Policy()) -> None:  # noqa: B008 - it is frozen
        self._runtime, self._directory, self._changed, self._policy = runtime, directory, changed, policy

    def routes(self) -> list[web.RouteDef]:
        """Return the paths."""
        return [web.get("/images", self._list), web.delete("/images", self._remove),
                web.post("/images/load", self._load)]

    async def _list(self, _: web.Request) -> web.Response:
        images = await self._runtime.images()
        users = self._users(images)
        return web.json_response({"images": [self._shown(image, users.get(image.id, [])) for image in images]})

    def _shown(self, image: Image, users: list[str]) -> dict[str, Any]:
        return {"id": image.id, "names": image.names, "digests": image.digests, "sizeBytes": image.size_bytes,
                "architecture": image.architecture, "containers": image.containers, "pods": users,
                "inUse": bool(image.containers or users), "pinned": is_pinned(image, self._policy)}

    def _users(self, images: tuple[Image, ...]) -> dict[str, list[str]]:
        """Return the pods of this node that name an image, by the image's id; also those that still wait to start."""
        users: dict[str, list[str]] = {}
        for pod in self._directory.manifests():
            # What is over or going starts nothing any more; its containers count by themselves.
            if pod.status.phase in ("Succeeded", "Failed") or pod.metadata.deletion_timestamp is not None:
                continue
            names = {each.image for each in (*pod.spec.init_containers, *pod.spec.containers)}
            for image_id in {found.id for name in names if (found := _find(name, images)) is not None}:
                users.setdefault(image_id, []).append(f"{pod.metadata.namespace}/{pod.metadata.name}")
        return users

    async def _load(self, request: web.Request) -> web.Response:
        # Read to its end in any case, or the sender would see a reset connection in place of the answer.
        archive: AsyncIterator[bytes] = request.content.iter_chunked(UPLOAD_CHUNK_BYTES)
        names = await self._runtime.load(archive)
        self._changed()
        return web.json_response({"names": names})

    async def _remove(self, request: web.Request) -> web.Response:
        reference, force = request.query.get("reference", ""), request.query.get("force", "") in ("1", "true")
        images = await self._runtime.images()
        try:
            found = references.lookup(reference, images)
        except InvalidImageName as error:
            return _status(400, "BadRequest", str(error))
        if found is None:
            return _status(404, "NotFound", f'image "{reference}" is not on this node')
        image, name = found
        users = self._users(images).get(image.id, [])
        if users and not force:
            return _status(409, "Conflict", f'image "{reference}" is in use by {", ".join(sorted(users))}')
        try:
            await self._runtime.remove_image(name or image.id, force=force)
        except ImageInUse as error:
            return _status(409, "Conflict", str(error))
        self._changed()
        only_name = bool(name) and len(image.names) > 1
        return web.json_response({"removed": [name] if only_name else [*image.names] or [image.id],
                                  "freedBytes": 0 if only_name else image.size_bytes})


def _find(name: str, images: tuple[Image, ...]) -> Image | None:
    try:
        return references.find(name, images)
    except InvalidImageName:
        return None


def _status(code: int, reason: str, message: str) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
            "reason": reason, "code": code}
    return web.Response(status=code, text=json.dumps(body), content_type="application/json")
