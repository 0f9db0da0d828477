"""Effects: keeps this node's links, routes and packet rules in step with the cluster, its services and its pods."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edge import logs
from edge.api import topology
from edge.clock import Clock, wait
from edge.network import routes, ruleset
from edge.network.interface import HostPort, Links, Network, NetworkFailure, RoutesFailure

RETRY_SECONDS = 2.0
LONGEST_RETRY_SECONDS = 30.0
RESYNC_SECONDS = 60.0
"""What others removed of the node's network (a link that went down takes its routes along) is put back after this."""

log = logs.get("agent")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the node's network follows from."""

    cluster: topology.Cluster | None
    services: Iterable[topology.Service]
    host_ports: tuple[HostPort, ...]


class NodeNetwork:
    """The node's own network. `ready` is set once its addresses are there; `problem` says what is wrong, if anything.

    `told` is called when either changes.
    """

    def __init__(self, node_name: str, network: Network, clock: Clock, gather: Callable[[], Wanted],
                 told: Callable[[], None]) -> None:
        self._name, self._network, self._clock = node_name, network, clock
        self._gather, self._told = gather, told
        self._links: Links | None = None
        self._rules = ""
        self.changed = asyncio.Event()
        self.ready = asyncio.Event()
        self.problem = "network is not ready: the node has no pod subnet yet"
        self.tried = False
        """Whether it has been set up once, or could not be."""

    async def run(self) -> None:
        """Apply what changed, try again what failed, and look after what others may have removed."""
        retry = RETRY_SECONDS
        while True:
            try:
                await self._apply(self._gather())
                self.tried = True
                seconds, retry = RESYNC_SECONDS, RETRY_SECONDS
                if self.ready.is_set():
                    self._say("")
            except NetworkFailure as error:
                self._forget()
                self.tried = True
                seconds, retry = retry, min(retry * 2, LONGEST_RETRY_SECONDS)
                self._say(f"network is not ready: {error}")
            if not await wait(self.changed, self._clock, seconds):
                self._forget()

    async def _apply(self, wanted: Wanted) -> None:
        if wanted.cluster is None:
            return
        links = routes.plan(wanted.cluster, self._name)
        unreachable: RoutesFailure | None = None
        if links is not None and links != self._links:
            try:
                await self._network.apply_links(links)
            except RoutesFailure as error:
                # A node that boots without its master has no address yet. Its own pods need no other node.
                unreachable = error
            self._links = links
        rules = ruleset.render(wanted.services, self._name, wanted.host_ports)
        if rules != self._rules:
            await self._network.apply_ruleset(rules)
            self._rules = rules
        if links is not None and not self.ready.is_set():
            self.ready.set()
            self._told()
        if unreachable is not None:
            raise unreachable

    def _forget(self) -> None:
        """Have everything applied again."""
        self._links, self._rules = None, ""

    def _say(self, problem: str) -> None:
        if problem != self.problem:
            if problem:
                log.warning("network is tried again", reason=problem)
            self.problem = problem
            self._told()
