"""Turns what happened in the store into what one watcher sees, and writes it as lines.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

from typing import Any

import msgspec

from edge.api import codec, scheme
from edge.apiserver import admission
from edge.apiserver.selection import Selection
from edge.store.interface import Event, Record

ADDED, MODIFIED, DELETED, BOOKMARK, ERROR = "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"
INITIAL_EVENTS_END = "k8s.io/initial-events-end"
_CACHED_LINES = 256
_LARGEST_CACHED_BYTES = 64 * 1024


class Notice(msgspec.Struct, frozen=True, gc=False):
    """One event for one watcher; `value` is the object as stored."""

    type: str
    key: str
    value: bytes
    revision: int


def initial(record: Record) -> Notice:
    """Return the event that tells of an object that was there before the watch."""
    return Notice(ADDED, record.key, record.value, record.revision)


def transition(resource: scheme.Resource, selected: Selection, event: Event) -> Notice | None:
    """Return what a watcher of the selection sees of a change; None when the object is not selected before or after.

    An object that comes into the selection is ADDED, one that leaves it is DELETED with its last selected state.
    """
    record = event.record
    if selected.everything:
        return Notice(event.kind, record.key, record.value, record.revision)
    before = event.previous is not None and selected.matches(event.previous, by_many=True)
    if event.kind == DELETED:
        return Notice(DELETED, record.key, record.value, record.revision) if before else None
    after = selected.matches(record.value, by_many=True)
    if after:
        return Notice(MODIFIED if before else ADDED, record.key, record.value, record.revision)
    if not before or event.previous is None:
        return None
    last = codec.decode_bytes(resource, event.previous)
    return Notice(DELETED, record.key, codec.encode(admission.with_revision(last, str(record.revision))),
                  record.revision)


def bookmark(resource: scheme.Resource, api_version: str, revision: int, *, initial_end: bool = False) -> Notice:
    """Return the event that says everything up to the revision has been told."""
    metadata: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
    if initial_end:
        metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
    value = msgspec.json.encode({"kind": resource.kind, "apiVersion": api_version, "metadata": metadata})
    return Notice(BOOKMARK, "", value, revision)


def line(kind: str, value: bytes) -> bytes:
    """Return one line of a watch response."""
    return b'{"type":"%s","object":%s}\n' % (kind.encode(), value)


class Lines:
    """The lines of the last changes, so that each is put together once for all its watchers."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, int, str], bytes] = {}

    def of(self, notice: Notice) -> bytes:
        """Return the line of a change in the stored version."""
        at = (notice.key, notice.revision, notice.type)
        found = self._lines.get(at)
        if found is None:
            found = line(notice.type, notice.value)
            if len(found) > _LARGEST_CACHED_BYTES:
                return found
            while len(self._lines) >= _CACHED_LINES:
                self._lines.pop(next(iter(self._lines)))
            self._lines[at] = found
        return found
