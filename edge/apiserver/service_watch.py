"""Watches: the objects that are there, then every change, with bookmarks, until the time is up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from edge.api import errors, scheme
from edge.apiserver import selection, watching
from edge.apiserver.paths import Options
from edge.apiserver.service import Service, prefix_of
from edge.apiserver.watching import Notice
from edge.store import interface as store_interface

BOOKMARK_SECONDS = 60.0
LONGEST_SECONDS = 3600.0


async def watch(service: Service, resource: scheme.Resource, namespace: str, options: Options,
                api_version: str = "") -> AsyncGenerator[Notice, None]:
    """Yield what happens to the selected objects.

    Without a resourceVersion (or with "0") everything present comes first, as ADDED.

    Raises:
        errors.Expired: when the revision to start after is gone, or the watcher fell too far behind.
        errors.BadRequest: for options that do not parse.
    """
    selected = selection.parse(resource, options.label_selector, options.field_selector)
    after = selection.revision_number(options.resource_version)
    prefix = prefix_of(resource, namespace)
    present: tuple[store_interface.Record, ...] = ()
    if after == 0 or options.send_initial_events:
        page = service.store.list(prefix)
        present, after = page.records, page.revision
    events = _events(service, prefix, after)
    try:
        for record in present:
            if selected.matches(record.value):
                yield watching.initial(record)
        version = api_version or resource.api_version
        if options.send_initial_events and options.bookmarks:
            yield watching.bookmark(resource, version, after, initial_end=True)
        async for item in _timed(service, events, options, after):
            if isinstance(item, int):
                yield watching.bookmark(resource, version, item)
                continue
            notice = watching.transition(resource, selected, item)
            if notice is not None:
                yield notice
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()


def check(resource: scheme.Resource, options: Options) -> None:
    """Raise errors.BadRequest when a watch with these options could not begin."""
    selection.parse(resource, options.label_selector, options.field_selector)
    selection.revision_number(options.resource_version)


def _events(service: Service, prefix: str, after: int) -> AsyncIterator[store_interface.Event]:
    try:
        return service.store.watch(prefix, after=after)
    except store_interface.Compacted as error:
        raise _expired(after, service) from error


async def _timed(service: Service, events: AsyncIterator[store_interface.Event], options: Options,
                 after: int) -> AsyncIterator[store_interface.Event | int]:
    """Yield events, and a revision whenever a bookmark is due; end when the time is up."""
    clock = service.clock
    seconds = LONGEST_SECONDS if options.timeout_seconds is None else float(max(options.timeout_seconds, 0))
    deadline = clock.monotonic() + (seconds or LONGEST_SECONDS)
    while True:
        # Whatever is committed by now has been handed to this watch; if nothing comes, it has all been told.
        told = max(service.store.revision, after)
        left = deadline - clock.monotonic()
        if left <= 0:
            return
        try:
            async with asyncio.timeout(min(left, BOOKMARK_SECONDS)):
                event = await anext(events)
        except TimeoutError:
            if options.bookmarks:
                yield told
            continue
        except StopAsyncIteration:
            return
        except store_interface.Compacted as error:
            raise _expired(after, service) from error
        yield event


def _expired(after: int, service: Service) -> errors.Expired:
    return errors.Expired(f"too old resource version: {after} ({service.store.revision})")
