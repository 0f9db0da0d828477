"""Carries reservations down to the ground: watches their ConfigMap, the nodes and the leases, and leaves in a file what
the DHCP server shall keep for whom. `edge-rack apply` judges it (`edge.dhcp.reservations`) and makes it so.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from edge import logs
from edge.api import core, meta, nodes
from edge.client import cache, view
from edge.clock import Clock, wait
from edge.dhcp import reservations, wishes
from edge.dhcp.reservations import Wishes
from edge.pki import directory
from edge.server.leases import Leases

LOOK_SECONDS = 10.0
RETRY_SECONDS = 30.0
INTERNAL = "InternalIP"

log = logs.get("reservations")


class Reservations:
    """The loop."""

    def __init__(self, caches: cache.SharedCaches, leases: Leases, wishes_dir: Path, clock: Clock) -> None:
        self._maps = caches.of(core.ConfigMap)
        self._nodes = caches.of(nodes.Node)
        self._leases = leases
        self._file = wishes_dir / reservations.WISHES_FILE
        self._clock = clock
        self._wake = asyncio.Event()
        self._wished: Wishes | None = None
        self._problem = ""
        self._maps.listen(self._changed)
        self._nodes.listen(lambda old, new: self._wake.set() if old is None or new is None else None)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._maps.synced.wait()
        await self._nodes.synced.wait()
        while True:
            done = self._wish()
            await wait(self._wake, self._clock, LOOK_SECONDS if done else RETRY_SECONDS)

    def _changed(self, old: meta.Object | None, new: meta.Object | None) -> None:
        subject = new or old
        if subject is not None and (subject.metadata.namespace, subject.metadata.name) == (
                wishes.NAMESPACE, wishes.NAME):
            self._wake.set()

    def _wish(self) -> bool:
        """Write the wishes if they say something else than before; return whether they are as they should be."""
        before = self._before()
        listed = self._maps.get(view.key(wishes.NAME, wishes.NAMESPACE))
        now = wishes.wishes(listed.data if listed is not None else {}, map(_member, self._nodes.items()),
                            self._leases.read(), before)
        if now == self._wished or (self._wished is None and now == before):
            self._wished = now
            return True
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            directory.write(self._file, msgspec.json.format(msgspec.json.encode(now), indent=1) + b"\n", mode=0o644)
        except OSError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                log.error("reservations cannot be handed down", reason=self._problem)
            return False
        self._wished, self._problem = now, ""
        log.info("reservations handed down", wished=len(now.reservations), nodes=len(now.nodes))
        return True

    def _before(self) -> Wishes:
        """Return what was wished last, also by an earlier process."""
        if self._wished is not None:
            return self._wished
        try:
            return reservations.read(self._file.read_bytes())[0]
        except OSError:
            return Wishes()


def _member(node: nodes.Node) -> wishes.Member:
    addresses = frozenset(one.address for one in node.status.addresses if one.type == INTERNAL)
    return wishes.Member(name=node.metadata.name, addresses=addresses, serial=node.status.node_info.system_uuid)
