"""A listing as it goes from the service to whoever writes it: records, not objects."""

from __future__ import annotations

from dataclasses import dataclass

from edge.store.interface import Record


@dataclass(frozen=True, slots=True)
class Listing:
    """Part of a listing: stored records, the revision they are consistent at, and where to go on."""

    records: tuple[Record, ...]
    revision: int
    continue_token: str = ""
    remaining: int | None = None
