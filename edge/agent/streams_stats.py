"""Effects: the paths of the agent that say what is used: the stats summary, and the same for Prometheus."""

from __future__ import annotations

import asyncio

from aiohttp import web

from edge.agent import machine, usage_metrics
from edge.agent.sampling import Sampler


class StatsPaths:
    """Answers for one node."""

    def __init__(self, sampler: Sampler, data_dir: str = "/") -> None:
        self._sampler, self._data_dir = sampler, data_dir

    def routes(self) -> list[web.RouteDef]:
        """Return the paths, as the kubelet has them."""
        return [web.get("/stats/summary", self._summary), web.get("/metrics/resource", self._resource),
                web.get("/metrics/cadvisor", self._cadvisor)]

    async def _summary(self, request: web.Request) -> web.Response:
        only = request.query.get("only_cpu_and_memory", "").lower() in ("1", "true")
        return web.json_response(await self._sampler.summary(only_cpu_and_memory=only))

    async def _resource(self, _: web.Request) -> web.Response:
        found = await self._sampler.summary(only_cpu_and_memory=True)
        return _text(usage_metrics.resource(found))

    async def _cadvisor(self, _: web.Request) -> web.Response:
        found, whole = await self._sampler.summary(), await asyncio.to_thread(machine.read, self._data_dir)
        return _text(usage_metrics.cadvisor(found, whole.cpu_milli, whole.memory_bytes))


def _text(body: str) -> web.Response:
    return web.Response(text=body, headers={"Content-Type": usage_metrics.CONTENT_TYPE})
