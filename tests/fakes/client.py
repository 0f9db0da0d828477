"""An API in memory behind the Client interface: no validation and no defaults, only verbs, revisions and watches.

Faults to order: `down` makes every call and watch fail, `expire()` forgets the history, `cut()` ends open watches.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import msgspec

from edge.api import core, errors, labels, meta, scheme
from edge.client.interface import Listing, O, WatchEvent

S = TypeVar("S")
Key = tuple[type[meta.Object], str, str]


class FakeClient:
    """See the module."""

    def __init__(self) -> None:
        self.down = False
        self.lists = 0
        self.watches = 0
        self._objects: dict[Key, Any] = {}
        self._revision = 1
        self._history: list[tuple[int, str, Any]] = []
        self._start = 1
        self._cuts = 0
        self._changed: asyncio.Future[None] | None = None

    def expire(self) -> None:
        """Forget what happened and end the watches: only a new listing helps."""
        self._revision += 1
        self._history, self._start = [], self._revision
        self.cut()

    def cut(self) -> None:
        """End every open watch, without an error."""
        self._cuts += 1
        self._wake()

    def resources(self) -> tuple[scheme.Resource, ...]:
        return scheme.resources()

    async def get(self, kind: type[O], name: str, namespace: str = "") -> O:
        self._refuse_when_down()
        found: O | None = self._objects.get((kind, namespace, name))
        if found is None:
            raise errors.not_found(scheme.of_type(kind).group_resource, name)
        return found

    async def list(self, kind: type[O], namespace: str = "", *, labels: str = "", fields: str = "") -> Listing[O]:
        self._refuse_when_down()
        self.lists += 1
        found = [obj for (of, _, _), obj in sorted(self._objects.items(), key=lambda item: item[0][1:])
                 if of is kind and _selected(obj, namespace, labels)]
        return Listing(tuple(found), str(self._revision))

    async def watch(self, kind: type[O], namespace: str = "", *, resource_version: str, labels: str = "",
                    fields: str = "") -> AsyncIterator[WatchEvent[O]]:
        self._refuse_when_down()
        self.watches += 1
        position, cuts = int(resource_version), self._cuts
        if position < self._start:
            raise errors.Expired(f"too old resource version: {position} ({self._start})")
        while True:
            for revision, type_, obj in [entry for entry in self._history if entry[0] > position]:
                position = revision
                if isinstance(obj, kind) and _selected(obj, namespace, labels):
                    yield WatchEvent(type_, obj)
            if self._cuts > cuts:
                return
            self._refuse_when_down()
            if self._revision <= position or not self._history:
                self._changed = self._changed or asyncio.get_running_loop().create_future()
                await asyncio.shield(self._changed)

    async def create(self, obj: O) -> O:
        self._refuse_when_down()
        key = (type(obj), obj.metadata.namespace, obj.metadata.name)
        if key in self._objects:
            raise errors.already_exists(scheme.of_type(type(obj)).group_resource, obj.metadata.name)
        uid = obj.metadata.uid or f"uid-{self._revision + 1}"
        return self._write("ADDED", msgspec.structs.replace(obj, metadata=_with(obj.metadata, uid=uid)))

    async def update(self, obj: O) -> O:
        old = await self.get(type(obj), obj.metadata.name, obj.metadata.namespace)
        if obj.metadata.resource_version not in ("", old.metadata.resource_version):
            raise errors.conflict(scheme.of_type(type(obj)).group_resource, obj.metadata.name)
        changes = {"status": old.status} if hasattr(old, "status") else {}
        metadata = _with(obj.metadata, uid=old.metadata.uid)
        return self._write("MODIFIED", msgspec.structs.replace(obj, metadata=metadata, **changes))

    async def update_status(self, obj: O) -> O:
        old = await self.get(type(obj), obj.metadata.name, obj.metadata.namespace)
        if obj.metadata.resource_version not in ("", old.metadata.resource_version):
            raise errors.conflict(scheme.of_type(type(obj)).group_resource, obj.metadata.name)
        status: Any = getattr(obj, "status")  # noqa: B009 - only some kinds have one
        return self._write("MODIFIED", msgspec.structs.replace(old, status=status))

    async def patch(self, kind: type[O], name: str, namespace: str, patch: dict[str, Any], *,
                    subresource: str = "") -> O:
        old = await self.get(kind, name, namespace)
        merged = _merge(msgspec.to_builtins(old), patch)
        return self._write("MODIFIED", msgspec.convert(merged, kind))

    async def delete(self, kind: type[O], name: str, namespace: str = "", *, uid: str = "",
                     grace_period_seconds: int | None = None, propagation_policy: str = "") -> None:
        old = await self.get(kind, name, namespace)
        if uid not in ("", old.metadata.uid):
            raise errors.conflict(scheme.of_type(kind).group_resource, name, "the uid in the precondition differs")
        self._write("DELETED", old)

    async def bind(self, name: str, namespace: str, node: str, *, uid: str = "") -> None:
        pod = await self.get(core.Pod, name, namespace)
        if pod.spec.node_name or uid not in ("", pod.metadata.uid):
            raise errors.conflict("pods/binding", name, f"pod {name} is already assigned to node {pod.spec.node_name}")
        self._write("MODIFIED", _with(pod, spec=_with(pod.spec, node_name=node)))

    def _write(self, type_: str, obj: O) -> O:
        self._revision += 1
        resource = scheme.of_type(type(obj))
        stored = msgspec.structs.replace(obj, api_version=resource.api_version, kind=resource.kind,
                                         metadata=_with(obj.metadata, resource_version=str(self._revision)))
        key = (type(obj), obj.metadata.namespace, obj.metadata.name)
        if type_ == "DELETED":
            del self._objects[key]
        else:
            self._objects[key] = stored
        self._history.append((self._revision, type_, stored))
        self._wake()
        return stored

    def _wake(self) -> None:
        changed, self._changed = self._changed, None
        if changed and not changed.done():
            changed.set_result(None)

    def _refuse_when_down(self) -> None:
        if self.down:
            raise errors.Unavailable("the API is down")


def _with(struct: S, **changes: Any) -> S:
    replaced: S = msgspec.structs.replace(struct, **changes)  # type: ignore[type-var]
    return replaced


def _selected(obj: meta.Object, namespace: str, selector: str) -> bool:
    return namespace in ("", obj.metadata.namespace) and (
        not selector or labels.parse(selector).matches(obj.metadata.labels))


def _merge(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged
