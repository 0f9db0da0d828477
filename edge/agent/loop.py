"""Effects: the agent itself: what the bus wants becomes workers, one a pod, and what they find goes back.

The parts run side by side: reading the bus, watching the engine, keeping the node's network, beating, saving. A slow
pod delays no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from edge import logs
from edge.agent import desired, files, machine, node_status, podview
from edge.agent.checkpoint import Checkpoint, Statuses
from edge.agent.desired import Known
from edge.agent.execute import Ports
from edge.agent.listing import Listing
from edge.agent.node_network import NodeNetwork, Wanted
from edge.agent.reporter import NodeReport, Reporter
from edge.agent.sandboxes import Sandboxes
from edge.agent.saving import Saver
from edge.agent.streams_directory import PodView
from edge.agent.surroundings import Surroundings
from edge.agent.worker import Worker
from edge.api import core, quantity, times, topology
from edge.bus import messages, topics
from edge.bus.interface import Bus, BusRefused, BusUnavailable, Connected, Message
from edge.clock import Clock, wait
from edge.component import Supervisor
from edge.network.interface import Network, NetworkFailure
from edge.runtime.containers import Container, Image, RuntimeFailure
from edge.runtime.interface import Runtime

FRESH_INDEX_SECONDS = 5.0
RETRY_SECONDS = 2.0
WATCH_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 30.0
LOOK_SECONDS = 10.0
LONGEST_LOOK_SECONDS = 30.0
ENGINE_PATIENCE_SECONDS = 5.0
IMAGES_EVERY_LOOKS = 30
MOST_PULLS = 3

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
    heartbeat_seconds: float = 5.0
    find_address: Callable[[], str] | None = None
    """Asked at each heartbeat: a node may boot before it gets its address. Empty keeps the one before."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[core.Taint, ...] = ()
    ca_pem: str = ""


class Agent:
    """One node.

    `topology_changed` hears of services and cluster, for the names the node answers.
    """

    def __init__(self, node: Node, *, bus: Bus, runtime: Runtime, network: Network,
                 checkpoint: Checkpoint, statuses: Statuses, clock: Clock, boot_id: str,
                 topology_changed: Callable[[topology.Cluster, Mapping[str, topology.Service]], None]) -> None:
        self._node, self._bus, self._runtime = node, bus, runtime
        self._checkpoint, self._statuses, self._clock = checkpoint, statuses, clock
        self._topology_changed, self._named = topology_changed, Known()
        self._host_resolv_conf = ""
        self._known = Known()
        self._workers: dict[str, Worker] = {}
        self._gone: set[str] = set()
        self._orphans: set[str] = set()
        self._before: dict[str, core.PodStatus] = {}
        self._sandboxes = Sandboxes(network)
        self._listing = Listing(runtime, clock)
        self._saver = Saver(checkpoint, statuses, clock, known=lambda: self._known, told=self._told,
                            failed=self._cannot_save)
        self._reporter = Reporter(bus, clock, node.given.name, boot_id, self._saver.changed.set)
        self._around = Surroundings(node_name=node.given.name)
        self._fresh, self._look_now = asyncio.Event(), asyncio.Event()
        self._ending: set[str] = set()
        self._reap = asyncio.Event()
        self._began = False
        self._net = NodeNetwork(node.given.name, network, clock, self._network_wanted, self._network_told)
        self._engine_problem = "container runtime status check has not completed yet"
        self._seen: dict[str, tuple[Container, ...]] = {}
        self._images: tuple[Image, ...] = ()
        self._status: core.NodeStatus | None = None
        self._away_since: float | None = None
        self._rejected = 0
        self._ports = Ports(runtime, self._sandboxes, self._listing, self._reporter, clock, lambda: self._around,
                            self._pod_cidr, asyncio.Semaphore(MOST_PULLS), self._net.changed.set,
                            self.images_changed)

    def start(self, supervisor: Supervisor) -> None:
        """Start all parts; the bus must be started by the caller's supervisor as well."""
        self._load()
        for name, run in (("bus", self._read_bus), ("reports", self._reporter.run), ("beats", self._beats),
                          ("looks", self._looks), ("engine", self._watch_engine), ("network", self._net.run),
                          ("saves", self._saver.run), ("reaper", self._reaps), ("pods", self._begin)):
            supervisor.start(name, run)

    async def stop(self) -> None:
        """Say goodbye and end every worker. The pods keep running."""
        for worker in self._workers.values():
            await worker.stop()
        await self._saver.last()
        try:
            async with asyncio.timeout(2):
                await self._reporter.state("offline")
        except (BusUnavailable, BusRefused, TimeoutError):
            log.info("stopped without a goodbye, the broker is away")

    # Desired state.

    def _load(self) -> None:
        self._known = self._checkpoint.load()
        self._before = self._statuses.load()
        self._host_resolv_conf = files.read(RESOLV_CONF)
        self._surround()
        self._name()

    async def _read_bus(self) -> None:
        async for event in self._bus.events():
            if isinstance(event, Message):
                self._receive(event)
            elif isinstance(event, Connected):
                await self._greet()

    async def _greet(self) -> None:
        try:
            await self._reporter.state("online")
            await self._reporter.heartbeat()
        except (BusUnavailable, BusRefused) as error:
            log.info("could not say online", reason=error)
        self._reporter.everything()

    def _receive(self, message: Message) -> None:
        topic = topics.parse(message.topic)
        if topic is None or topic.node not in ("", self._node.given.name):
            return
        try:
            known = desired.receive(self._known, topic, message.payload)
        except messages.MessageError as error:
            self._rejected += 1
            log.warning("message refused", topic=message.topic, reason=error, refused=self._rejected)
            return
        before, self._known = self._known, known
        if topic.branch == "desired/index":
            self._reporter.epoch = known.epoch
            self._fresh.set()
            if known.epoch != before.epoch:
                self._reporter.everything()
        if known is before:
            return
        self._saver.changed.set()
        if topic.branch.startswith("cluster/"):
            self._surround()
            self._net.changed.set()
            # A service's addresses are read when a container is made; no pod has to look again for them.
            if topic.branch == "cluster/nodes":
                self._wake_all()
        elif self._began:
            self._reconcile()

    async def _begin(self) -> None:
        """Adopt what runs, wait a moment for the server's newest word, then go by what is known."""
        while not await self._adopt():
            await self._clock.sleep(RETRY_SECONDS)
        await wait(self._fresh, self._clock, FRESH_INDEX_SECONDS)
        self._began = True
        self._reconcile()

    async def _adopt(self) -> bool:
        try:
            await self._sandboxes.load()
            self._orphans = set(await self._listing.pods()) | set(self._sandboxes.all())
        except (RuntimeFailure, NetworkFailure) as error:
            log.warning("cannot see what runs here yet", reason=error)
            return False
        self._orphans |= set(files.pods_on_disk((f"{self._node.data_dir}/pods", f"{self._node.run_dir}/pods")))
        self._orphans |= set(files.pods_with_logs(self._node.log_dir))
        return True

    def _reconcile(self) -> None:
        """Give every pod its worker and its newest desired state."""
        wanted = desired.wanted(self._known)
        for uid, pod in wanted.pods.items():
            if uid not in self._gone:
                self._worker(uid).want(pod, deleting=pod.pod.metadata.deletion_timestamp is not None)
        if not wanted.complete:
            return
        left = (set(self._workers) | self._orphans) - (set(wanted.pods) - self._gone) - wanted.awaited
        for uid in left:
            self._worker(uid).want(None, deleting=True)
        listed = set(wanted.pods) | wanted.awaited
        self._orphans, self._before = set(), {uid: self._before[uid] for uid in self._before.keys() & listed}
        for uid in self._gone - listed:
            self._reporter.forget(uid)
        self._gone &= listed

    def _worker(self, uid: str) -> Worker:
        worker = self._workers.get(uid)
        if worker is None:
            worker = Worker(uid, self._ports, previous=self._before.pop(uid, None), gone=self._pod_gone)
            self._workers[uid] = worker
            worker.start()
        return worker

    def _pod_gone(self, uid: str) -> None:
        pod = self._workers[uid].state.pod
        if pod is not None and pod.metadata.deletion_timestamp is not None:
            self._gone.add(uid)
        self._ending.add(uid)
        self._reap.set()
        self._saver.changed.set()
        self._net.changed.set()

    async def _reaps(self) -> None:
        """End the workers whose pods are gone; they cannot end themselves."""
        while True:
            await self._reap.wait()
            self._reap.clear()
            while self._ending:
                worker = self._workers.pop(self._ending.pop(), None)
                if worker is not None:
                    await worker.stop()
            if self._began:
                self._reconcile()

    def _wake_all(self) -> None:
        for worker in self._workers.values():
            worker.wake()

    # The node and its surroundings.

    def _pod_cidr(self) -> str:
        if not self._net.ready.is_set() or self._known.cluster is None:
            return ""
        return next((node.pod_cidr for node in self._known.cluster.nodes if node.name == self._node.given.name), "")

    def _surround(self) -> None:
        node, allocatable = self._node, self._status.allocatable if self._status else {}
        cluster = self._known.cluster or topology.Cluster()
        self._around = Surroundings(
            node_name=node.given.name, node_address=node.given.address, data_dir=node.data_dir, run_dir=node.run_dir,
            log_dir=node.log_dir, cgroup_parent=node.cgroup_parent, cluster=cluster, services=self._known.services,
            host_resolv_conf=self._host_resolv_conf, ca_pem=node.ca_pem,
            cpu_milli=quantity.milli(allocatable.get("cpu", "0")),
            memory_bytes=quantity.whole(allocatable.get("memory", "0")))

    def _name(self) -> None:
        """Have the name server answer for the services as they are."""
        known = self._known
        if known.services is not self._named.services or known.cluster is not self._named.cluster:
            self._topology_changed(known.cluster or topology.Cluster(), known.services)
            self._named = known

    async def _beats(self) -> None:
        """Say that the agent is alive, also while the engine hangs."""
        while True:
            try:
                if self._bus.connected:
                    await self._reporter.heartbeat()
            except (BusUnavailable, BusRefused):
                log.info("no heartbeat, the broker is away")
            await self._clock.sleep(self._node.heartbeat_seconds)

    async def _looks(self) -> None:
        """Look at the node and report what changed."""
        looks = 0
        while True:
            await self._look(read_images=looks % IMAGES_EVERY_LOOKS == 0)
            looks += 1
            if await wait(self._look_now, self._clock, LOOK_SECONDS if self._away_since is None else RETRY_SECONDS):
                looks = 0

    async def _look(self, *, read_images: bool) -> None:
        version = ""
        try:
            async with asyncio.timeout(LONGEST_LOOK_SECONDS):
                version = await self._runtime.version()
                # What changed while nobody watched the engine is noticed here.
                await self._wake_changed()
                if read_images:
                    self._images = await self._runtime.images()
            if self._away_since is not None:
                log.info("container engine answers again")
            self._engine_problem = ""
            self._away_since = None
        except TimeoutError:
            self._engine_is_away("it takes too long to list its containers")
        except RuntimeFailure as error:
            self._engine_is_away(str(error))
        self._find_address()
        self._find_name_servers()
        node, problem = self._node, "; ".join(filter(None, (self._engine_problem, self._net.problem)))
        found = await asyncio.to_thread(machine.read, node.data_dir)
        status = node_status.node_status(found, node.given, runtime_version=version, images=self._images,
                                         problem=problem, previous=self._status, now=times.render(self._clock.now()))
        if node_status.differs(status, self._status):
            first, self._status = self._status is None, status
            self._reporter.node(NodeReport(status, dict(node.given.labels), dict(node.annotations), node.taints))
            if first:
                self._surround()

    def _engine_is_away(self, reason: str) -> None:
        """Call the node broken once the engine has been away for longer than it takes to restart."""
        now = self._clock.monotonic()
        if self._away_since is None:
            log.warning("container engine does not answer", reason=reason)
        self._away_since = now if self._away_since is None else self._away_since
        if self._status is None or now - self._away_since >= ENGINE_PATIENCE_SECONDS:
            self._engine_problem = f"container runtime is down: {reason}"

    def _find_address(self) -> None:
        address = self._node.find_address() if self._node.find_address is not None else ""
        if address and address != self._node.given.address:
            self._node = replace(self._node, given=replace(self._node.given, address=address))
            self._surround()
            # Other nodes are in reach from now on.
            self._net.changed.set()

    def _find_name_servers(self) -> None:
        """The node's own name servers may come later than its pods, or change with the network it is in."""
        text = files.read(RESOLV_CONF)
        if text != self._host_resolv_conf:
            self._host_resolv_conf = text
            self._surround()
            self._wake_all()

    def images_changed(self) -> None:
        """Say that an image was loaded or pulled: the node's list is read again, and pods that wait for it look."""
        self._look_now.set()
        for worker in self._workers.values():
            worker.images_changed()

    async def _watch_engine(self) -> None:
        """Wake the pods whose containers changed."""
        retry, said = WATCH_RETRY_SECONDS, ""
        while True:
            try:
                async for _ in self._runtime.changes():
                    retry, said = WATCH_RETRY_SECONDS, ""
                    await self._wake_changed()
            except RuntimeFailure as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("cannot watch the container engine", reason=said)
            self._listing.invalidate()
            self._look_now.set()
            await self._clock.sleep(retry)
            retry = min(retry * 2, LONGEST_RETRY_SECONDS)
            self._wake_all()

    async def _wake_changed(self) -> None:
        """Raises RuntimeFailure."""
        self._listing.invalidate()
        before, self._seen = self._seen, await self._listing.pods()
        for uid in before.keys() | self._seen.keys():
            if before.get(uid) != self._seen.get(uid) and uid in self._workers:
                self._workers[uid].wake()
        strangers = self._seen.keys() - self._workers.keys()
        if strangers and self._began:
            # An engine that hung may carry out an order long after its pod is gone.
            self._orphans |= strangers
            self._reconcile()

    def _network_wanted(self) -> Wanted:
        self._name()
        pods = {uid: worker.state.pod for uid, worker in self._workers.items() if worker.state.pod is not None}
        return Wanted(self._known.cluster, self._known.services.values(),
                      podview.host_ports(pods, self._sandboxes.all().values()))

    def _network_told(self) -> None:
        """The node's network became ready, or broke, or was mended."""
        self._look_now.set()
        self._wake_all()

    def _told(self) -> Mapping[str, core.PodStatus]:
        return {**self._before, **self._reporter.statuses()}

    def _cannot_save(self, reason: str) -> None:
        self._reporter.event(None, reason="CheckpointFailed", type="Warning",
                             message=f"Cannot save what this node shall run: {reason}")

    @property
    def networked(self) -> asyncio.Event:
        """Set once the node's addresses are there."""
        return self._net.ready

    @property
    def dns_address(self) -> str:
        """The cluster's address for names, which every node answers on."""
        return self._around.cluster.dns_address

    # What the streams server asks.

    def find(self, namespace: str, name: str) -> PodView | None:
        """Return the pod of that name; one that is going only while there is no newer one."""
        found = [worker for worker in self._workers.values() if (pod := worker.state.pod) is not None
                 and (pod.metadata.namespace, pod.metadata.name) == (namespace, name)]
        found.sort(key=lambda worker: worker.state.deleting)
        return self._pod_view(found[0]) if found else None

    def pods(self) -> tuple[PodView, ...]:
        """Return all pods whose desired state is known."""
        return tuple(self._pod_view(worker) for worker in self._workers.values() if worker.state.pod is not None)

    def _pod_view(self, worker: Worker) -> PodView:
        wanted, uid = worker.state.desired, worker.state.uid
        assert wanted is not None
        sandbox = self._sandboxes.get(uid)
        node_address = self._node.given.address if wanted.pod.spec.host_network else ""
        return podview.pod_view(wanted, worker.state.previous or core.PodStatus(), self._listing.last(uid),
                                self._around, node_address or (sandbox.address if sandbox else ""),
                                self._clock.now())
