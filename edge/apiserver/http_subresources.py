"""Answers requests for the subresources that are bodies of their own: scale, binding, eviction, token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from edge.api import autoscaling, codec, core, policy
from edge.apiserver import (
    account_tokens,
    bodies,
    http_answers,
    render,
    service_apply,
    service_eviction,
    service_subresources,
    write_options,
)
from edge.apiserver.account_tokens import SignToken
from edge.apiserver.http_call import Call, configuration, not_allowed, patch_type, patched
from edge.apiserver.service import Service


class Subresources:
    """The subresources of a server over HTTP."""

    def __init__(self, service: Service, sign_token: SignToken | None = None) -> None:
        self._service = service
        self._sign_token = sign_token
        self._posts: dict[str, Callable[[Call], Awaitable[web.StreamResponse]]] = {
            "binding": self._bind, "eviction": self._evict, "token": self._token}

    def knows(self, name: str) -> bool:
        """Return whether requests for the subresource are answered here."""
        return name == "scale" or name in self._posts

    async def serve(self, call: Call) -> web.StreamResponse:
        """Answer one request. Raises errors.ApiError."""
        asked = call.asked
        if asked.subresource == "scale":
            return await self._scale(call)
        if asked.verb != "create":
            raise not_allowed()
        write_options.check(asked)
        return await self._posts[asked.subresource](call)

    async def _scale(self, call: Call) -> web.StreamResponse:
        asked, resource = call.asked, call.resource
        if asked.verb == "get":
            found = service_subresources.get_scale(self._service, resource, asked.namespace, asked.name)
            return http_answers.as_json(call.http, found)
        if asked.verb not in ("update", "patch"):
            raise not_allowed()
        media = patch_type(call.content_type) if asked.verb == "patch" else ""
        write_options.check(asked, applies=media == service_apply.MEDIA_TYPE)
        if media == service_apply.MEDIA_TYPE:
            applied = await service_apply.put_scale(self._service, resource, asked.namespace, asked.name,
                                                    configuration(call), call.write)
            return http_answers.as_json(call.http, service_subresources.scale_of(resource, applied.record))
        body = bodies.read(call.body, "application/json" if media else call.content_type)

        def change(current: autoscaling.Scale) -> autoscaling.Scale:
            wanted = patched(media, autoscaling.Scale, codec.to_dict(current), body) if media else bodies.mapping(body)
            return codec.decode_struct(autoscaling.Scale, wanted)

        done = await service_subresources.set_scale(self._service, resource, asked.namespace, asked.name, change,
                                                    call.write)
        return http_answers.as_json(call.http, done.scale)

    async def _bind(self, call: Call) -> web.StreamResponse:
        return await self.bind(call, call.asked.name, codec.decode_struct(core.Binding, call.raw))

    async def bind(self, call: Call, pod: str, wanted: core.Binding) -> web.StreamResponse:
        """Place a pod on a node."""
        await service_subresources.bind(self._service, call.asked.namespace, pod, wanted,
                                        dry_run=call.asked.options.dry_run)
        return http_answers.as_json(call.http, render.success(code=201), 201)

    async def _evict(self, call: Call) -> web.StreamResponse:
        asked = call.asked
        await service_eviction.evict(self._service, asked.namespace, asked.name,
                                     codec.decode_struct(policy.Eviction, call.raw), call.write)
        return http_answers.as_json(call.http, render.success(code=201), 201)

    async def _token(self, call: Call) -> web.StreamResponse:
        made = account_tokens.answer(self._service.lookup, call.asked.namespace, call.asked.name, call.raw, call.user,
                                     self._sign_token)
        return http_answers.as_json(call.http, made, 201)
