"""The store on one SQLite file: writes queue, one thread commits them in groups, reads come from memory.

A write is decided at once, gets its revision, and waits in a queue. While the writer thread commits one batch the
next one gathers, so that many writers share one sync of the card. After its commit a batch becomes visible, in
revision order. At most one write per key is under way: another one on that key waits for its outcome, so that
nothing is ever decided on a change that may still fail. Volatile keys travel in the same queue and keep its order,
but never reach the disk and do not fail with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge import logs
from edge.store import disk, events, index, watch
from edge.store.interface import (
    Encode,
    KeyExists,
    KeyNotFound,
    Page,
    Record,
    Revision,
    RevisionMismatch,
    StoreUnavailable,
)

REVISION_BLOCK = 100_000
"""Revisions vouched for at a time; what a crash may skip, and how seldom volatile writes touch the card."""
MAX_QUEUED = 20_000

log = logs.get("store")


@dataclass(eq=False, slots=True)
class _Write:
    """A write that is decided and waits for its commit. `done` gets None, or why the write failed."""

    change: events.Change
    volatile: bool
    done: asyncio.Future[str | None]


class SqliteStore:
    """A Store; made by `open_store`."""

    def __init__(self, file: disk.Disk, contents: disk.Contents, writer: ThreadPoolExecutor, *, history_events: int,
                 history_bytes: int, watch_buffer: int, watch_bytes: int) -> None:
        self._disk = file
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._index = index.Index()
        for record in contents.records:
            self._index.put(record)
        self._volatile: set[str] = set()
        self._observers: list[Callable[[str], None]] = []
        self._revision = self._assigned = self._ceiling = contents.revision
        self._history = events.History(contents.revision, max_events=history_events, max_bytes=history_bytes)
        self._watchers = watch.Watchers(watch_buffer, watch_bytes)
        self._pending: dict[str, _Write] = {}
        self._queue: list[_Write] = []
        self._flushing = False
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def revision(self) -> Revision:
        return self._revision

    def get(self, key: str) -> Record | None:
        return self._index.get(key)

    def list(self, prefix: str, *, limit: int = 0, after_key: str = "", revision: Revision = 0) -> Page:
        if revision in (0, self._revision):
            return self._index.page(prefix, limit=limit, after_key=after_key, revision=self._revision)
        self._history.check(revision, self._revision)
        return self._index.page_before(prefix, limit=limit, after_key=after_key, revision=revision,
                                       undo=self._history.undo(revision))

    def watch(self, prefix: str, *, after: Revision) -> watch.Watch:
        self._history.check(after, self._revision)
        watcher = self._watchers.add(prefix, self._history.since(after, prefix))
        if self._closed:
            watcher.end()
        return watcher

    async def create(self, key: str, encode: Encode, *, volatile: bool = False) -> Record:
        key.encode()  # A key that is no Unicode text fails here, alone, and not later with its whole batch.
        await self._settled(key)
        if self._index.get(key):
            raise KeyExists(key)
        revision = self._next()
        return await self._write(events.Change(Record(key, encode(revision), revision, revision), None), volatile)

    async def update(self, key: str, encode: Encode, *, expected: Revision) -> Record:
        before = await self._current(key, expected)
        revision = self._next()
        record = Record(key, encode(revision), revision, before.created)
        return await self._write(events.Change(record, before), key in self._volatile)

    async def delete(self, key: str, encode: Encode, *, expected: Revision) -> Record:
        before = await self._current(key, expected)
        revision = self._next()
        record = Record(key, encode(revision), revision, before.created)
        return await self._write(events.Change(record, before, deleted=True), key in self._volatile)

    def observe(self, changed: Callable[[str], None]) -> None:
        self._observers.append(changed)

    async def compact(self, keep: int) -> None:
        self._refuse_closed()
        self._history.forget(self._revision - max(keep, 0))
        await self._loop.run_in_executor(self._writer, self._disk.shrink)

    async def backup(self, path: Path) -> None:
        """Write a consistent copy of everything durable to `path` while the store goes on. Raises StoreUnavailable."""
        self._refuse_closed()
        await asyncio.to_thread(self._disk.backup, path)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._idle.wait()
        self._watchers.close()
        exact = self._assigned if self._ceiling != self._assigned else None
        await self._loop.run_in_executor(self._writer, self._disk.close, exact)
        self._writer.shutdown()

    async def _settled(self, key: str) -> None:
        """Wait until no write of the key is under way."""
        self._refuse_closed()
        while write := self._pending.get(key):
            await asyncio.shield(write.done)
            self._refuse_closed()

    async def _current(self, key: str, expected: Revision) -> Record:
        await self._settled(key)
        record = self._index.get(key)
        if record is None:
            raise KeyNotFound(key)
        if record.revision != expected:
            raise RevisionMismatch(record)
        return record

    def _next(self) -> Revision:
        if len(self._queue) >= MAX_QUEUED:
            raise StoreUnavailable(f"{MAX_QUEUED} writes are waiting for the disk")
        return self._assigned + 1

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    async def _write(self, change: events.Change, volatile: bool) -> Record:
        write = _Write(change, volatile, self._loop.create_future())
        self._assigned = change.revision
        self._pending[change.record.key] = write
        self._queue.append(write)
        self._idle.clear()
        if len(self._queue) == 1 and not self._flushing:
            self._loop.call_soon(self._flush)
        # Shielded: a writer that is cancelled stops waiting, but what it wrote still happens or fails as a whole.
        if reason := await asyncio.shield(write.done):
            raise StoreUnavailable(reason)
        return change.record

    def _flush(self) -> None:
        """Start the next batch, if none is under way."""
        if self._flushing or not self._queue:
            return
        batch, self._queue = self._queue, []
        last = batch[-1].change.revision
        changes = [write.change for write in batch if not write.volatile]
        # Raised at half a block, so that a full disk leaves volatile writes the other half to go on with.
        raised = last + REVISION_BLOCK if last + REVISION_BLOCK // 2 > self._ceiling else None
        if not changes and raised is None:
            self._finish(batch, None)
            return
        self._flushing = True
        future = self._writer.submit(self._disk.commit, changes, raised)
        future.add_done_callback(
            lambda done: self._loop.call_soon_threadsafe(self._committed, batch, raised, done))

    def _committed(self, batch: Sequence[_Write], raised: Revision | None, done: Future[None]) -> None:
        self._flushing = False
        error = done.exception()
        reason = str(error) if error else None
        if error:
            log.error("commit failed", cause=error, writes=len(batch))
        elif raised is not None:
            self._ceiling = raised
        self._finish(batch, reason)
        self._flush()

    def _finish(self, batch: Sequence[_Write], reason: str | None) -> None:
        """Make a batch visible in revision order, but for what failed, and tell its writers."""
        for write in batch:
            key = write.change.record.key
            del self._pending[key]
            beyond = write.change.revision > self._ceiling
            failed = reason if reason and (beyond or not write.volatile) else None
            if failed is None:
                self._show(write)
            write.done.set_result(failed)
        if not self._queue and not self._flushing:
            self._idle.set()

    def _show(self, write: _Write) -> None:
        change = write.change
        key = change.record.key
        if change.deleted:
            self._index.remove(key)
            self._volatile.discard(key)
        else:
            self._index.put(change.record)
            if write.volatile:
                self._volatile.add(key)
        self._revision = change.revision
        for changed in self._observers:
            changed(key)
        self._watchers.publish(self._history.append(change))


async def open_store(path: Path | None, *, synchronous: str = "FULL", max_bytes: int = 0,
                     history_events: int = 10_000, history_bytes: int = 4 << 20,
                     watch_buffer: int = 10_000, watch_bytes: int = 16 << 20) -> SqliteStore:
    """Open the store in `path`, or one in memory that is gone with the process.

    Args:
        path: the file; it is made, for its owner only, when missing. None is for tests.
        synchronous: FULL survives power loss, NORMAL may lose the last writes then.
        max_bytes: the size the file may grow to; 0 is as far as the disk goes.
        history_events: how many changes back a watch or a continued list may start.
        history_bytes: how much of their values is kept in memory at most.
        watch_buffer: how many events a watcher may fall behind.
        watch_bytes: how much of their values, which then are in memory for its sake.

    Raises:
        StoreUnavailable: the file is in use, or cannot be opened.
        StoreCorrupt: the file is damaged; the text says what to do.
    """
    loop = asyncio.get_running_loop()
    writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
    try:
        file = await loop.run_in_executor(
            writer, partial(disk.Disk, path, synchronous=synchronous, max_bytes=max_bytes))
        contents = await loop.run_in_executor(writer, file.load)
    except BaseException:
        writer.shutdown(wait=False)
        raise
    return SqliteStore(file, contents, writer, history_events=history_events, history_bytes=history_bytes,
                       watch_buffer=watch_buffer, watch_bytes=watch_bytes)


restore = disk.restore
