"""One request for a resource, read and allowed: what it sends, how it wants it patched, and what is refused at once."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

from aiohttp import web

from edge.api import custom, errors, meta, patch, scheme
from edge.apiserver import (
    bodies,
    body_room,
    service_apply,
    write_options,
)
from edge.apiserver.authenticate import User
from edge.apiserver.paths import ResourceRequest
from edge.apiserver.render import View
from edge.apiserver.write import Write

JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, service_apply.MEDIA_TYPE)
SLOWEST_BODY_SECONDS = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """One request, read and allowed."""

    http: web.BaseRequest
    asked: ResourceRequest
    resource: scheme.Resource
    view: View
    user: User
    body: bytes
    warnings: list[str] = dataclasses.field(default_factory=list)
    """What admission tells the client beside the answer."""

    @property
    def content_type(self) -> str:
        """The Content-Type of the request."""
        return self.http.headers.get("Content-Type", "")

    @property
    def write(self) -> Write:
        """Who writes, and how."""
        asked = self.asked
        manager = write_options.manager(asked, self.http.headers.get("User-Agent", ""))
        return Write(user=self.user, manager=manager, api_version=asked.api_version, subresource=asked.subresource,
                     dry_run=asked.options.dry_run, warnings=self.warnings)

    @property
    def raw(self) -> dict[str, Any]:
        """The body as a JSON object."""
        return bodies.mapping(bodies.read(self.body, self.content_type))


async def read_body(request: web.BaseRequest, take: body_room.Take) -> bytes:
    """Return the body.

    Raises:
        errors.TooLarge: beyond the limit, without reading on.
        errors.TooManyRequests: when the bodies of other requests leave no room for it.
        errors.BadRequest: when it ends early or its encoding is broken.
    """
    if not request.can_read_body:
        return b""
    if (request.content_length or 0) > bodies.LARGEST_REQUEST_BYTES:
        raise bodies.too_large()
    parts, size = [], 0
    try:
        if request.content.is_eof():  # It came together with its head, as most do: nothing has to be waited for.
            body = request.content.read_nowait()
            take(len(body))
            return body
        async with asyncio.timeout(SLOWEST_BODY_SECONDS):
            async for part in request.content.iter_any():
                size += len(part)
                if size > bodies.LARGEST_REQUEST_BYTES:
                    raise bodies.too_large()
                take(len(part))
                parts.append(part)
    except TimeoutError as error:
        raise errors.BadRequest("unable to read the request body: it took too long") from error
    except web.RequestPayloadError as error:
        raise errors.BadRequest(f"unable to read the request body: {error}") from error
    return b"".join(parts)


def repeated(call: Call, content_type: str, value: Any) -> tuple[str, ...]:
    """Return what is to be said of fields that the body has more than once, if that is wanted."""
    if call.asked.options.field_validation == "Ignore":
        return ()
    return bodies.twice(call.body, content_type, value)


def configuration(call: Call) -> service_apply.Configuration:
    """Return what a request applies."""
    options = call.asked.options
    return service_apply.Configuration(body=service_apply.read(call.body), force=options.force,
                                       field_validation=options.field_validation)


def patch_type(content_type: str, resource: scheme.Resource | None = None) -> str:
    """Return the kind of patch. Raises errors.UnsupportedMediaType."""
    media = bodies.media_type(content_type)
    # What a strategic merge patch does is in the built-in types; nobody can know it of a custom kind.
    known = tuple(each for each in PATCH_TYPES
                  if each != STRATEGIC_PATCH or not isinstance(resource, custom.CustomResource))
    if media not in known:
        raise errors.UnsupportedMediaType("the body of the request was in an unknown format - accepted media types "
                                          f"include: {', '.join(known)}")
    return media


def patched(media: str, kind: type[meta.Object], current: dict[str, Any], body: Any) -> dict[str, Any]:
    """Return the object with the patch applied."""
    if media == JSON_PATCH:
        return patch.json_patch(current, body)
    change = bodies.mapping(body)
    if media == MERGE_PATCH:
        return patch.merge_patch(current, change)
    return patch.strategic_merge_patch(kind, current, change)


def not_served() -> errors.NotFound:
    """Return the 404 of a path nothing is behind."""
    return errors.NotFound("the server could not find the requested resource", details={})


def not_allowed() -> errors.MethodNotAllowed:
    """Return the 405 of a verb that a resource does not have."""
    return errors.MethodNotAllowed("the server does not allow this method on the requested resource", details={})
