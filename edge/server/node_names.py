"""Carries the nodes' names down to the ground, where the rack's name server answers them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from edge import logs
from edge.api import meta, nodes
from edge.client import cache
from edge.clock import Clock, wait
from edge.dhcp import node_names
from edge.pki import directory
from edge.server.leases import Leases

LOOK_SECONDS = 10.0
INTERNAL = "InternalIP"

log = logs.get("node_names")


class NodeNames:
    """The loop."""

    def __init__(self, caches: cache.SharedCaches, leases: Leases, wishes_dir: Path, clock: Clock) -> None:
        self._nodes = caches.of(nodes.Node)
        self._leases = leases
        self._file = wishes_dir / node_names.FILE
        self._clock = clock
        self._wake = asyncio.Event()
        self._problem = ""
        self._nodes.listen(lambda old, new: self._wake.set() if _addresses(old) != _addresses(new) else None)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._nodes.synced.wait()
        while True:
            self._write()
            await wait(self._wake, self._clock, LOOK_SECONDS)

    def _write(self) -> None:
        known = {lease.address: lease.name for lease in self._leases.document().leases}
        text = node_names.render(node_names.entries(
            ((node.metadata.name, _addresses(node)) for node in self._nodes.items()), known))
        try:
            if self._file.exists() and self._file.read_text(errors="replace") == text:
                return
            self._file.parent.mkdir(parents=True, exist_ok=True)
            directory.write(self._file, text.encode(), mode=0o644)
        except OSError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                log.error("names of nodes cannot be handed down", reason=self._problem)
            return
        self._problem = ""


def _addresses(node: meta.Object | None) -> Iterable[str]:
    if not isinstance(node, nodes.Node):
        return ()
    return tuple(one.address for one in node.status.addresses if one.type == INTERNAL)
