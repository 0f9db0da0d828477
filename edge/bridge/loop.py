"""Joins the API and the bus: reads the connection's events, and runs the publishing and the receiving side.

Nothing is published before the caches have their first listing: an index made from half of the pods would stop the
other half.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime

from edge import logs
from edge.api import meta
from edge.bridge import interface, loop_cleared, loop_desired, loop_refused, loop_reported, surroundings
from edge.bus import interface as bus_interface
from edge.bus import topics
from edge.client import cache, view
from edge.client.interface import Client
from edge.clock import Clock
from edge.ids import Ids

SUBSCRIPTIONS = (*topics.SERVER_SUBSCRIPTIONS, f"{topics.ROOT}/nodes/+/desired/#", topics.CLUSTER_SERVICES)
"""The server's own branches too: what an earlier run left there has to be cleared."""

log = logs.get("bridge")


class CacheView:
    """The shared caches as the bridge reads them."""

    def __init__(self, caches: cache.SharedCaches) -> None:
        self._caches = caches

    def get(self, kind: type[interface.O], name: str, namespace: str = "") -> interface.O | None:
        return self._caches.of(kind).get(view.key(name, namespace))

    def all(self, kind: type[interface.O], namespace: str = "") -> Iterable[interface.O]:
        found = self._caches.of(kind)
        return found.by_index("namespace", namespace) if namespace else found.items()


class Bridge:
    """Both directions, over one bus connection that the owner starts and stops."""

    def __init__(self, client: Client, caches: cache.SharedCaches, bus: bus_interface.Bus, clock: Clock, ids: Ids, *,
                 network: surroundings.Network, tokens: interface.Tokens = interface.no_tokens) -> None:
        shown = CacheView(caches)
        self.epoch = ids.uid()
        """A new one for each connection: what nodes have said while the server was away from the bus is lost, and with
        a new epoch they say everything again."""
        self.listening_since: datetime | None = None
        """When the bus came up; None while it is away and no node can be heard."""
        self._caches = caches
        self._bus = bus
        self._clock, self._ids = clock, ids
        self._refusals = loop_refused.Refusals(client, clock, ids)
        self._publisher = loop_desired.Publisher(shown, bus, clock, epoch=self.epoch, network=network, tokens=tokens,
                                                 refused=self._refusals.put)
        self._cleared = loop_cleared.Cleared(bus)
        self.recipient = loop_reported.Recipient(shown, client, clock, ids, network=network, clear=self._cleared.put)
        for kind in interface.KINDS:
            caches.of(kind).listen(self._changed)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._caches.synced()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(), name="bridge bus")
            group.create_task(self._publisher.run(), name="bridge desired")
            group.create_task(self._refusals.work(), name="bridge refusals")
            group.create_task(self._cleared.work(), name="bridge cleared")
            group.create_task(self.recipient.mirrors.work(), name="bridge mirrors")
            group.create_task(self.recipient.absent.work(), name="bridge absent nodes")
            for number in range(loop_reported.WORKERS):
                group.create_task(self.recipient.work(), name=f"bridge reported {number}")

    async def _listen(self) -> None:
        async for event in self._bus.events():
            match event:
                case bus_interface.Connected():
                    self.listening_since = self._clock.now()
                    self.epoch = self._ids.uid()
                    log.info("bus connected", epoch=self.epoch)
                    self.recipient.absent.bus_back()
                    self._publisher.connected(self.epoch)
                case bus_interface.Disconnected(reason):
                    self.listening_since = None
                    self.recipient.absent.bus_away()
                    log.warning("bus away", reason=reason)
                case bus_interface.Message(topic, payload):
                    parsed = topics.parse(topic)
                    if parsed is None or not parsed.branch.startswith(("desired/", "cluster/")):
                        self.recipient.take(event)
                    elif payload:
                        self._publisher.seen(topic)

    def _changed(self, old: meta.Object | None, new: meta.Object | None) -> None:
        self._publisher.changed(old, new)
        self.recipient.changed(old, new)
