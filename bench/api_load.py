"""Watch delivery to one, a hundred and a thousand watchers, and requests at a steady rate while watchers are open.

    python -m bench.api_load [--rate 200] [--seconds 20]

Delivery is from the start of a write to the arrival of its event at each watcher, read by processes of their own
(`bench.watch_readers`); what they cost is printed beside it. The steady load is an open loop: a request is due at its
time whether the one before is answered or not, and its latency counts from then on.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from bench import report
from bench.api import config_map, pod
from bench.api_server import MAPS, PODS, Client, Running, allow_files, running
from bench.watch_readers import Arrivals, Readers

WATCHERS = (1, 100, 1000)
EVENTS = 30
LOADED_WATCHERS, LOADED_CONNECTIONS = 100, 16
BUDGETS_MS = {1000: 200.0}
ELSEWHERE_MS = {100: (6.8, 48.0)}
LOAD_BUDGET_MS = 50.0
_numbers = itertools.count(1)


def marked(number: int, labels: dict[str, str] | None = None) -> dict[str, Any]:
    """Return a ConfigMap that readers recognize."""
    return {"metadata": {"name": f"marked-{number}", "labels": labels or {}},
            "data": {"mark": f"@{number}@", "a": "b" * 200}}


def cuts(seconds: list[float]) -> tuple[float, float]:
    """Return median and 99th percentile in milliseconds."""
    found = statistics.quantiles(seconds, n=100)
    return found[49] * 1e3, found[98] * 1e3


async def deliver(server: Running, count: int) -> tuple[str, ...]:
    """Return a row about the delivery to so many watchers of a selection."""
    labels = {"bench": f"watch{count}"}
    readers = await asyncio.to_thread(Readers, server, f"{MAPS}?watch=1&labelSelector=bench%3Dwatch{count}", count)
    sent: dict[int, float] = {}
    cpu = server.cpu_seconds()
    async with server.client() as client:
        await client.call("GET", f"{PODS}/pod-7")
        for number in itertools.islice(_numbers, EVENTS):
            sent[number] = time.monotonic()
            await client.call("POST", MAPS, marked(number, labels))
            await asyncio.sleep(0.02 + count * 2e-4)
    came = await asyncio.to_thread(readers.arrivals, EVENTS)
    cpu, events = server.cpu_seconds() - cpu, EVENTS * count
    middle, slow = cuts(delays(came, sent, events))
    elsewhere, budget = ELSEWHERE_MS.get(count), BUDGETS_MS.get(count)
    said = f"{middle / elsewhere[0]:.2f}, {slow / elsewhere[1]:.2f} of Kubernetes" if elsewhere else ""
    return (f"delivery, {count} watcher{'s' * (count > 1)}", f"{middle:.2f}", f"{slow:.2f}",
            f"{cpu / events * 1e6:.0f}", f"{readers.cpu_seconds / events * 1e6:.0f}",
            report.verdict(slow, budget) if budget else said)


def delays(came: Arrivals, sent: dict[int, float], expected: int) -> list[float]:
    """Return how long each event took. Raises SystemExit when one is missing or came twice."""
    if len(came) != expected:
        raise SystemExit(f"{len(came)} events came, not {expected}")
    return [when - sent[number] for number, when in came]


class Load:
    """Reads and writes of all sorts, and what became of them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._doomed = itertools.count(1)
        self.sent: dict[int, float] = {}
        self.taken: dict[str, list[float]] = {}
        self._turns = itertools.cycle([
            ("get", self._get), ("create", self._create), ("get", self._get), ("patch", self._patch),
            ("list 100", self._list), ("create", self._create), ("get", self._get), ("patch", self._patch),
            ("get", self._get), ("delete", self._delete)])

    async def prepare(self, requests: int) -> None:
        """Make what is deleted later."""
        for number in range(1, requests // 10 + 2):
            await self._client.call("POST", MAPS, {"metadata": {"name": f"doomed-{number}"}})

    async def run(self, rate: float, seconds: float) -> None:
        """Start a request whenever one is due."""
        began, tasks = time.monotonic(), []
        for number in range(int(rate * seconds)):
            due = began + number / rate
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(self._one(*next(self._turns), due)))
        await asyncio.gather(*tasks)

    async def _one(self, name: str, call: Callable[[], Awaitable[Any]], due: float) -> None:
        await call()
        self.taken.setdefault(name, []).append(time.monotonic() - due)

    async def _get(self) -> None:
        await self._client.call("GET", f"{MAPS}/map-7")

    async def _list(self) -> None:
        await self._client.call("GET", PODS)

    async def _create(self) -> None:
        number = next(_numbers)
        self.sent[number] = time.monotonic()
        await self._client.call("POST", MAPS, marked(number))

    async def _patch(self) -> None:
        number = next(_numbers)
        self.sent[number] = time.monotonic()
        await self._client.call("PATCH", f"{MAPS}/map-{number % 100}", {"data": {"mark": f"@{number}@"}},
                                "application/merge-patch+json")

    async def _delete(self) -> None:
        await self._client.call("DELETE", f"{MAPS}/doomed-{next(self._doomed)}")


async def steady(server: Running, rate: float, seconds: float) -> list[tuple[str, ...]]:
    """Return rows about requests at that rate while a hundred watchers see every write."""
    async with server.client(LOADED_CONNECTIONS) as client:
        load = Load(client)
        await load.prepare(int(rate * seconds))
        readers = await asyncio.to_thread(Readers, server, f"{MAPS}?watch=1&resourceVersion={await newest(client)}",
                                          LOADED_WATCHERS)
        cpu = server.cpu_seconds()
        await load.run(rate, seconds)
    came = await asyncio.to_thread(readers.arrivals, len(load.sent))
    cpu, events = server.cpu_seconds() - cpu, len(load.sent) * LOADED_WATCHERS
    rows: list[tuple[str, ...]] = []
    for name, taken in load.taken.items():
        middle, slow = cuts(taken)
        rows.append((f"{name} at {rate:.0f} requests a second", f"{middle:.2f}", f"{slow:.2f}", "", "", ""))
    every = [took for taken in load.taken.values() for took in taken]
    middle, slow = cuts(every)
    rows.append((f"all at {rate:.0f} requests a second", f"{middle:.2f}", f"{slow:.2f}",
                 f"{cpu / len(every) * 1e6:.0f}", "", report.verdict(slow, LOAD_BUDGET_MS)))
    middle, slow = cuts(delays(came, load.sent, events))
    rows.append((f"delivery meanwhile, {LOADED_WATCHERS} watchers", f"{middle:.2f}", f"{slow:.2f}", "",
                 f"{readers.cpu_seconds / events * 1e6:.0f}", ""))
    return rows


async def newest(client: Client) -> str:
    """Return the revision to watch from."""
    listing = await client.call("GET", f"{MAPS}?limit=1")
    return listing.partition(b'"resourceVersion":"')[2].partition(b'"')[0].decode()


async def fill(server: Running) -> None:
    """Make a hundred pods and as many ConfigMaps."""
    async with server.client() as client:
        for number in range(100):
            await client.call("POST", PODS, pod(f"pod-{number}"))
            await client.call("POST", MAPS, config_map(f"map-{number}"))


def main() -> None:
    """Start the server, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    allow_files(max(WATCHERS))
    print(report.machine())

    async def measure(server: Running) -> list[tuple[str, ...]]:
        await fill(server)
        rows = [await deliver(server, count) for count in WATCHERS]
        return rows + await steady(server, options.rate, options.seconds)

    with running() as server:
        rows = asyncio.run(measure(server))
    report.table(("", "p50 ms", "p99 ms", "server us", "reader us", ""), rows)


if __name__ == "__main__":
    main()
