"""The store's file: crashes, full disks, damage, backup and restore."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge.store.disk import Disk
from edge.store.events import Change
from edge.store.interface import Compacted, Encode, StoreCorrupt, StoreUnavailable
from edge.store.sqlite import REVISION_BLOCK, SqliteStore, open_store, restore

WRITER = """
import asyncio, sys
from pathlib import Path
from edge.store.sqlite import open_store

async def main():
    store = await open_store(Path(sys.argv[1]))
    async def write(name):
        record = await store.create(f"/{name}", lambda revision: b"x" * 2000)
        for number in range(10_000):
            sys.stdout.write(f"{record.key} {record.revision}\\n")
            sys.stdout.flush()
            record = await store.update(record.key, lambda revision: b"y" * 2000, expected=record.revision)
            if number % 5 == 0:
                await store.create(f"/lease/{name}{number}", lambda revision: b"", volatile=True)
    await asyncio.gather(*(write(number) for number in range(8)))

asyncio.run(main())
"""


def text(value: str) -> Encode:
    return lambda revision: value.encode()


def size(count: int) -> Encode:
    return lambda revision: b"x" * count


def acknowledged_before_kill(path: Path) -> dict[str, int]:
    """Let a child write, kill it, and return the revisions it had been told."""
    child = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    lines = [child.stdout.readline() for _ in range(400)]
    child.send_signal(signal.SIGKILL)
    lines += child.stdout.read().splitlines(keepends=True)
    child.stdout.close()
    child.wait()
    acknowledged: dict[str, int] = {}
    for line in lines:
        if line.endswith("\n"):
            key, number = line.split()
            acknowledged[key] = int(number)
    return acknowledged


async def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    acknowledged = acknowledged_before_kill(path)
    store = await open_store(path)
    for key, revision in acknowledged.items():
        record = store.get(key)
        assert record
        assert record.revision >= revision
    assert store.list("/lease/").records == ()
    assert store.revision >= max(acknowledged.values())
    assert REVISION_BLOCK < store.revision < 2 * REVISION_BLOCK
    assert (await store.create("/new", text("x"))).revision == store.revision > REVISION_BLOCK
    await store.close()


async def test_revisions_go_on_exactly_after_a_clean_end(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    last = 1
    for number in range(3):
        store = await open_store(path)
        assert store.revision == last
        with pytest.raises(Compacted):
            store.watch("/", after=last - 1)
        store.watch("/", after=last)
        made = await store.create(f"/{number}", text("x"))
        await store.delete(made.key, text("x"), expected=made.revision)
        kept = await store.create(f"/kept{number}", text("x"))
        last = (await store.create(f"/volatile{number}", text("x"), volatile=True)).revision
        await store.close()
        assert kept.revision == last - 1
    store = await open_store(path)
    assert [record.key for record in store.list("").records] == ["/kept0", "/kept1", "/kept2"]
    await store.close()


async def test_the_file_is_private_and_held_by_one_process(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await open_store(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(StoreUnavailable, match="in use"):
        await open_store(path)
    with pytest.raises(StoreUnavailable, match="in use"):
        restore(path, path)
    await store.close()
    await (await open_store(path)).close()


async def test_a_full_disk_fails_the_write_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await open_store(path, max_bytes=200_000)
    small = await store.create("/small", text("x"))
    events = store.watch("", after=store.revision)
    results = await asyncio.gather(
        store.create("/big", size(500_000)), store.create("/with-it", text("x")),
        store.create("/lease", text("x"), volatile=True), return_exceptions=True)
    assert [isinstance(result, StoreUnavailable) for result in results] == [True, True, False]
    assert "full" in str(results[0])
    assert (store.get("/big"), store.get("/with-it")) == (None, None)
    assert (await anext(events)).record.key == "/lease"

    changed = await store.update("/small", text("y"), expected=small.revision)
    assert (await anext(events)).record == changed
    assert (await store.create("/big", text("small now"))).revision > changed.revision
    await store.close()
    store = await open_store(path)
    assert {record.key: record.value for record in store.list("").records} == {"/small": b"y", "/big": b"small now"}
    await store.close()


async def test_the_file_stays_as_small_as_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await open_store(path, max_bytes=2_000_000)
    record = await store.create("/a", size(10_000))
    for _ in range(300):
        record = await store.update("/a", size(10_000), expected=record.revision)
    doomed = await asyncio.gather(*(store.create(f"/b{number}", size(10_000)) for number in range(100)))
    await asyncio.gather(*(store.delete(other.key, text(""), expected=other.revision) for other in doomed))
    await store.compact(0)
    await store.close()
    assert path.stat().st_size < 100_000
    store = await open_store(path)
    assert store.list("").records == (record,)
    await store.close()


async def test_writes_of_one_moment_share_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_store(tmp_path / "store.db")
    commits = 0
    commit = Disk.commit

    def counted(self: Disk, changes: Sequence[Change], ceiling: int | None) -> None:
        nonlocal commits
        commits += 1
        commit(self, changes, ceiling)

    monkeypatch.setattr(Disk, "commit", counted)
    start = store.revision
    events = store.watch("", after=start)
    records = await asyncio.gather(*(store.create(f"/{number:03}", text("x")) for number in range(300)))
    assert commits <= 2
    assert [record.revision for record in records] == list(range(start + 1, start + 301))
    assert [(await anext(events)).record for _ in records] == records
    await store.close()


@pytest.mark.parametrize("damage", ["text", "pages", "foreign", "newer"])
async def test_a_damaged_file_is_refused_with_a_remedy(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "store.db"
    if damage == "text":
        path.write_bytes(b"this is no database at all" * 1000)
    elif damage == "foreign":
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE other (x)")
        connection.close()
    else:
        store = await open_store(path)
        await asyncio.gather(*(store.create(f"/{number}", size(3000)) for number in range(200)))
        await store.close()
    if damage == "pages":
        with path.open("r+b") as file:
            file.seek(4096 * 3)
            file.write(os.urandom(4096 * 40))
    if damage == "newer":
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
    with pytest.raises(StoreUnavailable if damage == "newer" else StoreCorrupt, match=r"restore|last copy"):
        await open_store(path)
    with pytest.raises((StoreUnavailable, StoreCorrupt), match=r"restore|last copy"):
        await open_store(path)


async def test_backup_while_writing_and_restore(tmp_path: Path) -> None:
    path, copy = tmp_path / "store.db", tmp_path / "backup.db"
    store = await open_store(path)
    await asyncio.gather(*(store.create(f"/{number:04}", size(2000)) for number in range(500)))

    async def keep_writing(stop: asyncio.Event) -> None:
        number = 500
        while not stop.is_set():
            await store.create(f"/{number:04}", size(2000))
            number += 1

    stop = asyncio.Event()
    writer = asyncio.create_task(keep_writing(stop))
    await store.backup(copy)
    stop.set()
    await writer
    last = (await store.create("/after", text("x"))).revision
    await store.close()
    assert copy.stat().st_mode & 0o777 == 0o600

    restore(copy, path)
    store = await open_store(path)
    assert store.get("/after") is None
    keys = [record.key for record in store.list("").records]
    assert len(keys) >= 500
    assert keys == [f"/{number:04}" for number in range(len(keys))]
    assert store.revision > last
    await store.close()


async def test_a_failed_backup_or_restore_leaves_everything_as_it_was(tmp_path: Path) -> None:
    path, copy = tmp_path / "store.db", tmp_path / "none" / "backup.db"
    store: SqliteStore = await open_store(path)
    await store.create("/a", text("x"))
    with pytest.raises(StoreUnavailable, match="backup"):
        await store.backup(copy)
    await store.close()
    (tmp_path / "junk").write_bytes(b"junk" * 3000)
    with pytest.raises(StoreCorrupt, match="junk"):
        restore(tmp_path / "junk", path)
    with pytest.raises(StoreUnavailable):
        restore(tmp_path / "missing", path)
    store = await open_store(path)
    assert store.get("/a")
    await store.close()
    assert not [path.name for path in tmp_path.iterdir() if path.suffix == ".partial"]
