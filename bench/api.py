"""Measures the API over HTTPS: get, create, list of 100 and the delivery of watch events, on one connection and 16.

`python -m bench.api [--count 4000]` starts a server process with a store in a temporary folder, on loopback with TLS
and client certificates, and prints a table. Times are as the client sees them; beside each rate stands the server's
own CPU time for a request, because no rate of one process can be above its inverse.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from edge.apiserver.http import ApiServer, Settings
from edge.clock import SystemClock
from edge.ids import SystemIds
from edge.store.sqlite import open_store
from tests.fakes.authority import Authority

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
WATCHERS = 100


def serve(folder: str, pipe: Connection) -> None:
    """Run the server in a process of its own until the pipe is written to."""
    async def run() -> None:
        base = Path(folder)
        store = await open_store(base / "store.db")
        server = ApiServer(Settings(certificate=base / "master.crt", key=base / "master.key",
                                    client_ca=base / "ca.crt", host="127.0.0.1", port=0),
                           store, SystemClock(), SystemIds())
        await server.start()
        pipe.send(server.port)
        await asyncio.to_thread(pipe.recv)
        await server.stop()
        await store.close()
    asyncio.run(run())


class Bench:
    """A client, and the rows it has measured."""

    def __init__(self, url: str, context: ssl.SSLContext, count: int) -> None:
        self.url = url
        self.context = context
        self.count = count
        self.rows: list[tuple[str, float, float, float, float]] = []
        self.server_pid = 0
        self._names = 0

    def session(self, connections: int) -> aiohttp.ClientSession:
        """Return a client with that many connections."""
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self.context, limit=connections))

    async def measure(self, name: str, connections: int, count: int,
                      call: Callable[[aiohttp.ClientSession], Awaitable[None]]) -> None:
        """Make `count` calls over that many connections and note the times."""
        times: list[float] = []
        async with self.session(connections) as http:
            await asyncio.gather(*(call(http) for _ in range(connections)))

            async def work() -> None:
                for _ in range(count // connections):
                    began = time.perf_counter()
                    await call(http)
                    times.append(time.perf_counter() - began)

            began, used = time.perf_counter(), self.server_cpu()
            await asyncio.gather(*(work() for _ in range(connections)))
            took, used = time.perf_counter() - began, self.server_cpu() - used
        self.note(f"{name}, {connections} connection{'s' if connections > 1 else ''}", times,
                  len(times) / took, used / len(times))

    def server_cpu(self) -> float:
        """Return the seconds of CPU the server has used, in steps of 10 ms."""
        fields = Path(f"/proc/{self.server_pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def note(self, name: str, times: list[float], rate: float = 0, cpu: float = 0) -> None:
        """Add a row."""
        cuts = statistics.quantiles(times, n=100)
        self.rows.append((name, cuts[49] * 1000, cuts[98] * 1000, rate, cpu * 1e6))

    async def request(self, http: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> bytes:
        """Make a request that must succeed."""
        data = None if body is None else msgspec.json.encode(body)
        async with http.request(method, self.url + path, data=data,
                                headers={"Content-Type": "application/json"}) as answer:
            text = await answer.read()
            if answer.status >= 300:
                raise SystemExit(f"{method} {path}: {answer.status} {text.decode()}")
            return text

    async def create(self, http: aiohttp.ClientSession) -> None:
        """Create one more ConfigMap."""
        self._names += 1
        await self.request(http, "POST", MAPS, {"metadata": {"name": f"made-{self._names}"}, "data": {"a": "b" * 200}})

    async def watchers(self, count: int) -> None:
        """Measure from the start of a write to the arrival of its event at each of `count` watchers."""
        times: list[float] = []
        sent: dict[str, float] = {}
        async with self.session(0) as http:
            answers = [await http.get(f"{self.url}{MAPS}?watch=1&labelSelector=bench%3Dwatch{count}", timeout=_NO_LIMIT)
                       for _ in range(count)]

            async def read(answer: aiohttp.ClientResponse) -> None:
                for _ in range(30):
                    event = msgspec.json.decode(await answer.content.readline())
                    times.append(time.perf_counter() - sent[event["object"]["metadata"]["name"]])

            readers = [asyncio.create_task(read(answer)) for answer in answers]
            for number in range(30):
                name = f"watched-{count}-{number}"
                sent[name] = time.perf_counter()
                await self.request(http, "POST", MAPS, {
                    "metadata": {"name": name, "labels": {"bench": f"watch{count}"}}})
                await asyncio.sleep(0.02)
            await asyncio.gather(*readers)
            for answer in answers:
                answer.close()
        self.note(f"watch delivery, {count} watcher{'s' if count > 1 else ''}", times)


_NO_LIMIT = aiohttp.ClientTimeout(total=None)


async def run(bench: Bench) -> None:
    """Fill the server and measure."""
    async with bench.session(1) as http:
        for number in range(100):
            await bench.request(http, "POST", PODS, {
                "metadata": {"name": f"pod-{number}", "labels": {"app": "bench"}},
                "spec": {"containers": [{"name": "main", "image": "busybox", "command": ["sleep", "3600"]}]}})
            await bench.request(http, "POST", MAPS, {"metadata": {"name": f"map-{number}"}, "data": {"a": "b" * 200}})

    async def get_map(http: aiohttp.ClientSession) -> None:
        await bench.request(http, "GET", f"{MAPS}/map-7")

    async def get_pod(http: aiohttp.ClientSession) -> None:
        await bench.request(http, "GET", f"{PODS}/pod-7")

    async def list_pods(http: aiohttp.ClientSession) -> None:
        await bench.request(http, "GET", PODS)

    await bench.watchers(1)
    await bench.watchers(WATCHERS)
    for connections in (1, 16):
        await bench.measure("get ConfigMap", connections, bench.count, get_map)
        await bench.measure("get Pod", connections, bench.count, get_pod)
        await bench.measure("list 100 Pods", connections, bench.count // 2, list_pods)
        await bench.measure("create ConfigMap", connections, bench.count, bench.create)


def main() -> None:
    """Start the server, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=4000,
                        help="requests a row; a few hundred last milliseconds and say nothing")
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        authority.issue("master", server=True)
        context = ssl.create_default_context(cafile=str(authority.ca))
        context.load_cert_chain(*authority.issue("kubernetes-admin", "system:masters"))
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=serve, args=(folder, theirs), daemon=True)
        process.start()
        try:
            bench = Bench(f"https://127.0.0.1:{ours.recv()}", context, count)
            assert process.pid is not None
            bench.server_pid = process.pid
            asyncio.run(run(bench))
            ours.send(None)
            process.join(10)
        finally:
            if process.is_alive():
                process.terminate()
    sys.stdout.write(f"{'':36}{'p50 ms':>9}{'p99 ms':>9}{'per s':>9}{'CPU us':>9}\n")
    for name, middle, slow, rate, cpu in bench.rows:
        tail = f"{rate:9.0f}{cpu:9.0f}" if rate else ""
        sys.stdout.write(f"{name:36}{middle:9.2f}{slow:9.2f}{tail}\n")


if __name__ == "__main__":
    main()
