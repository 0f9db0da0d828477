"""The in-memory API served over HTTP, as far as the HTTP client's contract needs it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from edge.api import core, errors, scheme
from edge.api.resource import Resource
from tests.fakes.client import FakeClient

API = web.AppKey("API", FakeClient)


def application(api: FakeClient) -> web.Application:
    """Return a server of that API."""
    app = web.Application(middlewares=[_as_status])
    app[API] = api
    for root in ("/api/{version}", "/apis/{group}/{version}"):
        for scope in ("/namespaces/{namespace}", ""):
            app.router.add_route("*", f"{root}{scope}/{{plural}}", _collection)
            app.router.add_route("*", f"{root}{scope}/{{plural}}/{{name}}", _object)
            app.router.add_route("*", f"{root}{scope}/{{plural}}/{{name}}/{{subresource}}", _object)
    app.router.add_get("/echo", _echo)
    app.router.add_post("/echo", _echo)
    return app


@web.middleware
async def _as_status(request: web.Request,
                     handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    try:
        return await handler(request)
    except errors.ApiError as error:
        return web.json_response(error.status(), status=error.code)


def _resource(request: web.Request) -> Resource:
    where = request.match_info
    resource = scheme.find(where.get("group", ""), where["version"], where["plural"])
    if resource is None:
        raise errors.NotFound("the server could not find the requested resource")
    return resource


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


async def _collection(request: web.Request) -> web.StreamResponse:
    resource, api = _resource(request), request.app[API]
    if request.method == "POST":
        return _json(await api.create(msgspec.json.decode(await request.read(), type=resource.type)))
    namespace, selector = request.match_info.get("namespace", ""), request.query.get("labelSelector", "")
    if request.query.get("watch") == "true":
        return await _watch(request, resource, namespace, selector)
    listing = await api.list(resource.type, namespace, labels=selector)
    return _json({"kind": f"{resource.kind}List", "metadata": {"resourceVersion": listing.resource_version},
                  "items": listing.items})


async def _watch(request: web.Request, resource: Resource, namespace: str, selector: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    bookmark = {"type": "BOOKMARK", "object": {"kind": resource.kind, "metadata": {"resourceVersion": "1"}}}
    await response.write(json.dumps(bookmark).encode() + b"\n")
    try:
        events = request.app[API].watch(resource.type, namespace, labels=selector,
                                          resource_version=request.query["resourceVersion"])
        async for event in events:
            line = msgspec.json.encode({"type": event.type, "object": event.object}) + b"\n"
            # In two pieces, since a network cuts where it likes.
            await response.write(line[:40])
            await response.write(line[40:])
    except errors.ApiError as error:
        await response.write(msgspec.json.encode({"type": "ERROR", "object": error.status()}) + b"\n")
    return response


async def _object(request: web.Request) -> web.StreamResponse:
    where, api, kind = request.match_info, request.app[API], _resource(request).type
    name, namespace, subresource = where["name"], where.get("namespace", ""), where.get("subresource", "")
    body = await request.read()
    if request.method == "PUT":
        obj = msgspec.json.decode(body, type=kind)
        return _json(await (api.update_status(obj) if subresource == "status" else api.update(obj)))
    if request.method == "PATCH":
        assert request.content_type == "application/merge-patch+json"
        return _json(await api.patch(kind, name, namespace, msgspec.json.decode(body), subresource=subresource))
    if request.method == "DELETE":
        options = msgspec.json.decode(body)
        await api.delete(kind, name, namespace, uid=options.get("preconditions", {}).get("uid", ""))
        return _json({"kind": "Status", "status": "Success"})
    if subresource == "binding":
        binding = msgspec.json.decode(body, type=core.Binding)
        await api.bind(name, namespace, binding.target.name, uid=binding.metadata.uid)
        return _json({"kind": "Status", "status": "Success"})
    return _json(await api.get(kind, name, namespace))


async def _echo(request: web.Request) -> web.StreamResponse:
    return _json({"method": request.method, "query": dict(request.query), "body": (await request.read()).decode(),
                  "headers": dict(request.headers)})
