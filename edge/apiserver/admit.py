"""Admission: what a write has to pass between its defaults and the store, as a chain of plugins.

Plugins that change an object come first, then validation, then those that only judge. Each says which writes concern
it, so that all others do not even ask.
https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from edge.api import meta, scheme
from edge.apiserver.deletion import DeleteOptions
from edge.apiserver.write import Write

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """One write on its way in. Objects are in the stored version."""

    operation: Operation
    resource: scheme.Resource
    namespace: str
    name: str
    """Empty while a generated name is not known."""
    write: Write
    obj: meta.Object | None = None
    """What is to be stored; None for DELETE."""
    old: meta.Object | None = None
    """What is stored; None for CREATE."""
    options: DeleteOptions | None = None


class Plugin:
    """One rule of admission. It overrides what it needs."""

    name = ""

    def concerns(self, resource: scheme.Resource, operation: Operation, subresource: str) -> bool:
        """Return whether writes like this have to be shown to the plugin; asked once and remembered."""
        raise NotImplementedError

    async def admit(self, request: Attributes) -> meta.Object | None:
        """Return the object, changed or not. Raises errors.ApiError to refuse the write."""
        return request.obj

    async def validate(self, request: Attributes) -> None:
        """Judge what is to be stored, after all changes and validation. Raises errors.ApiError to refuse it.

        `request.write.warn` tells the client something without refusing.
        """

    async def done(self, request: Attributes) -> None:
        """Let go of what `validate` took for the write: it is stored and visible now, or it has failed."""


class Chain:
    """The plugins of a server, in order."""

    def __init__(self, plugins: Sequence[Plugin] = ()) -> None:
        self._plugins = tuple(plugins)
        self._concerned: dict[tuple[type[meta.Object], str, str], tuple[Plugin, ...]] = {}

    async def admit(self, request: Attributes) -> Attributes:
        """Return the request with its object as all plugins want it. Raises what a plugin refuses it with."""
        for plugin in self._of(request):
            obj = await plugin.admit(request)
            if obj is not request.obj:
                request = replace(request, obj=obj)
        return request

    async def validate(self, request: Attributes) -> None:
        """Raise what a plugin refuses the write with."""
        for plugin in self._of(request):
            await plugin.validate(request)

    async def done(self, request: Attributes) -> None:
        """Tell the plugins that a write they were shown is stored, or has failed."""
        for plugin in self._of(request):
            await plugin.done(request)

    def concerns(self, request: Attributes) -> bool:
        """Return whether any plugin wants to see the request."""
        return bool(self._of(request))

    def _of(self, request: Attributes) -> tuple[Plugin, ...]:
        key = (request.resource.type, request.operation, request.write.subresource)
        found = self._concerned.get(key)
        if found is None:
            found = self._concerned[key] = tuple(
                plugin for plugin in self._plugins
                if plugin.concerns(request.resource, request.operation, request.write.subresource))
        return found
