"""The visible records: a dict for get, sorted keys for listings by prefix.

Keys of one prefix stand together in one sorted list, so a listing is two binary searches and a slice, and inserting
among some ten thousand keys is one memory move of a few microseconds.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping

from edge.store.interface import Page, Record, Revision

_LAST = "\U0010ffff"
"""Sorts after every character a key may contain."""


class Index:
    """Records by key, in key order."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._keys: list[str] = []

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, key: str) -> Record | None:
        """Return the record, or None."""
        return self._records.get(key)

    def put(self, record: Record) -> None:
        """Add or replace a record."""
        if record.key not in self._records:
            bisect.insort(self._keys, record.key)
        self._records[record.key] = record

    def remove(self, key: str) -> None:
        """Take a record out; a key that is not there is left so."""
        if self._records.pop(key, None) is not None:
            del self._keys[bisect.bisect_left(self._keys, key)]

    def records(self) -> Iterator[Record]:
        """Return every record, in key order."""
        return (self._records[key] for key in self._keys)

    def page(self, prefix: str, *, limit: int, after_key: str, revision: Revision) -> Page:
        """Return up to `limit` (0: all) records of a prefix after a key, marked with the revision they are of."""
        return _page(self._range(prefix, after_key), self._records, limit, revision)

    def page_before(self, prefix: str, *, limit: int, after_key: str, revision: Revision,
                    undo: Mapping[str, Record | None]) -> Page:
        """Return a page of an earlier snapshot: `undo` says what each key changed since then was."""
        touched = {key for key in undo if key.startswith(prefix) and key > after_key}
        keys = sorted({*self._range(prefix, after_key), *touched})
        records = {key: undo[key] if key in undo else self._records[key] for key in keys}
        present = {key: record for key, record in records.items() if record is not None}
        return _page(list(present), present, limit, revision)

    def _range(self, prefix: str, after_key: str) -> list[str]:
        start = bisect.bisect_left(self._keys, prefix)
        if after_key >= prefix:
            start = max(start, bisect.bisect_right(self._keys, after_key))
        return self._keys[start:bisect.bisect_left(self._keys, prefix + _LAST)]


def _page(keys: list[str], records: Mapping[str, Record], limit: int, revision: Revision) -> Page:
    shown = keys[:limit] if limit > 0 else keys
    remaining = len(keys) - len(shown)
    return Page(tuple(map(records.__getitem__, shown)), revision, shown[-1] if remaining else "", remaining)
