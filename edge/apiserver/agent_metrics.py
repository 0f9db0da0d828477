"""Asks the agents what is used, when somebody wants to know: all at once, and not again within some seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from edge.api import core, meta
from edge.apiserver import usage
from edge.apiserver.lookup import Lookup
from edge.clock import Clock

KEPT_SECONDS = 10.0
Ask = Callable[[core.Node, str], Awaitable[bytes]]
"""Returns what the agent of a node answers to a path, an empty answer when it does not."""


class AgentMetrics:
    """NodeMetrics and PodMetrics of the rack."""

    def __init__(self, lookup: Lookup, clock: Clock, ask: Ask) -> None:
        self._lookup, self._clock, self._ask = lookup, clock, ask
        self._asking = asyncio.Lock()
        self._kept: list[tuple[core.Node, usage.Summary]] = []
        self._kept_at = float("-inf")

    async def nodes(self, _namespace: str) -> Sequence[meta.Object]:
        """Return what each node uses; one whose agent does not answer is left out."""
        return [made for node, summary in await self._summaries()
                if (made := usage.node_metrics(node, summary)) is not None]

    async def pods(self, namespace: str) -> Sequence[meta.Object]:
        """Return what the pods of a namespace use, or all pods."""
        found = [made for _, summary in await self._summaries() for made in usage.pod_metrics(summary, self._pod)
                 if namespace in ("", made.metadata.namespace)]
        return sorted(found, key=lambda made: (made.metadata.namespace, made.metadata.name))

    def _pod(self, namespace: str, name: str) -> core.Pod | None:
        return self._lookup.one(core.Pod, namespace, name)

    async def _summaries(self) -> list[tuple[core.Node, usage.Summary]]:
        async with self._asking:
            if self._clock.monotonic() - self._kept_at < KEPT_SECONDS:
                return self._kept
            nodes = usage.wanted(self._lookup.all(core.Node))
            answers = await asyncio.gather(*(self._ask(node, "/stats/summary?only_cpu_and_memory=true")
                                             for node in nodes))
            self._kept = [(node, summary) for node, answer in zip(nodes, answers, strict=True)
                          if (summary := usage.read(answer)) is not None]
            self._kept_at = self._clock.monotonic()
            return self._kept
