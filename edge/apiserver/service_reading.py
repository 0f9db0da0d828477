"""Reads over the store: one object, a listing, a page of one. What comes are records, whose bytes go to the wire."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from edge.api import errors, meta, scheme
from edge.apiserver import list_options, selection
from edge.apiserver.listing import Listing
from edge.apiserver.lookup import Lookup, key_of, prefix_of
from edge.apiserver.paths import Options
from edge.store import interface as store_interface
from edge.store.interface import Record, Store

_INCONSISTENT = "The provided continue parameter is too old to display a consistent list result. You can start a new " \
                "list without the continue parameter, or use the continue token in this response to retrieve the " \
                "remainder of the results. Continuing with the provided token results in an inconsistent list - " \
                "objects that were created, modified, or deleted between the time the first chunk was returned and " \
                "now may show up in the list."


class Reader:
    """What can be asked of the API without writing anything."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lookup = Lookup(store)

    def get(self, resource: scheme.Resource, namespace: str, name: str) -> Record:
        """Return the record. Raises errors.NotFound."""
        record = self.store.get(key_of(resource, namespace, name))
        if record is None:
            raise errors.not_found(resource.group_resource, name)
        return record

    def decode(self, resource: scheme.Resource, record: Record) -> meta.Object:
        """Return the record as a typed object; objects cannot change, so all readers share one."""
        return self.lookup.decode(resource, record)

    def list(self, resource: scheme.Resource, namespace: str, options: Options) -> Listing:
        """Return a listing, or one page of it.

        Raises:
            errors.BadRequest: for a selector, revision or token that does not parse.
            errors.Expired: when the snapshot asked for is gone.
        """
        selected = selection.parse(resource, options.label_selector, options.field_selector)
        prefix = prefix_of(resource, namespace)
        after, revision = self._place(options, prefix)
        limit = max(options.limit, 0)
        try:
            # Who selects gets a page of what is selected, so that everything may have to be looked at for one page.
            page = self.store.list(prefix, limit=limit if selected.everything else 0, after_key=after,
                                   revision=revision)
        except store_interface.Compacted as error:
            raise _too_old(after) from error
        except store_interface.FutureRevision as error:
            raise too_new(str(revision), self.store.revision) from error
        records, after = page.records, page.next_key
        if not selected.everything:
            found = (record for record in page.records if selected.matches(record.value))
            records = tuple(itertools.islice(found, limit + 1)) if limit else tuple(found)
            after = records[limit - 1].key if 0 < limit < len(records) else ""
            records = records[:limit] if limit else records
        token = selection.write_continue(selection.Continue(page.revision, after)) if after else ""
        remaining = page.remaining if token and selected.everything else None
        return Listing(records, page.revision, token, remaining)

    def _place(self, options: Options, prefix: str) -> tuple[str, int]:
        """Return the key to start after and the snapshot to list (0: the newest)."""
        if options.continue_token:
            place = selection.read_continue(options.continue_token, prefix)
            if options.resource_version not in ("", "0"):
                raise errors.BadRequest("specifying resource version is not allowed when using continue")
            return place.after_key, 0 if place.revision == selection.LATEST else place.revision
        asked = self.check_fresh(options)
        match = options.resource_version_match
        # A page of a listing at some revision has always been a page of exactly that snapshot.
        exact = match == list_options.EXACT or (not match and options.limit > 0)
        return "", asked if exact else 0

    def check_fresh(self, options: Options) -> int:
        """Return the revision a read names, 0 for none. Raises errors.ApiError (504) when it has not happened yet."""
        asked = selection.revision_number(options.resource_version)
        if asked > self.store.revision:
            raise too_new(options.resource_version, self.store.revision)
        return asked


def _too_old(after_key: str) -> errors.Expired:
    """Return the 410 of a snapshot that is gone; with what a page can go on with from there."""
    if not after_key:
        return errors.Expired("The resourceVersion for the provided list is too old.")
    expired = errors.Expired(_INCONSISTENT)
    expired.continue_token = selection.write_continue(selection.Continue(selection.LATEST, after_key))
    return expired


def too_new(asked: str, current: int) -> errors.ApiError:
    """Return the 504 of a resourceVersion that has not happened yet."""
    details: Mapping[str, Any] = {"causes": [{"reason": "ResourceVersionTooLarge",
                                              "message": "Too large resource version"}], "retryAfterSeconds": 1}
    return errors.ApiError(f"Timeout: Too large resource version: {asked}, current: {current}", code=504,
                           reason="Timeout", details=dict(details))
