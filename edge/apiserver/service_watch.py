"""Watches: the objects that are there, then every change, with bookmarks, until the time is up.

What has come meanwhile is handed on together: many events at once cost the reader one turn.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence

from edge.api import errors, scheme
from edge.apiserver import selection, watching
from edge.apiserver.lookup import prefix_of
from edge.apiserver.paths import Options
from edge.apiserver.service import Service
from edge.apiserver.service_reading import too_new
from edge.apiserver.watching import Notice
from edge.store import interface as store_interface

BOOKMARK_SECONDS = 60.0
LONGEST_SECONDS = 3600.0


Tell = Callable[[list[Notice]], bool]
"""Tells a client at once, if it can: it must not wait and must not raise, and returns whether it did."""


async def watch(service: Service, resource: scheme.Resource, namespace: str, options: Options,
                api_version: str = "", tell: Tell | None = None) -> AsyncGenerator[list[Notice], None]:
    """Yield what happens to the selected objects; with `tell`, what it cannot tell at once.

    Without a resourceVersion (or with "0") everything present comes first, as ADDED, unless the options say otherwise.

    Raises:
        errors.Expired: when the revision to start after is gone, or the watcher fell too far behind.
        errors.ApiError: (504) when that revision has not happened yet.
        errors.BadRequest: for options that do not parse.
    """
    selected = selection.parse(resource, options.label_selector, options.field_selector)
    after = selection.revision_number(options.resource_version)
    version = api_version or resource.api_version
    prefix = prefix_of(resource, namespace)

    def seen(changes: Sequence[store_interface.Event]) -> list[Notice]:
        return [notice for change in changes
                if (notice := watching.transition(resource, selected, change)) is not None]

    present: tuple[store_interface.Record, ...] = ()
    initial = after == 0 if options.send_initial_events is None else options.send_initial_events
    if initial:
        service.check_fresh(options)
        page = service.store.list(prefix)
        present, after = page.records, page.revision
    elif after == 0:
        after = service.store.revision
    async with contextlib.aclosing(_events(service, prefix, after)) as events:
        begin = [watching.initial(record) for record in present if selected.matches(record.value)]
        if options.send_initial_events and options.bookmarks:
            begin.append(watching.bookmark(resource, version, after, initial_end=True))
        if begin:
            yield begin
        if tell is not None:
            events.offer_to(lambda changes: not (notices := seen(changes)) or tell(notices))
        async with contextlib.aclosing(_timed(service, events, options, after)) as timed:
            async for changes, told in timed:
                notices = seen(changes)
                if told and options.bookmarks:
                    notices.append(watching.bookmark(resource, version, told))
                if notices:
                    yield notices


def check(resource: scheme.Resource, options: Options) -> None:
    """Raise errors.BadRequest when a watch with these options could not begin."""
    selection.parse(resource, options.label_selector, options.field_selector)
    selection.revision_number(options.resource_version)


def _events(service: Service, prefix: str, after: int) -> store_interface.Watch:
    try:
        return service.store.watch(prefix, after=after)
    except store_interface.Compacted as error:
        raise _expired(after, service) from error
    except store_interface.FutureRevision as error:
        raise too_new(str(after), service.store.revision) from error


async def _timed(service: Service, events: store_interface.Watch, options: Options,
                 after: int) -> AsyncGenerator[tuple[list[store_interface.Event], int], None]:
    """Yield changes, with a revision everything up to which has been told when a bookmark is due, also at the end."""
    clock, loop = service.clock, asyncio.get_running_loop()
    seconds = LONGEST_SECONDS if options.timeout_seconds is None else float(max(options.timeout_seconds, 0))
    deadline = clock.monotonic() + (seconds or LONGEST_SECONDS)
    due = min(clock.monotonic() + BOOKMARK_SECONDS, deadline)
    timer = loop.call_later(due - clock.monotonic(), events.wake)
    try:
        while (changes := await _next(service, events, after)) is not None:
            # Whatever is visible by now has been handed to this watch, and `changes` is all of it.
            told, now = 0, clock.monotonic()
            if now >= due:
                told = max(service.store.revision, after)
                due = min(now + BOOKMARK_SECONDS, deadline)
            if not changes or told:
                timer.cancel()
                timer = loop.call_later(max(due - now, 0.001), events.wake)
            yield changes, told
            if now >= deadline:
                return
    finally:
        timer.cancel()


async def _next(service: Service, events: store_interface.Watch, after: int) -> list[store_interface.Event] | None:
    try:
        return await events.batch()
    except store_interface.Compacted as error:
        raise _expired(after, service) from error


def _expired(after: int, service: Service) -> errors.Expired:
    return errors.Expired(f"too old resource version: {after} ({service.store.revision})")
