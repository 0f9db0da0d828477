"""How much memory the control plane takes with a large rack stored: 100 nodes and 3,000 running pods.

    python -m bench.api_memory [--nodes 100] [--pods 3000]

API over TLS, store on disk, every controller and the scheduler run in a process of their own, as in edge-server but
for the bridge to the bus; simulated nodes in the parent report each pod Running through the API, as the bridge would.
Beside it: the same process before anything is stored.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import ssl
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from bench import report
from edge.api import times
from edge.apiserver import local
from edge.apiserver.http import ApiServer, Settings
from edge.client import cache
from edge.clock import SystemClock
from edge.component import Supervisor
from edge.controllers import loop as controllers_loop
from edge.controllers.settings import Settings as ControllerSettings
from edge.ids import SystemIds
from edge.scheduler import loop as scheduler_loop
from edge.server.loop import compact
from edge.store.sqlite import open_store
from tests.fakes.authority import Authority

BUDGET_MIB = 150
LONGEST_SECONDS = 600


def serve(folder: str, pipe: Connection) -> None:
    """Run the control plane until the pipe is written to."""
    async def run() -> None:
        base, clock, ids = Path(folder), SystemClock(), SystemIds()
        store = await open_store(base / "store.db")
        server = ApiServer(Settings(certificate=base / "master.crt", key=base / "master.key",
                                    client_ca=base / "ca.crt", host="127.0.0.1", port=0), store, clock, ids)
        await server.start()
        client, supervisor = local.LocalClient(server.service), Supervisor(clock)
        caches = cache.SharedCaches(client, clock=clock, ids=ids, start=supervisor.start)
        settings = ControllerSettings(node_monitor_grace_seconds=10**6)  # simulated nodes renew no lease
        for name, part in (*controllers_loop.build(client, caches, clock, ids, settings),
                           *scheduler_loop.build(client, caches, clock, ids)):
            supervisor.start(name, part)
        supervisor.start("compaction", lambda: compact(store, clock, every_seconds=5, keep_revisions=1000))
        await caches.synced()
        gc.collect()
        gc.freeze()
        pipe.send(server.port)
        await asyncio.to_thread(pipe.recv)
        await supervisor.stop()
        await server.stop()
        await store.close()
    asyncio.run(run())


def memory_mib(pid: int) -> tuple[float, float]:
    """Return the proportional and the resident set size."""
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1024
             for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]}
    return sizes["Pss"], sizes["Rss"]


class Rack:
    """A client that plays the nodes."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url, self.http = url, http

    async def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """Make a request that must succeed."""
        data = None if body is None else msgspec.json.encode(body)
        async with self.http.request(method, self.url + path, data=data, headers={"Content-Type": kind}) as answer:
            text = await answer.read()
            if answer.status >= 300:
                raise SystemExit(f"{method} {path}: {answer.status} {text.decode()}")
            return msgspec.json.decode(text)

    async def add_node(self, number: int) -> None:
        """Create a Ready node with room for 110 pods."""
        amounts = {"cpu": "4", "memory": "8Gi", "pods": "110"}
        await self.call("POST", "/api/v1/nodes", {
            "metadata": {"name": f"node-{number}", "labels": {"kubernetes.io/hostname": f"node-{number}"}},
            "status": {"allocatable": amounts, "capacity": amounts,
                       "conditions": [{"type": "Ready", "status": "True"}]}})

    async def deploy(self, name: str, replicas: int) -> None:
        """Create a Deployment of ordinary pods."""
        labels = {"app": name}
        container = {"name": "web", "image": "docker.io/library/nginx:1.27", "ports": [{"containerPort": 80}],
                     "env": [{"name": "MODE", "value": "production"}],
                     "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
                     "readinessProbe": {"httpGet": {"path": "/", "port": 80}}}
        await self.call("POST", "/apis/apps/v1/namespaces/default/deployments", {
            "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels}, "spec": {"containers": [container]}}}})

    async def run_all(self, pods: int) -> None:
        """Report every bound pod Running until that many are."""
        done: set[str] = set()
        while len(done) < pods:
            listing = await self.call("GET", "/api/v1/pods")
            due = [pod for pod in listing["items"]
                   if pod["spec"].get("nodeName") and pod["metadata"]["name"] not in done]
            for start in range(0, len(due), 32):
                await asyncio.gather(*(self._run(pod) for pod in due[start:start + 32]))
            done |= {pod["metadata"]["name"] for pod in due}
            await asyncio.sleep(0.2)

    async def _run(self, pod: dict[str, Any]) -> None:
        now = times.render(SystemClock().now())
        name, container = pod["metadata"]["name"], pod["spec"]["containers"][0]
        status = {"phase": "Running", "podIP": "10.244.3.17", "podIPs": [{"ip": "10.244.3.17"}], "startTime": now,
                  "hostIP": "10.0.0.7",
                  "conditions": [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in
                                 ("PodScheduled", "Initialized", "ContainersReady", "Ready")],
                  "containerStatuses": [{"name": container["name"], "image": container["image"], "ready": True,
                                         "started": True, "imageID": "sha256:" + "0" * 64,
                                         "containerID": "podman://" + "0" * 64, "restartCount": 0,
                                         "state": {"running": {"startedAt": now}}}]}
        await self.call("PATCH", f"/api/v1/namespaces/default/pods/{name}/status", {"status": status},
                        "application/merge-patch+json")


async def fill(url: str, context: ssl.SSLContext, nodes: int, pods: int) -> None:
    """Store the rack: ten Deployments over all nodes."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=32)) as http:
        rack = Rack(url, http)
        await asyncio.gather(*(rack.add_node(number) for number in range(nodes)))
        await asyncio.gather(*(rack.deploy(f"app-{number}", pods // 10) for number in range(10)))
        async with asyncio.timeout(LONGEST_SECONDS):
            await rack.run_all(pods // 10 * 10)
        await asyncio.sleep(15)  # endpoints, statuses and one round of compaction


def main() -> None:
    """Start the control plane, fill it, and print what it takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--pods", type=int, default=3000)
    options = parser.parse_args()
    print(report.machine())
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        authority.issue("master", server=True)
        context = ssl.create_default_context(cafile=str(authority.ca))
        context.load_cert_chain(*authority.issue("kubernetes-admin", "system:masters"))
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=serve, args=(folder, theirs), daemon=True)
        process.start()
        try:
            port = ours.recv()
            assert process.pid is not None
            empty = memory_mib(process.pid)
            asyncio.run(fill(f"https://127.0.0.1:{port}", context, options.nodes, options.pods))
            full = memory_mib(process.pid)
            ours.send(None)
            process.join(20)
        finally:
            if process.is_alive():
                process.terminate()
    report.table(("", "PSS MiB", "RSS MiB", f"budget {BUDGET_MIB}"), [
        ("nothing stored", *(f"{size:.0f}" for size in empty), ""),
        (f"{options.nodes} nodes, {options.pods} pods", *(f"{size:.0f}" for size in full),
         report.verdict(full[0], BUDGET_MIB))])


if __name__ == "__main__":
    main()
