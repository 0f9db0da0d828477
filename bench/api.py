"""Measures the API over HTTPS: get, list, create, patch and delete, on one connection and on sixteen.

`python -m bench.api [--count 4000]` starts a server process with a store in a temporary folder, on loopback with TLS
and client certificates, and prints a table. Times are as the client sees them; beside each rate stands the server's
own processor time for a request, because no rate of one process can be above its inverse. Watches and a steady load
are in `bench.api_load`.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from bench import report
from bench.api_server import MAPS, PODS, Client, Running, running

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
MANY = "/api/v1/namespaces/many/configmaps"
ELSEWHERE_MS = {"get ConfigMap": 0.96, "get Pod": 1.6, "list 100 ConfigMaps": 3.8, "list 100 Pods": 8.7,
                "create ConfigMap": 2.7, "create Pod": 4.3, "delete ConfigMap": 2.8}
ELSEWHERE_A_SECOND = {"get ConfigMap": 1800}
BUDGET = 0.6
Call = Callable[[Client, int], Awaitable[Any]]


def config_map(name: str) -> dict[str, Any]:
    """Return a small ConfigMap."""
    return {"metadata": {"name": name}, "data": {"a": "b" * 200}}


def pod(name: str) -> dict[str, Any]:
    """Return a small Pod."""
    return {"metadata": {"name": name, "labels": {"app": "bench"}},
            "spec": {"containers": [{"name": "main", "image": "busybox", "command": ["sleep", "3600"]}]}}


async def fill(client: Client) -> None:
    """Make what is read: a hundred pods, a hundred ConfigMaps, a thousand in another namespace."""
    for number in range(100):
        await client.call("POST", PODS, pod(f"pod-{number}"))
        await client.call("POST", MAPS, config_map(f"map-{number}"))
    await client.call("POST", "/api/v1/namespaces", {"metadata": {"name": "many"}})
    for number in range(1000):
        await client.call("POST", MANY, config_map(f"map-{number}"))


async def account_token(client: Client) -> str:
    """Return the token of an account that may read ConfigMaps by a role, as one of fifty that have one."""
    rule = {"verbs": ["get", "list", "watch"], "apiGroups": [""], "resources": ["configmaps"]}
    for number in range(50):
        name = f"reader-{number}"
        subject = {"kind": "ServiceAccount", "name": name, "namespace": "default"}
        await client.call("POST", ACCOUNTS, {"metadata": {"name": name}})
        await client.call("POST", f"{RBAC}/roles", {"metadata": {"name": name}, "rules": [rule]})
        await client.call("POST", f"{RBAC}/rolebindings", {
            "metadata": {"name": name}, "subjects": [subject],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}})
    answer = await client.call("POST", f"{ACCOUNTS}/reader-30/token", {
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
    token: str = msgspec.json.decode(answer)["status"]["token"]
    return token


def calls() -> dict[str, Call]:
    """Return what is measured; deletions are of what was created before them."""
    made: dict[str, Callable[[str], dict[str, Any]]] = {MAPS: config_map, PODS: pod}

    def read(path: str) -> Call:
        return lambda client, number: client.call("GET", path)

    def create(path: str) -> Call:
        return lambda client, number: client.call("POST", path, made[path](f"made-{number}"))

    return {
        "get ConfigMap": read(f"{MAPS}/map-7"), "get Pod": read(f"{PODS}/pod-7"),
        "list 100 ConfigMaps": read(f"{MAPS}?limit=100"), "list 100 Pods": read(f"{PODS}?limit=100"),
        "list 1,000 ConfigMaps": read(MANY),
        "create ConfigMap": create(MAPS), "create Pod": create(PODS),
        "patch ConfigMap": lambda client, number: client.call(
            "PATCH", f"{MAPS}/map-{number % 100}", {"data": {"mark": str(number)}}, "application/merge-patch+json"),
        "delete ConfigMap": lambda client, number: client.call("DELETE", f"{MAPS}/made-{number}")}


async def measure(server: Running, name: str, call: Call, connections: int, count: int, start: int,
                  token: str = "") -> tuple[str, ...]:
    """Make `count` calls over that many connections; return a row."""
    times: list[float] = []
    numbers = itertools.count(start)
    async with server.client(connections, token) as client:
        await asyncio.gather(*(client.call("GET", f"{MAPS}/map-1") for _ in range(connections)))

        async def work() -> None:
            for _ in range(count // connections):
                began = time.perf_counter()
                await call(client, next(numbers))
                times.append(time.perf_counter() - began)

        began, used = time.perf_counter(), server.cpu_seconds()
        await asyncio.gather(*(work() for _ in range(connections)))
        took, used = time.perf_counter() - began, server.cpu_seconds() - used
    cuts = statistics.quantiles(times, n=100)
    middle, rate = cuts[49] * 1e3, len(times) / took
    return (f"{name}, {connections}", f"{middle:.2f}", f"{cuts[98] * 1e3:.2f}", f"{rate:.0f}",
            f"{used / len(times) * 1e6:.0f}", *compared(name, connections, middle, rate))


def compared(name: str, connections: int, middle: float, rate: float) -> tuple[str, str]:
    """Return what share of Kubernetes' time it is (measured elsewhere), and how that is to its budget."""
    if connections == 1 and name in ELSEWHERE_MS:
        share = middle / ELSEWHERE_MS[name]
    elif connections > 1 and name in ELSEWHERE_A_SECOND:
        share = ELSEWHERE_A_SECOND[name] / rate
    else:
        return "", ""
    return f"{share:.2f}", report.verdict(share, BUDGET)


async def run(server: Running, count: int) -> list[tuple[str, ...]]:
    """Fill the server and measure."""
    async with server.client() as client:
        await fill(client)
        token = await account_token(client)
    rows, start = [], 1
    for connections in (1, 16):
        for name, call in calls().items():
            calls_made = count // 4 if name.startswith("list") else count // 2 if "Pod" in name else count
            rows.append(await measure(server, name, call, connections, calls_made, start))
        rows.append(await measure(server, "get ConfigMap as an account", calls()["get ConfigMap"], connections, count,
                                  start, token))
        start += count
    return rows


def main() -> None:
    """Start the server, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=4000,
                        help="requests a row; a few hundred last milliseconds and say nothing")
    count = parser.parse_args().count
    print(report.machine())
    with running() as server:
        rows = asyncio.run(run(server, count))
    report.table(("call, connections", "p50 ms", "p99 ms", "a second", "CPU us", "of Kubernetes", f"budget {BUDGET}"),
                 rows)


if __name__ == "__main__":
    main()
