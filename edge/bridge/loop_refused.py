"""Tells people of pods that cannot be sent to their node: an Event, and the pod's status until its node speaks of it.

Effects: the API. What is told once is not told again; nothing else waits for it.
"""

from __future__ import annotations

import asyncio

from edge import logs
from edge.api import core, errors, meta
from edge.client.interface import Client
from edge.client.recorder import Recorder
from edge.clock import Clock
from edge.ids import Ids

REASON = "MessageTooLarge"
MOST_WAITING = 1000

log = logs.get("bridge")


class Refusals:
    """Pods whose message the bus does not take."""

    def __init__(self, client: Client, clock: Clock, ids: Ids) -> None:
        self._client = client
        self._events = Recorder(client, clock, ids, component="edge-server")
        self._waiting: asyncio.Queue[tuple[core.Pod, str]] = asyncio.Queue(MOST_WAITING)

    def put(self, pod: core.Pod, problem: str) -> None:
        """Note a pod that could not be sent."""
        if not self._waiting.full():
            self._waiting.put_nowait((pod, problem))

    async def work(self) -> None:
        """Tell of them until cancelled."""
        while True:
            pod, problem = await self._waiting.get()
            m = pod.metadata
            text = (f"The pod with its ConfigMaps and Secrets is more than can be sent to node {pod.spec.node_name}: "
                    f"{problem}")
            about = meta.ObjectReference(kind="Pod", api_version="v1", namespace=m.namespace, name=m.name, uid=m.uid)
            await self._events.record(about, "Warning", REASON, text)
            if pod.status.phase not in ("", "Pending"):
                continue  # It runs as it was sent before, and its node tells how.
            try:
                await self._client.patch(core.Pod, m.name, m.namespace, {
                    "metadata": {"uid": m.uid}, "status": {"reason": REASON, "message": text}}, subresource="status")
            except errors.ApiError as error:
                log.debug("refusal not written", pod=m.name, namespace=m.namespace, error=error.message)
