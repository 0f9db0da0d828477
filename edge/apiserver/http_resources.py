"""Answers requests for resources: reads the body, calls the service, and writes what the client asked to see."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from edge.api import codec, core, custom, deprecations, errors, meta, scheme
from edge.apiserver import (
    authorize,
    bodies,
    body_room,
    content,
    delete_options,
    deletion,
    discovery,
    http_answers,
    list_options,
    render,
    service_apply,
    update_rules,
    watch_shares,
    write_options,
)
from edge.apiserver.account_tokens import SignToken
from edge.apiserver.authenticate import User
from edge.apiserver.decision import Decision
from edge.apiserver.http_call import (
    Call,
    configuration,
    not_allowed,
    not_served,
    patch_type,
    patched,
    read_body,
    repeated,
)
from edge.apiserver.http_subresources import Subresources
from edge.apiserver.http_watch import Streamer
from edge.apiserver.paths import ResourceRequest
from edge.apiserver.render import View
from edge.apiserver.service import Service
from edge.apiserver.virtual import Virtual

_OBJECT_SUBRESOURCES = ("", "status", "approval", "finalize", "ephemeralcontainers")


class Resources:
    """The verbs over HTTP."""

    def __init__(self, service: Service, sign_token: SignToken | None = None,
                 computed: Virtual | None = None,
                 allowed: Callable[[User, ResourceRequest], Decision] = lambda user, asked: Decision(True)) -> None:
        self._service = service
        self._allowed = allowed
        self._virtual = computed or Virtual({})
        self._subresources = Subresources(service, sign_token)
        self._streamer = Streamer(service)
        self._room = body_room.Room()
        self._shares = watch_shares.Shares()
        self._verbs: dict[str, Callable[[Call], Awaitable[web.StreamResponse]]] = {
            "get": self._get, "list": self._list, "watch": self._watch, "create": self._create,
            "update": self._update, "patch": self._patch, "delete": self._delete,
            "deletecollection": self._delete_collection}

    @property
    def watches(self) -> int:
        """How many watches are open."""
        return self._streamer.watches

    def end(self) -> None:
        """End every watch."""
        self._streamer.end()

    async def serve(self, request: web.BaseRequest, asked: ResourceRequest, resource: scheme.Resource,
                    user: User) -> web.StreamResponse:
        """Answer one request. Raises errors.ApiError."""
        wanted = content.negotiate(request.headers.get("Accept", ""), streams=asked.verb == "watch")
        view = View(resource, asked.api_version, wanted, self._service.clock.now,
                    asked.query.get("includeObject", [""])[0])
        with self._room.of_one() as take:
            body = await read_body(request, take) if request.method not in ("GET", "HEAD") else b""
            call = Call(request, asked, resource, view, user, body)
            if old := deprecation(resource, asked.api_version):
                call.warnings.append(old)
            answer = await self._answer(call)
        http_answers.warn(answer, call.warnings)
        return answer

    async def _answer(self, call: Call) -> web.StreamResponse:
        asked, resource = call.asked, call.resource
        if asked.subresource and asked.subresource not in resource.subresources:
            raise not_served()
        if self._subresources.knows(asked.subresource):
            return await self._subresources.serve(call)
        _check_scope(asked, resource)
        self._check_verb(call)
        return await self._verbs[asked.verb](call)

    def _check_verb(self, call: Call) -> None:
        asked = call.asked
        if asked.verb not in call.resource.verbs:
            raise not_allowed()
        if asked.subresource and (asked.subresource not in _OBJECT_SUBRESOURCES or asked.verb not in
                                  discovery.subresource(call.resource, asked.subresource)[3]):
            raise not_allowed()
        if ((asked.verb == "create") == bool(asked.name) and asked.verb not in ("list", "watch", "deletecollection")) \
                or (asked.verb in ("update", "patch", "delete", "get") and not asked.name):
            raise not_allowed()

    # --- reading

    async def _get(self, call: Call) -> web.StreamResponse:
        asked = call.asked
        if call.resource.virtual:
            record = await self._virtual.get(call.resource, asked.namespace, asked.name)
        else:
            self._service.check_fresh(asked.options)
            record = self._service.get(call.resource, asked.namespace, asked.name)
        return http_answers.answer(call.http, call.view.object(record.value),
                                   content_type=call.view.wanted.content_type)

    async def _list(self, call: Call) -> web.StreamResponse:
        asked = call.asked
        list_options.for_list(asked.options)
        if call.resource.virtual:
            listing = await self._virtual.list(call.resource, asked.namespace, asked.options,
                                               self._service.store.revision)
        else:
            listing = self._service.list(call.resource, asked.namespace, asked.options)
        return http_answers.answer(call.http, call.view.list(listing), content_type=call.view.wanted.content_type)

    async def _watch(self, call: Call) -> web.StreamResponse:
        options = list_options.for_watch(call.asked.options)
        if call.asked.name:
            own = f"metadata.name={call.asked.name}"
            fields = f"{options.field_selector},{own}" if options.field_selector else own
            options = dataclasses.replace(options, field_selector=fields)
        asked = dataclasses.replace(call.asked, options=options)
        with self._shares.of(call.user):
            return await self._streamer.run(call.http, asked, call.view, call.warnings)

    # --- writing

    def _decode(self, call: Call, raw: dict[str, Any], repeated: tuple[str, ...] = ()) -> bodies.Decoded:
        return bodies.decode(call.resource, call.asked.api_version, raw, call.asked.options.field_validation,
                             repeated=repeated)

    def _sent(self, call: Call) -> bodies.Decoded:
        """Return the object in the body."""
        raw = call.raw
        return self._decode(call, raw, repeated(call, call.content_type, raw))

    async def _create(self, call: Call) -> web.StreamResponse:
        write_options.check(call.asked)
        decoded = self._sent(call)
        if isinstance(decoded.obj, core.Binding):
            return await self._subresources.bind(call, decoded.obj.metadata.name, decoded.obj)
        if call.resource.virtual:
            made = self._virtual.create(call.resource, call.asked.namespace, decoded.obj, call.user)
            return http_answers.answer(call.http, call.view.object(codec.encode(made)), 201, warnings=decoded.warnings)
        record = await self._service.create(call.resource, call.asked.namespace, decoded.obj, call.write)
        return http_answers.answer(call.http, call.view.object(record.value), 201, warnings=decoded.warnings)

    async def _update(self, call: Call) -> web.StreamResponse:
        write_options.check(call.asked)
        decoded = self._sent(call)
        asked, resource = call.asked, call.resource
        update_rules.check(resource, decoded.obj, asked.namespace, asked.name)

        def change(_old: meta.Object) -> meta.Object:
            update_rules.check_revision(resource, decoded.obj)
            return decoded.obj

        status = 200
        try:
            record = await self._service.update(resource, asked.namespace, asked.name, change, call.write)
        except errors.NotFound:
            if not update_rules.may_create(resource, asked.subresource):
                raise
            self._may_create(call)
            record, status = await self._service.create_named(resource, asked.namespace, decoded.obj, call.write), 201
        return http_answers.answer(call.http, call.view.object(record.value), status, warnings=decoded.warnings)

    async def _patch(self, call: Call) -> web.StreamResponse:
        asked = call.asked
        media = patch_type(call.content_type, call.resource)
        write_options.check(asked, applies=media == service_apply.MEDIA_TYPE)
        if media == service_apply.MEDIA_TYPE:
            return await self._apply(call)
        body = bodies.read(call.body, "application/json")
        twice = repeated(call, "application/json", body)
        warnings: list[str] = []

        def change(old: meta.Object) -> meta.Object:
            current = scheme.to_version(call.resource, asked.api_version, codec.to_dict(old))
            decoded = self._decode(call, patched(media, call.resource.type, current, body), twice)
            warnings[:] = decoded.warnings
            return decoded.obj

        record = await self._service.update(call.resource, asked.namespace, asked.name, change, call.write)
        return http_answers.answer(call.http, call.view.object(record.value), warnings=warnings)

    async def _apply(self, call: Call) -> web.StreamResponse:
        asked = call.asked
        done = await service_apply.put(self._service, call.resource, asked.namespace, asked.name, configuration(call),
                                       call.write, lambda: self._may_create(call))
        return http_answers.answer(call.http, call.view.object(done.record.value), 201 if done.created else 200,
                                   warnings=done.warnings)

    def _may_create(self, call: Call) -> None:
        """Raise errors.Forbidden for who may patch and not create: a patch that applies does either."""
        wanted = dataclasses.replace(call.asked, verb="create")
        decision = self._allowed(call.user, wanted)
        if not decision.allowed:
            raise authorize.forbidden(call.user, wanted, decision.reason)

    def _delete_options(self, call: Call) -> deletion.DeleteOptions:
        write_options.check(call.asked)
        found = delete_options.read(call.asked.options, call.raw if call.body.strip() else {}, call.asked.api_version,
                                    call.resource.kind)
        if told := delete_options.warning(found, call.resource.kind):
            call.warnings.append(told)
        return found

    async def _delete(self, call: Call) -> web.StreamResponse:
        resource, asked = call.resource, call.asked
        done = await self._service.delete(resource, asked.namespace, asked.name, self._delete_options(call), call.write)
        if not done.removed or resource.returns_deleted:
            return http_answers.answer(call.http, call.view.object(done.record.value))
        uid = msgspec.json.decode(done.record.value, type=meta.Object).metadata.uid
        return http_answers.as_json(call.http, render.success(
            {"name": asked.name, "group": resource.group, "kind": resource.plural, "uid": uid}))

    async def _delete_collection(self, call: Call) -> web.StreamResponse:
        list_options.for_list(call.asked.options)
        listing = await self._service.delete_collection(call.resource, call.asked.namespace, call.asked.options,
                                                        self._delete_options(call), call.write)
        return http_answers.answer(call.http, call.view.list(listing))


def _check_scope(asked: ResourceRequest, resource: scheme.Resource) -> None:
    """Refuse paths Kubernetes does not have: cluster-wide kinds in a namespace, writes across all namespaces."""
    if not resource.namespaced and asked.namespace and resource.type is not core.Namespace:
        raise not_served()
    if resource.namespaced and not asked.namespace:
        if asked.name:
            raise not_served()
        if asked.verb not in ("list", "watch"):
            raise not_allowed()


def deprecation(resource: scheme.Resource, api_version: str) -> str:
    """Return what a client of an old version is told; empty for others."""
    if isinstance(resource, custom.CustomResource):
        version = resource.version_of(api_version)
        return version.warning if version else ""
    return deprecations.warning(api_version, resource.kind)
