"""Effects: the agent itself: what the bus wants becomes pods, and what is found goes back.

The parts run side by side: reading the bus, watching the engine, keeping the node's network, beating, saving. A slow
pod delays no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from edge import logs
from edge.agent import cgroups, desired, files, node_status
from edge.agent.admission import NodeFacts
from edge.agent.cgroup_files import PodGroups
from edge.agent.checkpoint import Checkpoint, Statuses
from edge.agent.desired import Known
from edge.agent.device_claims import Claims
from edge.agent.image_pulls import Pulls
from edge.agent.listing import Listing
from edge.agent.node_network import NodeNetwork, Wanted
from edge.agent.node_watch import RETRY_SECONDS, Node, NodeWatch
from edge.agent.pod_state import Ports
from edge.agent.pods import Pods
from edge.agent.reporter import Reporter
from edge.agent.sandboxes import Sandboxes
from edge.agent.saving import Saver
from edge.agent.surroundings import Surroundings
from edge.api import amounts, quantity, topology
from edge.bus import messages, topics
from edge.bus.interface import Bus, BusRefused, BusUnavailable, Connected, Message
from edge.clock import Clock, wait
from edge.component import Supervisor
from edge.network.interface import Network
from edge.runtime.containers import RuntimeFailure
from edge.runtime.interface import Runtime

FRESH_INDEX_SECONDS = 5.0
WATCH_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 30.0

log = logs.get("agent")


class Agent:
    """One node.

    `topology_changed` hears of services and cluster, for the names the node answers.
    """

    def __init__(self, node: Node, *, bus: Bus, runtime: Runtime, network: Network,
                 checkpoint: Checkpoint, statuses: Statuses, clock: Clock, boot_id: str,
                 topology_changed: Callable[[topology.Cluster, Mapping[str, topology.Service]], None]) -> None:
        self._bus, self._runtime, self._clock = bus, runtime, clock
        self._checkpoint, self._statuses = checkpoint, statuses
        self._topology_changed, self._named = topology_changed, Known()
        self._known, self._rejected = Known(), 0
        self._fresh = asyncio.Event()
        self.hears: dict[str, Callable[[bytes], None]] = {}
        """By branch of the topic: parts that read messages of their own. They raise MessageError for a bad one."""
        self._name = node.given.name
        self._around = Surroundings(node_name=self._name)
        sandboxes, self._listing = Sandboxes(network), Listing(runtime, clock)
        self._saver = Saver(checkpoint, statuses, clock, known=lambda: self._known, told=lambda: self.pods.told(),
                            failed=self._cannot_save)
        self.reporter = Reporter(bus, clock, self._name, boot_id, self._saver.changed.set)
        self._net = NodeNetwork(self._name, network, clock, self._network_wanted, self._network_told)
        self.pressures: Callable[[], tuple[str, ...]] = tuple
        """Which conditions of the node hold that it is short of something."""
        self.groups = PodGroups(runtime, node.cgroup_parent, self._room_of_pods, self._surround) \
            if node.pods_have_groups else None
        self.disk_full = asyncio.Event()
        """Set when an image found no room."""
        pulls = Pulls(runtime, clock, node.parallel_pulls, architecture=lambda: self._around.architecture,
                      full=self.disk_full.set)
        self.claims = Claims()
        self.awaited: list[asyncio.Event] = []
        """Set by parts that know of pods the bus does not list; before that nothing that runs here is unwanted."""
        self.pods = Pods(Ports(runtime, sandboxes, self._listing, self.reporter, clock, lambda: self._around,
                               self._pod_cidr, pulls, self._net.changed.set,
                               self.images_changed, groups=self.groups, facts=self._facts,
                               claims=self.claims),
                         lambda: self._known, lambda: self._around, self._pod_gone)
        self.watch = NodeWatch(node, runtime, self.reporter, clock, look_at_pods=self.pods.look,
                               network_problem=lambda: self._net.problem, changed=self._node_changed,
                               network_is_new=lambda: not self._net.tried)

    def start(self, supervisor: Supervisor) -> None:
        """Start all parts; the bus must be started by the caller's supervisor as well."""
        self._known = self._checkpoint.load()
        self.pods.remember(self._statuses.load())
        self._surround()
        self._answer_names()
        for name, run in (("bus", self._read_bus), ("reports", self.reporter.run), ("beats", self._beats),
                          ("looks", self.watch.run), ("engine", self._watch_engine), ("network", self._net.run),
                          ("saves", self._saver.run), ("reaper", self.pods.run), ("pods", self._begin)):
            supervisor.start(name, run)

    async def stop(self) -> None:
        """Say goodbye and end every worker. The pods keep running."""
        await self.pods.stop()
        await self._saver.last()
        try:
            async with asyncio.timeout(2):
                await self.reporter.state("offline")
        except (BusUnavailable, BusRefused, TimeoutError):
            log.info("stopped without a goodbye, the broker is away")

    # The bus.

    async def _read_bus(self) -> None:
        async for event in self._bus.events():
            if isinstance(event, Message):
                self._receive(event)
            elif isinstance(event, Connected):
                await self._greet()

    async def _greet(self) -> None:
        try:
            await self.reporter.state("online")
            await self.reporter.heartbeat()
        except (BusUnavailable, BusRefused) as error:
            log.info("could not say online", reason=error)
        self.reporter.everything()

    def _receive(self, message: Message) -> None:
        topic = topics.parse(message.topic)
        if topic is None or topic.node not in ("", self._name):
            return
        try:
            if (hear := self.hears.get(topic.branch)) is not None:
                hear(message.payload)
                return
            known = desired.receive(self._known, topic, message.payload)
        except messages.MessageError as error:
            self._rejected += 1
            log.warning("message refused", topic=message.topic, reason=error, refused=self._rejected)
            return
        before, self._known = self._known, known
        if topic.branch == "desired/index":
            self.reporter.epoch = known.epoch
            self._fresh.set()
            if known.epoch != before.epoch:
                self.reporter.everything()
        if known is before:
            return
        self._saver.changed.set()
        if topic.branch.startswith("cluster/"):
            self._surround()
            self._net.changed.set()
            # A service's addresses are read when a container is made; no pod has to look again for them.
            if topic.branch == "cluster/nodes":
                self.pods.wake_all()
        else:
            self.pods.reconcile()

    async def _begin(self) -> None:
        """Adopt what runs, wait a moment for the server's newest word, then go by what is known."""
        while not await self.pods.adopt():
            await self._clock.sleep(RETRY_SECONDS)
        await wait(self._fresh, self._clock, FRESH_INDEX_SECONDS)
        for event in self.awaited:
            await event.wait()
        self.pods.begin()

    async def _beats(self) -> None:
        """Say that the agent is alive, also while the engine hangs."""
        while True:
            try:
                if self._bus.connected:
                    await self.reporter.heartbeat()
            except (BusUnavailable, BusRefused):
                log.info("no heartbeat, the broker is away")
            await self._clock.sleep(self.watch.node.heartbeat_seconds)

    # The node and its surroundings.

    def _pod_cidr(self) -> str:
        if not self._net.ready.is_set() or self._known.cluster is None:
            return ""
        return next((node.pod_cidr for node in self._known.cluster.nodes if node.name == self._name), "")

    def _surround(self) -> None:
        node, status = self.watch.node, self.watch.status
        allocatable = status.allocatable if status is not None else {}
        cluster = self._known.cluster or topology.Cluster()
        self._around = Surroundings(
            node_name=node.given.name, node_address=node.given.address,
            architecture=status.node_info.architecture if status is not None else "",
            data_dir=node.data_dir, run_dir=node.run_dir, log_dir=node.log_dir, cgroup_parent=node.cgroup_parent,
            cluster=cluster, services=self._known.services,
            host_resolv_conf=self.watch.host_resolv_conf, host_hosts=files.read("/etc/hosts"), ca_pem=node.ca_pem,
            policy=node.policy,
            cpu_milli=quantity.milli(allocatable.get("cpu", "0")),
            memory_bytes=quantity.whole(allocatable.get("memory", "0")),
            memory_capacity_bytes=quantity.whole(status.capacity.get("memory", "0")) if status is not None else 0,
            pods_have_groups=self.groups is not None, cgroup_tree=self.groups.tree if self.groups is not None else None,
            pod_pids_limit=node.pod_pids_limit, least_oom_score=node.least_oom_score,
            storage_bytes=quantity.whole(allocatable.get("ephemeral-storage", "0")))

    @property
    def around(self) -> Surroundings:
        """The node as its pods see it."""
        return self._around

    def _room_of_pods(self) -> cgroups.Amounts:
        """Return what all pods together may use."""
        given, status = self.watch.node.given, self.watch.status
        return node_status.room_of_pods(given, status.capacity) if status is not None else cgroups.top(1000, 0)

    def _facts(self, uid: str) -> NodeFacts:
        """Return what a new pod is judged by."""
        status = self.watch.status
        return NodeFacts(policy=self.watch.node.policy, used=self.pods.used(uid), ports=self.pods.ports_taken(uid),
                         pressures=self.pressures(),
                         allocatable=amounts.read(status.allocatable) if status is not None else {})

    def _node_changed(self) -> None:
        """The node has another address, other name servers or other resources; other nodes may be in reach now."""
        self._surround()
        self._net.changed.set()
        self.pods.wake_all()

    def _answer_names(self) -> None:
        """Have the name server answer for the services as they are."""
        known = self._known
        if known.services is not self._named.services or known.cluster is not self._named.cluster:
            self._topology_changed(known.cluster or topology.Cluster(), known.services)
            self._named = known

    def images_changed(self) -> None:
        """Say that an image was loaded or pulled: the node's list is read again, and pods that wait for it look."""
        self.watch.look()
        self.pods.images_changed()

    def devices_changed(self) -> None:
        """Say that devices were plugged in or out: pods that wait for one, or have lost one, look."""
        self.watch.look()
        self.pods.wake_all()

    async def _watch_engine(self) -> None:
        """Wake the pods whose containers changed."""
        retry, said = WATCH_RETRY_SECONDS, ""
        while True:
            try:
                async for _ in self._runtime.changes():
                    retry, said = WATCH_RETRY_SECONDS, ""
                    await self.pods.look()
            except RuntimeFailure as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("cannot watch the container engine", reason=said)
            self._listing.invalidate()
            self.watch.look()
            await self._clock.sleep(retry)
            retry = min(retry * 2, LONGEST_RETRY_SECONDS)
            self.pods.wake_all()

    def _pod_gone(self) -> None:
        self._saver.changed.set()
        self._net.changed.set()

    def _network_wanted(self) -> Wanted:
        self._answer_names()
        return Wanted(self._known.cluster, self._known.services.values(), self.pods.host_ports())

    def _network_told(self) -> None:
        """The node's network became ready, or broke, or was mended."""
        self.watch.look()
        self.pods.wake_all()

    def _cannot_save(self, reason: str) -> None:
        self.reporter.event(None, reason="CheckpointFailed", type="Warning",
                            message=f"Cannot save what this node shall run: {reason}")

    @property
    def networked(self) -> asyncio.Event:
        """Set once the node's addresses are there."""
        return self._net.ready

    @property
    def dns_address(self) -> str:
        """The cluster's address for names, which every node answers on."""
        return self._around.cluster.dns_address
