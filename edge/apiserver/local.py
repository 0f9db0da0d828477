"""The API for the loops of this process: typed, without HTTP, over the same service.

Objects are shared between readers; they cannot change.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, TypeVar, cast

import msgspec

from edge.api import codec, core, errors, meta, scheme
from edge.api import patch as patches
from edge.apiserver import deletion, service_subresources, service_watch, watching
from edge.apiserver.authenticate import User
from edge.apiserver.paths import Options
from edge.apiserver.service import Service
from edge.apiserver.write import SERVER, Write
from edge.client.interface import Listing, WatchEvent
from edge.store.interface import Record

O = TypeVar("O", bound=meta.Object)  # noqa: E741
_FOREVER_SECONDS = 10**9


class LocalClient:
    """`edge.client.interface.Client` in the server's own process, as `system:edge-server`."""

    def __init__(self, service: Service, user: User = SERVER) -> None:
        self._service = service
        self._write = Write(user=user, manager="edge-server")

    def resources(self) -> tuple[scheme.Resource, ...]:
        return self._service.catalog.resources()

    async def get(self, kind: type[O], name: str, namespace: str = "") -> O:
        resource = self._of_type(kind)
        return self._typed(kind, self._service.get(resource, namespace, name))

    async def list(self, kind: type[O], namespace: str = "", *, labels: str = "", fields: str = "") -> Listing[O]:
        found = self._service.list(self._of_type(kind), namespace,
                                   Options(label_selector=labels, field_selector=fields))
        return Listing(tuple(self._typed(kind, record) for record in found.records), str(found.revision))

    async def watch(self, kind: type[O], namespace: str = "", *, resource_version: str, labels: str = "",
                    fields: str = "") -> AsyncIterator[WatchEvent[O]]:
        resource = self._of_type(kind)
        options = Options(label_selector=labels, field_selector=fields, resource_version=resource_version,
                          bookmarks=True, timeout_seconds=_FOREVER_SECONDS)
        async with contextlib.aclosing(service_watch.watch(self._service, resource, namespace, options)) as notices:
            async for together in notices:
                for notice in together:
                    yield WatchEvent(notice.type, self._of_notice(kind, notice))

    async def create(self, obj: O) -> O:
        record = await self._service.create(self._of_type(type(obj)), obj.metadata.namespace, obj, self._write)
        return self._typed(type(obj), record)

    async def update(self, obj: O) -> O:
        return await self._update(obj, "")

    async def update_status(self, obj: O) -> O:
        return await self._update(obj, "status")

    async def patch(self, kind: type[O], name: str, namespace: str, patch: dict[str, Any], *,
                    subresource: str = "") -> O:
        resource = self._of_type(kind)

        def change(old: meta.Object) -> meta.Object:
            return codec.decode(resource, patches.merge_patch(codec.to_dict(old), patch))

        return self._typed(kind, await self._service.update(resource, namespace, name, change,
                                                            replace(self._write, subresource=subresource)))

    async def delete(self, kind: type[O], name: str, namespace: str = "", *, uid: str = "",
                     grace_period_seconds: int | None = None, propagation_policy: str = "") -> None:
        await self._service.delete(self._of_type(kind), namespace, name, deletion.DeleteOptions(
            uid=uid, grace_period_seconds=grace_period_seconds, propagation_policy=propagation_policy), self._write)

    async def bind(self, name: str, namespace: str, node: str, *, uid: str = "") -> None:
        wanted = core.Binding(metadata=meta.ObjectMeta(name=name, namespace=namespace, uid=uid),
                              target=meta.ObjectReference(kind="Node", name=node))
        await service_subresources.bind(self._service, namespace, name, wanted)

    async def _update(self, obj: O, subresource: str) -> O:
        resource = self._of_type(type(obj))
        record = await self._service.update(resource, obj.metadata.namespace, obj.metadata.name, lambda old: obj,
                                            replace(self._write, subresource=subresource))
        return self._typed(type(obj), record)

    def _of_type(self, kind: type[meta.Object]) -> scheme.Resource:
        """Return the resource. Raises errors.NotFound when its definition has gone."""
        try:
            return self._service.catalog.of_type(kind)
        except KeyError as error:
            raise errors.NotFound("the server could not find the requested resource", details={}) from error

    def _typed(self, kind: type[O], record: Record) -> O:
        resource = self._of_type(kind)
        if kind is not resource.type:
            return msgspec.json.decode(record.value, type=kind)  # the metadata alone
        return cast(O, self._service.decode(resource, record))

    def _of_notice(self, kind: type[O], notice: watching.Notice) -> O:
        if notice.type == watching.BOOKMARK:
            return msgspec.json.decode(notice.value, type=kind)
        return self._typed(kind, Record(notice.key, notice.value, notice.revision, notice.revision))
