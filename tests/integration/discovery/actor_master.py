"""Runs a master's announcer in the network namespace it is started in; a line of JSON in, a line of JSON out."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from edge.api import core, meta
from edge.client import cache
from edge.clock import SystemClock
from edge.component import Supervisor
from edge.discovery import nodes
from edge.ids import SystemIds
from edge.server import announcing
from edge.server.settings import ServerSettings
from tests.fakes.client import FakeClient


def service(name: str, namespace: str, created: str, address: str, annotations: dict[str, str]) -> core.Service:
    return core.Service(
        metadata=meta.ObjectMeta(name=name, namespace=namespace, creation_timestamp=created, annotations=annotations),
        spec=core.ServiceSpec(type="LoadBalancer", ports=(core.ServicePort(port=80),)),
        status=core.ServiceStatus(load_balancer=core.LoadBalancerStatus(
            ingress=(core.LoadBalancerIngress(ip=address),))))


async def obey(order: dict[str, Any], client: FakeClient, announcer: announcing.Announcer) -> Any:
    match order.pop("do"):
        case "service":
            await client.create(service(**{"namespace": "default", "created": "", "annotations": {}} | order))
        case "delete":
            await client.delete(core.Service, order["name"], order["namespace"])
        case "events":
            return [f"{event.type} {event.reason} {event.involved_object.namespace}/{event.involved_object.name}: "
                    f"{event.message}" for event in (await client.list(core.Event)).items]
        case "memory":
            status = Path("/proc/self/status").read_text()
            return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))
    return announcer.documents()[announcing.DISCOVERED]()


async def main(settings: ServerSettings, ca: Path) -> None:
    clock, ids, client = SystemClock(), SystemIds(), FakeClient()
    supervisor = Supervisor(clock)
    caches = cache.SharedCaches(client, clock=clock, ids=ids, start=supervisor.start)
    announcer = announcing.Announcer(settings, ca, clock)
    supervisor.start("announcer", lambda: announcer.run(client, caches, ids))
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        print(json.dumps(await obey(json.loads(line), client, announcer)), flush=True)
    await supervisor.stop()


if __name__ == "__main__":
    nodes.REPEAT_SECONDS = 2.0
    announcing.LOOK_SECONDS = 5.0
    asyncio.run(main(ServerSettings.model_validate(json.loads(sys.argv[1])), Path(sys.argv[2])))
