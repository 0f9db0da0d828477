"""The SQLite file below the store: one row per object, with its revision, and one transaction a batch.

A change rewrites its object's row in place. A table that keeps superseded rows too, as etcd and kine do, writes two to
three times the bytes (measured: 7.6 kB against 14 to 24 kB for an update of 2 kB), and its history would have holes
anyway, because volatile keys never reach it: history is kept in memory (`events.History`). Every method blocks and is
called from the store's one writer thread (`backup` from any).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.store.events import Change
from edge.store.interface import Record, Revision, StoreCorrupt, StoreUnavailable

SCHEMA_VERSION = 1
PAGE_BYTES = 1024
"""A commit writes whole pages: an update of 2 kB costs 7 to 9 kB with these, 12 kB with SQLite's usual 4 kB."""
WAL_LIMIT_BYTES = 4 << 20
"""What the log file may hold before it goes into the main file, so that busy objects go there seldom."""
RESTORE_LEAP = 1_000_000_000
"""How far a restored store jumps ahead: more than any rack hands out between a backup and its restore."""

_MIGRATIONS = (
    # 0 -> 1
    """CREATE TABLE objects (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL,
                             created INTEGER NOT NULL, value BLOB NOT NULL);
       CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
       INSERT INTO meta VALUES ('revision', 1);""",
)
_PUT = ("INSERT INTO objects (key, revision, created, value) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
        "revision = excluded.revision, created = excluded.created, value = excluded.value")
_REMEDY = "stop edge-server, move the file away, and put the last copy in its place, or begin with an empty rack"


@dataclass(frozen=True, slots=True)
class Contents:
    """What the file held when it was opened."""

    records: tuple[Record, ...]
    revision: Revision
    """Nothing above this was ever handed out."""


class Disk:
    """An open store file, held by this process alone."""

    def __init__(self, path: Path | None, *, synchronous: str = "FULL", max_bytes: int = 0) -> None:
        """Open or make the file; None keeps everything in memory.

        Raises:
            StoreUnavailable: another process has it, or it cannot be made.
            StoreCorrupt: it is damaged, or is no store.
        """
        self._path = path
        self._lock = _lock(path) if path else -1
        try:
            self._connection = _connect(path, synchronous, max_bytes)
        except BaseException:
            self._unlock()
            raise

    def load(self) -> Contents:
        """Read everything."""
        with self._translated():
            (revision,) = self._connection.execute("SELECT value FROM meta WHERE name = 'revision'").fetchone()
            rows = self._connection.execute("SELECT key, value, revision, created FROM objects ORDER BY key")
            return Contents(tuple(Record(*row) for row in rows), revision)

    def commit(self, changes: Sequence[Change], ceiling: Revision | None) -> None:
        """Make changes durable, all or none, and if given, raise the revision the file vouches for.

        Raises StoreUnavailable.
        """
        puts = [(change.record.key, change.record.revision, change.record.created, change.record.value)
                for change in changes if not change.deleted]
        deletes = [(change.record.key,) for change in changes if change.deleted]
        with self._transaction():
            self._connection.executemany(_PUT, puts)
            self._connection.executemany("DELETE FROM objects WHERE key = ?", deletes)
            if ceiling is not None:
                self._connection.execute("UPDATE meta SET value = ? WHERE name = 'revision'", (ceiling,))

    def shrink(self) -> None:
        """Give free pages back to the file system once they are a quarter of the file. Raises StoreUnavailable."""
        with self._translated():
            (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
            (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
            if free * 4 > pages:
                # As a script, since `execute` takes one step of it, which is one page.
                self._connection.executescript("PRAGMA incremental_vacuum")

    def backup(self, target: Path) -> None:
        """Write a consistent copy while the store goes on; `target` appears only when it is complete.

        Raises StoreUnavailable.
        """
        partial = target.with_name(target.name + ".partial")
        try:
            partial.unlink(missing_ok=True)
            os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            with contextlib.closing(self._reader()) as source, contextlib.closing(sqlite3.connect(partial)) as copy:
                source.backup(copy, pages=256, sleep=0.001)
                copy.execute("PRAGMA journal_mode = DELETE")
            _sync(partial)
            partial.replace(target)
            _sync(target.parent)
        except (sqlite3.Error, OSError) as error:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise StoreUnavailable(f"backup to {target} failed: {error}") from error

    def close(self, revision: Revision | None) -> None:
        """Close; with `revision`, the file vouches for exactly that one, and no numbers are skipped next time."""
        try:
            if revision is not None:
                with contextlib.suppress(StoreUnavailable):
                    self.commit((), revision)
            self._connection.close()
        finally:
            self._unlock()

    def _reader(self) -> sqlite3.Connection:
        if self._path is None:
            raise StoreUnavailable("a store in memory has no backup")
        return sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True)

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._translated():
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self._path or 'memory'}: {error}") from error


def restore(backup: Path, path: Path) -> None:
    """Put a backup in the place of a store that is not open; its revisions go on far above all handed out before.

    Raises:
        StoreUnavailable: the store is open, or cannot be written.
        StoreCorrupt: the backup is damaged, or is no store.
    """
    lock = _lock(path)
    partial = path.with_name(path.name + ".partial")
    try:
        highest = _vouched(path) if path.exists() else 0
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with contextlib.closing(sqlite3.connect(f"{backup.absolute().as_uri()}?mode=ro", uri=True)) as source, \
                contextlib.closing(_connect(partial, "FULL", 0, source)) as copy:
            copy.execute("UPDATE meta SET value = max(value, ?) + ? WHERE name = 'revision'", (highest, RESTORE_LEAP))
            copy.execute("PRAGMA journal_mode = DELETE").fetchall()
        _sync(partial)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        partial.replace(path)
        _sync(path.parent)
    except StoreCorrupt as error:
        raise StoreCorrupt(f"{backup}: is no usable backup: {error.__cause__ or error}") from error
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(f"restore of {backup} failed: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        os.close(lock)


def _vouched(path: Path) -> Revision:
    """Return the highest revision a file may have handed out; 0 when it cannot tell, as a damaged one."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as connection:
            (value,) = connection.execute("SELECT value FROM meta WHERE name = 'revision'").fetchone()
            return int(value)
    except (sqlite3.Error, TypeError):
        return 0


def _lock(path: Path) -> int:
    """Hold the store for this process, on a file beside it: closing any handle of SQLite's own would drop its locks."""
    beside = path.with_name(path.name + ".lock")
    try:
        handle = os.open(beside, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreUnavailable(f"{path}: cannot be opened: {error}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise StoreUnavailable(f"{path}: in use by another process") from error
    return handle


def _connect(path: Path | None, synchronous: str, max_bytes: int,
             source: sqlite3.Connection | None = None) -> sqlite3.Connection:
    """Open a file (filled from `source` when restoring), check it and bring it to today's schema."""
    assert synchronous in ("FULL", "NORMAL", "OFF"), synchronous
    connection: sqlite3.Connection | None = None
    try:
        if path:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        if source:
            source.backup(connection)
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}").fetchall()
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_LIMIT_BYTES // PAGE_BYTES}").fetchall()
        connection.execute("PRAGMA cache_size = -512")
        _check(connection, path)
        _migrate(connection, path)
        if max_bytes:
            (page,) = connection.execute("PRAGMA page_size").fetchone()
            connection.execute(f"PRAGMA max_page_count = {max(1, max_bytes // page)}").fetchall()
        return connection
    except sqlite3.OperationalError as error:
        _close(connection)
        raise StoreUnavailable(f"{path}: cannot be opened: {error}") from error
    except sqlite3.DatabaseError as error:
        _close(connection)
        raise StoreCorrupt(f"{path}: {error}; {_REMEDY}") from error
    except OSError as error:
        raise StoreUnavailable(f"{path}: cannot be opened: {error}") from error
    except BaseException:
        _close(connection)
        raise


def _check(connection: sqlite3.Connection, path: Path | None) -> None:
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise StoreCorrupt(f"{path}: {' '.join(str(verdict).split())}; {_REMEDY}")


def _migrate(connection: sqlite3.Connection, path: Path | None) -> None:
    """Bring an older file to today's schema, each step in its own transaction."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise StoreUnavailable(f"{path}: written by a newer edge-server (schema {version}, this one knows "
                               f"{SCHEMA_VERSION}); install that version, or restore an older backup")
    for number in range(version, SCHEMA_VERSION):
        if number == 0 and connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
            raise StoreCorrupt(f"{path}: is a SQLite file, but no store of edge-server; {_REMEDY}")
        connection.executescript(f"BEGIN; {_MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;")


def _close(connection: sqlite3.Connection | None) -> None:
    if connection:
        connection.close()


def _sync(path: Path) -> None:
    """Make a file, or the names in a directory, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
