"""What is served right now: the built-in kinds, and those that CustomResourceDefinitions add.

https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/custom-resources/
"""

from __future__ import annotations

from collections.abc import Callable

from edge.api import custom, meta, scheme


class Catalog:
    """Every resource by path, kind and type. Custom ones are asked for each time, so that a new one is there at once.

    `customs` returns them as one tuple, the same one until something has changed.
    """

    def __init__(self, customs: Callable[[], tuple[custom.CustomResource, ...]] = tuple) -> None:
        self._customs = customs
        self._known: tuple[custom.CustomResource, ...] = ()
        self._all = scheme.resources()
        self._by_path: dict[tuple[str, str], scheme.Resource] = {}
        self._by_kind: dict[tuple[str, str], scheme.Resource] = {}
        self._by_type: dict[type[meta.Object], scheme.Resource] = {}

    def resources(self) -> tuple[scheme.Resource, ...]:
        """Return every resource, the built-in ones first: the same tuple until something has changed."""
        self._look()
        return self._all

    def customs(self) -> tuple[custom.CustomResource, ...]:
        """Return the custom resources."""
        self._look()
        return self._known

    def find(self, group: str, version: str, plural: str) -> scheme.Resource | None:
        """Return the resource served at that path, or None."""
        found = scheme.find(group, version, plural)
        if found is None:
            self._look()
            found = self._by_path.get((f"{group}/{version}", plural))
        return found

    def of_kind(self, api_version: str, kind: str) -> scheme.Resource | None:
        """Return the resource of a manifest's `apiVersion` and `kind`, or None."""
        found = scheme.of_kind(api_version, kind)
        if found is None:
            self._look()
            found = self._by_kind.get((api_version, kind))
        return found

    def of_type(self, kind: type[meta.Object]) -> scheme.Resource:
        """Return the resource of a type. Raises KeyError for one that is not served."""
        self._look()
        return self._by_type.get(kind) or scheme.of_type(kind)

    def _look(self) -> None:
        now = self._customs()
        if now is self._known:
            return
        self._known, self._all = now, (*scheme.resources(), *now)
        served = [(f"{resource.group}/{name}", resource) for resource in now for name in resource.versions]
        self._by_path = {(version, resource.plural): resource for version, resource in served}
        self._by_kind = {(version, resource.kind): resource for version, resource in served}
        self._by_type = {kind: resource for resource in now for kind in (resource.type, resource.stub)}
