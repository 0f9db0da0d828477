"""Effects: looks at the node every few seconds and reports what changed: engine, images, address, pressure, facts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from edge import logs
from edge.agent import facts, files, machine, node_status
from edge.agent.facts import FactSource
from edge.agent.policy import Policy
from edge.agent.reporter import NodeReport, Reporter
from edge.api import core, times
from edge.clock import Clock, wait
from edge.runtime.containers import Image, RuntimeFailure
from edge.runtime.interface import Runtime

LOOK_SECONDS = 10.0
RETRY_SECONDS = 2.0
LONGEST_LOOK_SECONDS = 30.0
ENGINE_PATIENCE_SECONDS = 5.0
IMAGES_EVERY_LOOKS = 30
RESOLV_CONF = "/etc/resolv.conf"

log = logs.get("agent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What the settings say of this node."""

    given: node_status.Given
    data_dir: str
    run_dir: str
    log_dir: str
    cgroup_parent: str = ""
    pods_have_groups: bool = False
    """Whether each pod gets a control group of its own, below `cgroup_parent`."""
    pod_pids_limit: int = 0
    """Processes a pod may have; 0: as many as the node."""
    least_oom_score: int = -1000
    """Lower ones this program may not give."""
    heartbeat_seconds: float = 5.0
    find_address: Callable[[], str] | None = None
    """Asked at each look: a node may boot before it gets its address. Empty keeps the one before."""
    find_external_address: Callable[[], str] | None = None
    """Likewise, for the address outside the rack."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[core.Taint, ...] = ()
    ca_pem: str = ""
    policy: Policy = field(default_factory=Policy)
    parallel_pulls: int = 3
    """Images that are fetched at once."""


class NodeWatch:
    """The node as it is. `changed` is called when its address, name servers or allocatable resources are others.

    `look_at_pods` is called at each look, for what changed while nobody watched the engine; `network_problem` says
    what is wrong with the node's network, if anything. While `network_is_new` nothing is reported at the first look:
    a node whose agent was only started again is ready all the time.
    """

    def __init__(self, node: Node, runtime: Runtime, reporter: Reporter, clock: Clock, *,
                 look_at_pods: Callable[[], Awaitable[None]], network_problem: Callable[[], str],
                 changed: Callable[[], None], network_is_new: Callable[[], bool] = lambda: False) -> None:
        self.node, self.host_resolv_conf = node, files.read(RESOLV_CONF)
        self.status: core.NodeStatus | None = None
        self.images: tuple[Image, ...] = ()
        self.away_since: float | None = None
        """When the engine stopped answering (monotonic); None while it answers."""
        self.engine_away = asyncio.Event()
        """Set while the engine does not answer."""
        self.looked_at = clock.monotonic()
        """When the last look was over (monotonic)."""
        self._runtime, self._reporter, self._clock = runtime, reporter, clock
        self._look_at_pods, self._network_problem, self._changed = look_at_pods, network_problem, changed
        self._network_is_new = network_is_new
        self._engine_problem = "container runtime status check has not completed yet"
        self._images_read = False
        self._sources: list[FactSource] = []
        self._look_now = asyncio.Event()
        self._reported: NodeReport | None = None

    def ask(self, source: FactSource) -> None:
        """Ask one more part of the agent at each look."""
        self._sources.append(source)

    def look(self) -> None:
        """Look soon, at the images too."""
        self._look_now.set()

    async def run(self) -> None:
        """Look at the node and report what changed."""
        looks = 0
        while True:
            await self._look(read_images=looks % IMAGES_EVERY_LOOKS == 0 or not self._images_read)
            looks, self.looked_at = looks + 1, self._clock.monotonic()
            settled = self.away_since is None and self._reported is not None
            if await wait(self._look_now, self._clock, LOOK_SECONDS if settled else RETRY_SECONDS):
                looks = 0

    async def _look(self, *, read_images: bool) -> None:
        version = await self._ask_engine(read_images=read_images)
        moved = self._find_address() | self._find_name_servers()
        self._find_external_address()
        too_early = self._reported is None and self.status is None and self._network_is_new()
        node, problem = self.node, "; ".join(filter(None, (self._engine_problem, self._network_problem())))
        found = await asyncio.to_thread(machine.read, node.data_dir)
        known, now = facts.joined(self._sources), times.render(self._clock.now())
        status = facts.applied(node_status.node_status(
            found, node.given, runtime_version=version, images=self.images, problem=problem, previous=self.status,
            now=now), known, self.status, now)
        allocatable = self.status.allocatable if self.status is not None else None
        report = NodeReport(status, {**known.labels, **node.given.labels}, {**known.annotations, **node.annotations},
                            node.taints)
        if too_early:
            self.status = status
        elif self._is_news(report):
            self.status, self._reported = status, report
            self._reporter.node(report)
        if moved or (self.status is not None and self.status.allocatable != allocatable):
            self._changed()

    def _is_news(self, report: NodeReport) -> bool:
        said = self._reported
        return said is None or node_status.differs(report.status, said.status) or \
            (report.labels, report.annotations) != (said.labels, said.annotations)

    async def _ask_engine(self, *, read_images: bool) -> str:
        """Return the engine's version, empty while it is away."""
        version = ""
        try:
            async with asyncio.timeout(LONGEST_LOOK_SECONDS):
                version = await self._runtime.version()
                await self._look_at_pods()
                if read_images:
                    self._images_read = False
                    self.images = await self._runtime.images()
                    self._images_read = True
            if self.away_since is not None:
                log.info("container engine answers again")
            self._engine_problem, self.away_since = "", None
            self.engine_away.clear()
        except TimeoutError:
            self._engine_is_away("it takes too long to list its containers")
        except RuntimeFailure as error:
            self._engine_is_away(str(error))
        return version

    def _engine_is_away(self, reason: str) -> None:
        """Call the node broken once the engine has been away for longer than it takes to restart."""
        now = self._clock.monotonic()
        if self.away_since is None:
            log.warning("container engine does not answer", reason=reason)
        self.away_since = now if self.away_since is None else self.away_since
        self.engine_away.set()
        if self.status is None or now - self.away_since >= ENGINE_PATIENCE_SECONDS:
            self._engine_problem = f"container runtime is down: {reason}"

    def _find_address(self) -> bool:
        address = self.node.find_address() if self.node.find_address is not None else ""
        if not address or address == self.node.given.address:
            return False
        self.node = replace(self.node, given=replace(self.node.given, address=address))
        return True

    def _find_external_address(self) -> None:
        if self.node.find_external_address is not None:
            external = self.node.find_external_address() or self.node.given.external_address
            self.node = replace(self.node, given=replace(self.node.given, external_address=external))

    def _find_name_servers(self) -> bool:
        """The node's own name servers may come later than its pods, or change with the network it is in."""
        before, self.host_resolv_conf = self.host_resolv_conf, files.read(RESOLV_CONF)
        return before != self.host_resolv_conf
