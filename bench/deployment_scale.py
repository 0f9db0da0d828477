"""How long a Deployment takes until all its replicas run, on nodes that do as they are told at once.

    python -m bench.deployment_scale [replicas ...] [--nodes 100]

API, store (on disk, every commit synced), controllers and scheduler are the real ones, in one process; a simulated
node answers each pod bound to it with a Running and Ready status, at once. Beside it: a loop that only writes as many
objects, three times each (create, bind, status), one by one, which is the least the store has to do.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import msgspec

from bench import report
from edge.api import apps, core, meta, times
from edge.apiserver import local
from edge.apiserver.bootstrap import make_namespaces
from edge.apiserver.service import Service
from edge.client import cache
from edge.clock import SystemClock
from edge.component import Supervisor
from edge.controllers import loop as controllers_loop
from edge.controllers.settings import Settings
from edge.ids import SystemIds
from edge.scheduler import loop as scheduler_loop
from edge.store.sqlite import open_store

BUDGET_SECONDS = {100: 3.0, 1000: 10.0}
PUBLISHED = {100: "9.1", 1000: "37 to 50"}
"""Kubernetes, measured earlier on a development machine of the same kind; not in this run."""
LONGEST_SECONDS = 300


class Nodes:
    """Simulated nodes: every pod bound to one of them is Running as soon as the view shows it."""

    def __init__(self, client: local.LocalClient, pods: cache.Cache[core.Pod], clock: SystemClock) -> None:
        self._client, self._clock = client, clock
        self._bound: asyncio.Queue[core.Pod] = asyncio.Queue()
        self.running: dict[str, float] = {}
        pods.listen(self._changed)

    def _changed(self, _: core.Pod | None, pod: core.Pod | None) -> None:
        if pod is None or not pod.spec.node_name:
            return
        if pod.status.phase == "Running":
            self.running.setdefault(pod.metadata.uid, time.perf_counter())
        else:
            self._bound.put_nowait(pod)

    async def run(self) -> None:
        """Answer until cancelled; like real nodes, many at a time."""
        await asyncio.gather(*(self._answer() for _ in range(32)))

    async def _answer(self) -> None:
        while True:
            pod = await self._bound.get()
            now = times.render(self._clock.now())
            status = core.PodStatus(
                phase="Running", pod_ip="10.244.0.2", start_time=now,
                conditions=tuple(meta.Condition(type=kind, status="True", last_transition_time=now)
                                 for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")),
                container_statuses=(core.ContainerStatus(
                    name="c", image="web", ready=True, started=True,
                    state=core.ContainerState(running=core.ContainerStateRunning(started_at=now))),))
            await self._client.update_status(msgspec.structs.replace(pod, status=status))


def node(number: int) -> core.Node:
    """Return a Ready node with room for 110 pods."""
    amounts: dict[str, meta.Quantity] = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    return core.Node(metadata=meta.ObjectMeta(name=f"node-{number}"), status=core.NodeStatus(
        allocatable=amounts, capacity=amounts, conditions=(meta.Condition(type="Ready", status="True"),)))


def deployment(replicas: int) -> apps.Deployment:
    """Return a Deployment of small pods."""
    requests: dict[str, meta.Quantity] = {"cpu": "1m", "memory": "1Mi"}
    container = core.Container(name="c", image="web", resources=core.ResourceRequirements(requests=requests))
    labels = {"app": "web"}
    return apps.Deployment(
        metadata=meta.ObjectMeta(name="web", namespace="default"),
        spec=apps.DeploymentSpec(replicas=replicas, selector=meta.LabelSelector(match_labels=labels),
                                 template=core.PodTemplateSpec(metadata=meta.ObjectMeta(labels=labels),
                                                               spec=core.PodSpec(containers=(container,)))))


async def once(replicas: int, nodes: int, folder: Path) -> tuple[float, float, float]:
    """Return the seconds until half and all pods run, and until the Deployment says so."""
    clock, ids = SystemClock(), SystemIds()
    store = await open_store(folder / "store.db")
    service = Service(store, clock, ids)
    await make_namespaces(service)
    client, supervisor = local.LocalClient(service), Supervisor(clock)
    caches = cache.SharedCaches(client, clock=clock, ids=ids, start=supervisor.start)
    simulated = Nodes(client, caches.of(core.Pod), clock)
    supervisor.start("nodes", simulated.run)
    # Simulated nodes renew no lease.
    settings = Settings(node_monitor_grace_seconds=10**6)
    for name, run in (*controllers_loop.build(client, caches, clock, ids, settings),
                      *scheduler_loop.build(client, caches, clock, ids)):
        supervisor.start(name, run)
    try:
        await caches.synced()
        await asyncio.gather(*(client.create(node(number)) for number in range(nodes)))
        await asyncio.sleep(1)
        async with asyncio.timeout(LONGEST_SECONDS):
            return await _roll_out(client, simulated, replicas)
    finally:
        await supervisor.stop()
        await store.close()


async def _roll_out(client: local.LocalClient, simulated: Nodes, replicas: int) -> tuple[float, float, float]:
    began = time.perf_counter()
    await client.create(deployment(replicas))
    while (await client.get(apps.Deployment, "web", "default")).status.available_replicas != replicas:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    said = time.perf_counter() - began
    after = sorted(seen - began for seen in simulated.running.values())
    return statistics.median(after), after[-1], said


async def bare(replicas: int, folder: Path) -> float:
    """Return the seconds it takes to write as many objects three times each, and nothing else."""
    store = await open_store(folder / "bare.db")

    async def write(number: int) -> None:
        record = await store.create(f"//pods/default/{number}", lambda _: b"x" * 1500)
        for _ in range(2):
            record = await store.update(record.key, lambda _: b"x" * 1500, expected=record.revision)

    began = time.perf_counter()
    for start in range(0, replicas, 32):
        await asyncio.gather(*(write(number) for number in range(start, min(start + 32, replicas))))
    took = time.perf_counter() - began
    await store.close()
    return took


def main() -> None:
    """Measure each size some times and print the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("replicas", type=int, nargs="*", default=[100, 1000])
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rows = []
    for replicas in options.replicas:
        found, least = [], []
        for _ in range(options.rounds):
            with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
                found.append(asyncio.run(once(replicas, options.nodes, Path(folder))))
                least.append(asyncio.run(bare(replicas, Path(folder))))
        half, running, said = (statistics.median(column) for column in zip(*found, strict=True))
        budget = BUDGET_SECONDS.get(replicas)
        rows.append((str(replicas), f"{half:.2f}", f"{min(each[1] for each in found):.2f}", f"{running:.2f}",
                     f"{max(each[1] for each in found):.2f}", f"{said:.2f}", f"{statistics.median(least):.2f}",
                     f"{budget:.0f}" if budget else "", report.verdict(running, budget) if budget else "",
                     PUBLISHED.get(replicas, "")))
    print(report.machine())
    report.table(("replicas", "half s", "all: min", "median", "max", "status says so", "bare store", "budget", "",
                  "Kubernetes (elsewhere)"), rows)


if __name__ == "__main__":
    main()
