"""How fast the store is, and what it writes: `python bench/store.py [directory]`.

Latencies are p50 and p99 of single calls in microseconds; bytes are what the kernel says the process wrote, a write.
The directory should lie on the kind of disk that matters (a card, not tmpfs).
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from edge.store.interface import Encode, Record
from edge.store.sqlite import SqliteStore, open_store

OBJECT_BYTES = 2_000
WRITES = 500
PODS = 3_000


def value(revision: int) -> bytes:
    """Return an object of a usual size."""
    return b'{"metadata":{"resourceVersion":"%d"},' % revision + b"x" * OBJECT_BYTES


def written() -> int:
    """Return the bytes this process sent to the block layer so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


async def measure(name: str, count: int, call: Callable[[int], Awaitable[object]], share: int = 1) -> None:
    """Time a call `count` times and print a line; `share` is how many writes one call makes."""
    seconds: list[float] = []
    before = written()
    for number in range(count):
        began = time.perf_counter()
        await call(number)
        seconds.append(time.perf_counter() - began)
    cuts = statistics.quantiles(seconds, n=100)
    size = (written() - before) / count / share
    print(f"{name:<34} {cuts[49] * 1e6:>10.0f} {cuts[98] * 1e6:>10.0f} {size:>12.0f}")


async def run(directory: Path) -> None:
    """Measure one store."""
    store = await open_store(directory / "store.db")
    records: dict[int, Record] = {}

    async def create(number: int) -> None:
        records[number] = await store.create(f"//pods/default/pod-{number:05}", value)

    async def update(number: int) -> None:
        old = records[number]
        records[number] = await store.update(old.key, value, expected=old.revision)

    async def together(number: int) -> None:
        first = WRITES + number * 50
        await asyncio.gather(*(create(first + offset) for offset in range(50)))

    print(f"{'call':<34} {'p50 us':>10} {'p99 us':>10} {'bytes/write':>12}")
    await measure("create", WRITES, create)
    await measure("update", WRITES, update)
    await measure("create, 50 at once", (PODS - WRITES) // 50, together, share=50)
    await volatile(store)
    await measure("get", 10_000, lambda number: done(store.get(records[number % PODS].key)))
    await measure("list 100 of 3,000", 500, lambda _: done(store.list("//pods/", limit=100)))
    await measure("list 3,000", 200, lambda _: done(store.list("//pods/")))
    await measure("list 3,000, 100 revisions ago", 200,
                  lambda _: done(store.list("//pods/", revision=store.revision - 100)))
    for watchers in (1, 100):
        await delivery(store, watchers)
    await measure("compact", 10, lambda _: store.compact(0))
    await store.close()
    began = time.perf_counter()
    await (await open_store(directory / "store.db")).close()
    print(f"open with 3,000 objects and close: {(time.perf_counter() - began) * 1e3:.0f} ms")


async def volatile(store: SqliteStore) -> None:
    """Measure renewals of a lease."""
    lease = await store.create("//leases//node", value, volatile=True)

    async def renew(_: int) -> None:
        nonlocal lease
        lease = await store.update(lease.key, value, expected=lease.revision)

    await measure("update, volatile", 2_000, renew)


async def delivery(store: SqliteStore, count: int) -> None:
    """Measure from the call of a write until every watcher has it."""
    watches = [store.watch("//configmaps/", after=store.revision) for _ in range(count)]
    encode: Encode = value

    async def write(number: int) -> None:
        readers = [asyncio.ensure_future(anext(watch)) for watch in watches]
        await store.create(f"//configmaps/default/{count}-{number}", encode)
        await asyncio.gather(*readers)

    await measure(f"create until {count} watchers have it", 200, write)


async def done(result: object) -> object:
    """Make a plain call look like the others."""
    return result


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        asyncio.run(run(Path(name)))
