"""Effects: looks every few seconds whether the node is short of memory, disk or processes, and acts on it: it frees
what nobody uses, and ends pods where that is not enough. Also ends pods that write more than they may.

What is decided is in `eviction` and `eviction_order`. Looking costs a few small reads; what single pods use is read
only when one of them has to go, and what they have written as seldom as it takes long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from edge import logs
from edge.agent import eviction, eviction_order, machine, node_status, qos, sampling, usage
from edge.agent.disk_use import DiskUse
from edge.agent.eviction import Observation, Threshold
from edge.agent.eviction_order import PodUse, Use
from edge.agent.facts import Facts
from edge.agent.node_status import Given, Machine
from edge.agent.pods import Pods
from edge.agent.reporter import Reporter
from edge.agent.streams_directory import PodView
from edge.agent.system_oom import SystemOom
from edge.api import core
from edge.clock import Clock
from edge.runtime.containers import Container, RuntimeFailure
from edge.runtime.interface import Runtime

LOOK_SECONDS = 10.0
AFTER_EVICTION_SECONDS = 1.0
LONGEST_END_SECONDS = 30.0
SETTLE_SECONDS = 2.0
REST_FACTOR = 100.0
"""What took a second is done again after a hundred: one hundredth of a core."""

log = logs.get("agent.pressure")


class Reclaim(Protocol):
    """Something of the node that can be freed without loss, such as images no container uses."""

    async def reclaim(self) -> int:
        """Free what can be freed and return how many bytes it was."""
        ...


class Counters(Protocol):
    """What containers and pods use."""

    def round(self, containers: tuple[Container, ...]) -> usage.Round:
        """Return the counters of these containers and their pods now. Blocks for some milliseconds."""
        ...


class Groups(Protocol):
    """The control groups of all pods together."""

    async def refresh(self) -> None:
        """Have them as the node's resources say."""
        ...

    def all_pods(self) -> Path | None:
        """Return the directory with the memory counters of all pods; None while there is none."""
        ...


class Pressure:
    """The node's watch over what it has. `changed` is called when one of its conditions changes."""

    def __init__(self, given: Callable[[], Given], data_dir: str, *, pods: Pods, runtime: Runtime, reporter: Reporter,
                 sampler: Counters, disks: DiskUse, clock: Clock, changed: Callable[[], None] = lambda: None,
                 groups: Groups | None = None, reclaims: Iterable[Reclaim] = (),
                 ooms: SystemOom | None = None, read: Callable[[str, str], Machine] = machine.read,
                 memory_of: Callable[[Path], int | None] = sampling.memory_of) -> None:
        self._given, self._data_dir, self._pods, self._runtime = given, data_dir, pods, runtime
        self._reporter, self._sampler, self._disks, self._clock = reporter, sampler, disks, clock
        self._changed, self._groups, self._reclaims = changed, groups, tuple(reclaims)
        self._ooms, self._read, self._memory_of = ooms, read, memory_of
        self._state = eviction.State()
        self._holding: tuple[str, ...] | None = None
        self._own_image_disk = False
        self._measure_at = 0.0
        self._announced: set[Threshold] = set()

    def facts(self) -> Facts:
        """Return the node's conditions about pressure."""
        return Facts() if self._holding is None else Facts(conditions=eviction.conditions(self._holding))

    def holding(self) -> tuple[str, ...]:
        """Return the conditions that hold: such as MemoryPressure."""
        return self._holding or ()

    async def run(self) -> None:
        """Look, and act on it, until cancelled."""
        while True:
            acted = await self.look()
            await self._clock.sleep(AFTER_EVICTION_SECONDS if acted else LOOK_SECONDS)

    async def look(self) -> bool:
        """Look once; return whether something was ended, so that it is time to look again soon."""
        for dead in self._ooms.read() if self._ooms is not None else ():
            self._reporter.event(None, reason="SystemOOM", type="Warning",
                                 message=f"System OOM encountered, victim process: {dead.name}, pid: {dead.pid}")
        given = self._given()
        if self._groups is not None:
            await self._groups.refresh()
        seen = await self._observe(given)
        self._state, due = eviction.advance(given.eviction, self._state, seen, self._clock.monotonic())
        self._conclude(given)
        try:
            return await self._end_excess() or (bool(due) and await self._relieve(given, due[0], seen))
        except RuntimeFailure as error:
            log.warning("cannot look at what pods use", reason=error)
            return False

    async def _observe(self, given: Given) -> dict[str, Observation]:
        try:
            image_dir = await self._runtime.image_dir()
        except RuntimeFailure:
            image_dir = ""
        found = await asyncio.to_thread(self._read, self._data_dir, image_dir)
        self._own_image_disk = node_status.own_image_disk(found)
        seen = node_status.observations(found)
        group = self._groups.all_pods() if self._groups is not None else None
        used = self._memory_of(group) if group is not None else None
        if used is not None:
            room = node_status.room_of_pods(given, node_status.capacity(found, given)).memory_bytes
            seen[eviction.POD_MEMORY] = Observation(max(0, room - used), room)
        return seen

    def _conclude(self, given: Given) -> None:
        holding = eviction.pressures(given.eviction, self._state, self._clock.monotonic())
        if holding != self._holding:
            if holding or self._holding:
                log.info("pressure", conditions=" ".join(holding) or "none")
            self._holding = holding
            self._pods.spare("DiskPressure" in holding)
            self._changed()
        self._announced &= set(self._state.met)

    async def _relieve(self, given: Given, threshold: Threshold, seen: Mapping[str, Observation]) -> bool:
        """Do something about a threshold that is met; return whether a pod was ended."""
        resource = eviction.RESOURCES[threshold.signal]
        if threshold not in self._announced:
            self._announced.add(threshold)
            self._reporter.event(None, reason="EvictionThresholdMet", type="Warning",
                                 message=f"Attempting to reclaim {resource}")
        if threshold.signal in eviction.DISK_SIGNALS and await self._free(given, threshold):
            return False
        uses = await self._uses(threshold.signal)
        for use in eviction_order.ranked(threshold.signal, uses, own_image_disk=self._own_image_disk):
            await self._evict(use.pod, eviction_order.message(threshold, seen, use),
                              eviction.grace_seconds(given.eviction, threshold, use.pod))
            return True
        return False

    async def _free(self, given: Given, threshold: Threshold) -> bool:
        """Free what nobody uses; return whether that was enough."""
        freed = 0
        for each in self._reclaims:
            freed += await each.reclaim()
        # Ended containers go by themselves, told so by `spare`.
        await self._clock.sleep(SETTLE_SECONDS)
        seen = await self._observe(given)
        if eviction.met((threshold,), seen, resolved=True):
            return False
        log.info("freed what nobody uses", signal=threshold.signal, bytes=freed)
        return True

    async def _uses(self, signal: str) -> list[PodUse]:
        pods = self._active()
        containers = tuple(container for container in await self._runtime.list() if container.pid)
        now = await asyncio.to_thread(self._sampler.round, containers)
        disk = await self._disks.read(pods) if signal in eviction.DISK_SIGNALS else {}
        return [_use(pod, view, now, disk.get(view.uid)) for pod, view in pods]

    async def _end_excess(self) -> bool:
        """End the pods that have written more than they may."""
        if self._clock.monotonic() < self._measure_at:
            return False
        watched = [(pod, view) for pod, view in self._active() if eviction_order.watched(pod)]
        began = self._clock.monotonic()
        limited = [each for each in watched if eviction_order.limited(each[0], "ephemeral-storage")]
        others = [each for each in watched if each not in limited]
        disk = {**await self._disks.read(limited), **await self._disks.read(others, layers=False)}
        ended = self._clock.monotonic()
        self._measure_at = ended + (ended - began) * REST_FACTOR
        found = False
        for pod, view in watched:
            use = _use(pod, view, None, disk.get(view.uid))
            if reason := eviction_order.over_limit(use, own_image_disk=self._own_image_disk):
                await self._evict(pod, reason, eviction.HARD_GRACE_SECONDS)
                found = True
        return found

    async def _evict(self, pod: core.Pod, message: str, grace_seconds: float) -> None:
        metadata = pod.metadata
        if qos.is_critical(pod):
            log.warning("a critical pod cannot be evicted", pod=f"{metadata.namespace}/{metadata.name}")
            return
        log.warning("pod is evicted", pod=f"{metadata.namespace}/{metadata.name}", reason=message)
        self._reporter.event(pod, reason="Evicted", type="Warning", message=message)
        self._pods.fail(metadata.uid, eviction_order.EVICTED, message, grace_seconds)
        for _ in range(int(LONGEST_END_SECONDS)):
            if not any(view.uid == metadata.uid and any(each.running for each in view.containers.values())
                       for view in self._pods.views()):
                return
            await self._clock.sleep(1.0)

    def _active(self) -> list[tuple[core.Pod, PodView]]:
        """Return the pods that are neither over nor on their way out."""
        views = {view.uid: view for view in self._pods.views()}
        found = []
        for worker in self._pods.all():
            state = worker.state
            over = state.previous is not None and state.previous.phase in ("Succeeded", "Failed")
            if state.pod is not None and state.uid in views and not (over or state.deleting or state.memory.failed):
                found.append((state.pod, views[state.uid]))
        return found


def _use(pod: core.Pod, view: PodView, now: usage.Round | None, disk: usage.PodDisk | None) -> PodUse:
    """Return what a pod uses, as far as it was read."""
    samples = now.samples if now is not None else {}
    disk = disk or usage.PodDisk()
    uses = {}
    for name, each in view.containers.items():
        sample, written = samples.get(each.id), disk.logs.get(name, usage.Tree())
        uses[name] = Use(memory_bytes=sample.working_set_bytes if sample is not None else None,
                         layer_bytes=disk.layers.get(name), log_bytes=written.size_bytes, log_inodes=written.inodes)
    whole = samples.get(usage.pod_key(view.uid))
    on_disk = {name: tree for name, tree in disk.volumes.items() if name not in disk.in_memory}
    return PodUse(
        pod=pod, containers=uses, volumes={name: tree.size_bytes for name, tree in on_disk.items()},
        volume_inodes=sum(tree.inodes for tree in on_disk.values()), processes=whole.processes if whole else 0,
        whole_memory_bytes=whole.working_set_bytes if whole else None)
