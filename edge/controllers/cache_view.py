"""The shared caches as controllers and expectations see them: read-only, of every kind anybody has asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar, cast

from edge.api import custom, meta, scheme
from edge.api.resource import Resource
from edge.client import cache, view
from edge.client.interface import Client
from edge.controllers import indexes

O = TypeVar("O", bound=meta.Object)  # noqa: E741 - the letter edge.client.interface uses


class CacheView:
    """See the module."""

    def __init__(self, client: Client, caches: cache.SharedCaches) -> None:
        self._shared = caches
        self._client = client
        self._caches: dict[type[meta.Object], cache.Cache[Any]] = {}
        self._revisions: dict[type[meta.Object], int] = {}

    def prepare(self, kind: type[O]) -> cache.Cache[O]:
        """Return the cache of a kind, with the indexes of controllers."""
        found = self._caches.get(kind)
        if found is None:
            found = self._caches[kind] = self._shared.of(kind)
            found.add_index(indexes.OWNER, indexes.claim)
            found.listen(self._note)
        return cast("cache.Cache[O]", found)

    def drop(self, kind: type[meta.Object]) -> None:
        """Forget a kind that is no longer served."""
        if self._caches.pop(kind, None) is not None:
            self._shared.drop(kind)

    def resources(self) -> tuple[Resource, ...]:
        return self._client.resources()

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        return scheme.of_kind(api_version, kind) or next(
            (found for found in custom.among(self._client.resources()) if found.serves(api_version, kind)), None)

    def get(self, kind: type[O], name: str, namespace: str = "") -> O | None:
        found = self._of(kind)
        return None if found is None else found.get(view.key(name, namespace))

    def all(self, kind: type[O], namespace: str = "") -> Iterable[O]:
        found = self._of(kind)
        if found is None:
            return ()
        return found.by_index("namespace", namespace) if namespace else found.items()

    def indexed(self, kind: type[O], index: str, value: str) -> Iterable[O]:
        found = self._of(kind)
        return () if found is None else found.by_index(index, value)

    def revision(self, kind: type[meta.Object]) -> int:
        return self._revisions.get(kind, 0)

    def _of(self, kind: type[O]) -> cache.Cache[O] | None:
        """Return the cache; of a custom kind there is none before its first and after its last moment."""
        return cast("cache.Cache[O] | None", self._caches.get(kind))

    def _note(self, old: meta.Object | None, new: meta.Object | None) -> None:
        obj = new or old
        if obj is not None:
            revision = int(obj.metadata.resource_version or 0)
            self._revisions[type(obj)] = max(revision, self._revisions.get(type(obj), 0))
