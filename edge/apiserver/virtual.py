"""Kinds that are worked out for each request and never stored: component statuses, and what nodes and pods use.

They can be got and listed, selected and printed like any other; there is nothing to watch. Reviews are created: they
are questions, and come back with their answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from edge.api import codec, errors, meta
from edge.api.scheme import Resource
from edge.apiserver import selection
from edge.apiserver.authenticate import User
from edge.apiserver.listing import Listing
from edge.apiserver.lookup import key_of
from edge.apiserver.paths import Options
from edge.store.interface import Record

Provider = Callable[[str], Awaitable[Sequence[meta.Object]]]
"""Returns the objects of one namespace, or of all of them for an empty one."""
Answer = Callable[[Any, str, User], meta.Object]
"""Returns a question with its answer; it was sent to a namespace, or to none, by a user. Raises errors.ApiError."""


def fixed(make: Callable[[], Sequence[meta.Object]]) -> Provider:
    """Return the provider of cluster-wide objects that need no waiting."""
    async def provide(_namespace: str) -> Sequence[meta.Object]:
        return make()
    return provide


class Virtual:
    """The virtual kinds of a server, by type."""

    def __init__(self, providers: Mapping[type[meta.Object], Provider],
                 answers: Mapping[type[meta.Object], Answer] | None = None) -> None:
        self._providers = providers
        self._answers = answers or {}

    def create(self, resource: Resource, namespace: str, obj: meta.Object, user: User) -> meta.Object:
        """Return the question with its answer. Raises errors.ApiError."""
        return self._answers[resource.type](obj, namespace, user)

    async def get(self, resource: Resource, namespace: str, name: str) -> Record:
        """Return one object. Raises errors.NotFound."""
        for obj in await self._objects(resource, namespace):
            if obj.metadata.name == name and obj.metadata.namespace == namespace:
                return _record(resource, obj)
        raise errors.not_found(resource.group_resource, name)

    async def list(self, resource: Resource, namespace: str, options: Options, revision: int) -> Listing:
        """Return all that is selected. Raises errors.BadRequest for a bad selector."""
        selected = selection.parse(resource, options.label_selector, options.field_selector)
        records = [_record(resource, obj) for obj in await self._objects(resource, namespace)]
        return Listing(tuple(record for record in records if selected.matches(record.value)), revision)

    async def _objects(self, resource: Resource, namespace: str) -> Sequence[meta.Object]:
        provider = self._providers.get(resource.type)
        return () if provider is None else await provider(namespace)


def _record(resource: Resource, obj: meta.Object) -> Record:
    return Record(key_of(resource, obj.metadata.namespace, obj.metadata.name), codec.encode(obj), 0, 0)
