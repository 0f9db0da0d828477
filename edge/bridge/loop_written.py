"""The newest that is known of an object: what the view shows, or what was written here and the view does not show yet.

Effects: asks the API.
"""

from __future__ import annotations

from edge.api import errors, meta
from edge.bridge import interface
from edge.client.interface import Client

ATTEMPTS = 5
"""How often a write is made again on what is stored by then, when somebody else was faster."""


class Written:
    """A view, and what has been written since."""

    def __init__(self, view: interface.View, client: Client) -> None:
        self._view = view
        self._client = client
        self._written: dict[str, meta.Object] = {}
        """By uid."""

    def newest(self, kind: type[interface.O], name: str, namespace: str = "") -> interface.O | None:
        """Return the object as the view shows it, or as it was written here since."""
        shown = self._view.get(kind, name, namespace)
        if shown is None:
            return None
        written = self._written.get(shown.metadata.uid)
        return written if isinstance(written, kind) and _is_newer(written, shown) else shown

    async def fresh(self, kind: type[interface.O], name: str, namespace: str = "") -> interface.O | None:
        """Ask the API."""
        try:
            return await self._client.get(kind, name, namespace)
        except errors.NotFound:
            return None

    def keep(self, obj: interface.O) -> interface.O:
        """Note what the API has answered to a write, and return it."""
        shown = self._view.get(type(obj), obj.metadata.name, obj.metadata.namespace)
        if shown is None or _is_newer(obj, shown):
            self._written[obj.metadata.uid] = obj
        return obj

    def changed(self, old: meta.Object | None, new: meta.Object | None) -> None:
        """Take note of a change in the view."""
        subject = new if new is not None else old
        assert subject is not None
        written = self._written.get(subject.metadata.uid)
        if written is not None and (new is None or not _is_newer(written, new)):
            del self._written[subject.metadata.uid]


def _is_newer(one: meta.Object, other: meta.Object) -> bool:
    """Compare revisions; they are numbers within one server."""
    return _revision(one) > _revision(other)


def _revision(obj: meta.Object) -> int:
    text = obj.metadata.resource_version
    return int(text) if text.isdecimal() else 0
