"""How every part of the system but the API server itself sees the API. Errors are `edge.api.errors`.

The server's loops get an implementation in the same process, everyone else one over HTTPS; both pass one contract
suite.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from edge.api import meta
from edge.api.resource import Resource

O = TypeVar("O", bound=meta.Object)  # noqa: E741 - the one letter every signature here uses


@dataclass(frozen=True, slots=True)
class Listing(Generic[O]):
    """A consistent listing and the revision to watch from."""

    items: tuple[O, ...]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent(Generic[O]):
    """ADDED, MODIFIED, DELETED with the object, or BOOKMARK with an object that has only a resourceVersion."""

    type: str
    object: O


class Client(Protocol):
    """Typed verbs. A kind is named by its Struct type: `await client.get(core.Pod, "web", "default")`."""

    def resources(self) -> tuple[Resource, ...]:
        """Return what the server serves, as far as it is known here: the same tuple until that changes."""
        ...

    async def get(self, kind: type[O], name: str, namespace: str = "") -> O: ...

    async def list(self, kind: type[O], namespace: str = "", *, labels: str = "", fields: str = "") -> Listing[O]:
        """List; an empty namespace means all of them. Selectors are written as in a URL: `app=web,tier!=db`."""
        ...

    def watch(self, kind: type[O], namespace: str = "", *, resource_version: str, labels: str = "",
              fields: str = "") -> AsyncIterator[WatchEvent[O]]:
        """Yield changes after that revision until closed. Raises errors.Expired when the revision is gone."""
        ...

    async def create(self, obj: O) -> O: ...

    async def update(self, obj: O) -> O:
        """Replace; a set `metadata.resource_version` must still be current (errors.Conflict)."""
        ...

    async def update_status(self, obj: O) -> O:
        """Replace the status (and nothing else)."""
        ...

    async def patch(self, kind: type[O], name: str, namespace: str, patch: dict[str, Any], *,
                    subresource: str = "") -> O:
        """Apply a JSON merge patch (RFC 7396)."""
        ...

    async def delete(self, kind: type[O], name: str, namespace: str = "", *, uid: str = "",
                     grace_period_seconds: int | None = None, propagation_policy: str = "") -> None:
        """Delete; with `uid`, only that very object (errors.Conflict otherwise)."""
        ...

    async def bind(self, name: str, namespace: str, node: str, *, uid: str = "") -> None:
        """Bind a pod to a node (the `binding` subresource)."""
        ...
