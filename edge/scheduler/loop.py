"""Runs the scheduler: pods without a node are placed one after the other and bound many at a time.

A choice counts in the snapshot before its binding is sent, so the next choice already knows of it. A pod whose claims
wait for its node keeps its place there until they are bound; only then the pod is bound too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import msgspec

from edge import logs
from edge.api import core, errors, meta, storage, times
from edge.client import cache, recorder, view
from edge.client.interface import Client, O
from edge.clock import Clock, wait
from edge.ids import Ids
from edge.scheduler import queue, reservations, select, snapshot, volumes

NAME = "default-scheduler"
LARGEST_BATCH = 32
"""Bindings sent at the same time; the store commits them together."""

Run = Callable[[], Awaitable[None]]

log = logs.get("scheduler")


def build(client: Client, caches: cache.SharedCaches, clock: Clock, ids: Ids) -> list[tuple[str, Run]]:
    """Return the scheduler as a name and what to run under it. Needs a running event loop."""
    return [("scheduler", Loop(client, caches, clock, recorder.Recorder(client, clock, ids, component=NAME)).run)]


@dataclass(frozen=True, slots=True)
class _Bound:
    """A pod and where it is to go."""

    key: str
    pod: core.Pod
    choice: select.Choice


class _Storage:
    """Claims, volumes and classes as the caches show them."""

    KINDS = (core.PersistentVolumeClaim, core.PersistentVolume, storage.StorageClass)

    def __init__(self, caches: cache.SharedCaches) -> None:
        self._caches = caches

    def get(self, kind: type[O], name: str, namespace: str = "") -> O | None:
        return self._caches.of(kind).get(view.key(name, namespace))

    def all(self, kind: type[O]) -> Iterable[O]:
        return self._caches.of(kind).items()


class Loop:
    """The scheduler at work."""

    def __init__(self, client: Client, caches: cache.SharedCaches, clock: Clock, events: recorder.Recorder) -> None:
        self._client, self._caches, self._clock, self._events = client, caches, clock, events
        self._snapshot = snapshot.Snapshot()
        self._storage, self._reserved = _Storage(caches), reservations.Reservations()
        self._selector = select.Selector(self._snapshot, lambda pod: volumes.rules(
            pod, self._storage, self._snapshot.pods, self._reserved.chosen))
        self._queue = queue.PendingQueue()
        self._wake = asyncio.Event()
        self._subscribed = False

    async def run(self) -> None:
        """Place pods until canceled."""
        pods = self._caches.of(core.Pod)
        if not self._subscribed:
            self._subscribed = True
            self._caches.of(core.Node).listen(self._node_changed)
            for kind in _Storage.KINDS:
                self._caches.of(kind).listen(lambda _old, _new: self._room_changed())
            pods.listen(self._pod_changed)
        else:
            self._start_anew(pods)
        await self._caches.synced()
        while True:
            ready, late = self._look_after(pods)
            placed, refused = self._place(pods)
            refused += late
            if ready or placed or refused:
                await asyncio.gather(*(self._bind(one) for one in ready), *(self._refuse(one) for one in refused),
                                     *(self._prepare(one) if self._reserved.has(one.key, one.pod.metadata.uid)
                                       else self._bind(one) for one in placed))
            else:
                await self._wait()

    def _start_anew(self, pods: cache.Cache[core.Pod]) -> None:
        """After a failure: forget assumptions whose binding nobody waits for any more."""
        for key, placed in list(self._snapshot.pods.items()):
            if placed.assumed:
                self._snapshot.forget(key, placed.pod.metadata.uid)
        self._reserved.clear()
        self._queue = queue.PendingQueue()
        for pod in pods.items():
            self._pod_changed(None, pod)

    def _place(self, pods: cache.Cache[core.Pod]) -> tuple[list[_Bound], list[_Bound]]:
        """Choose nodes for the next pods, and count them there."""
        self._queue.unpark(self._clock.monotonic())
        placed: list[_Bound] = []
        refused: list[_Bound] = []
        while len(placed) + len(refused) < LARGEST_BATCH and (key := self._queue.take()) is not None:
            pod = pods.get(key)
            if pod is None or not is_waiting(pod):
                self._queue.drop(key)
                continue
            one = _Bound(key, pod, self._selector.select(pod))
            if one.choice.node:
                self._snapshot.assume(key, pod, one.choice.node, one.choice.needs)
                if one.choice.claims and not volumes.all_bound(pod, self._storage):
                    self._reserved.put(key, pod.metadata.uid, one.choice.node, one.choice.steps,
                                       self._clock.monotonic())
                placed.append(one)
            else:
                self._queue.park(key, self._clock.monotonic())
                refused.append(one)
        return placed, refused

    def _look_after(self, pods: cache.Cache[core.Pod]) -> tuple[list[_Bound], list[_Bound]]:
        """Return the pods whose volumes have come, and those that waited too long; give up those that have gone."""
        ready: list[_Bound] = []
        late: list[_Bound] = []
        for key in self._reserved.keys():  # noqa: SIM118 - not a dictionary
            pod, placed = pods.get(key), self._snapshot.pods.get(key)
            if pod is None or placed is None or not placed.assumed or not is_waiting(pod) \
                    or not self._reserved.has(key, pod.metadata.uid):
                self._drop(key)
                continue
            one = _Bound(key, pod, select.Choice(placed.node, "", placed.needs, claims=True))
            if volumes.all_bound(pod, self._storage):
                self._reserved.drop(key)
                if volumes.reachable(pod, self._storage, self._snapshot.nodes.get(placed.node)):
                    ready.append(one)
                else:
                    self._give_back(one)
            elif placed.node not in self._snapshot.nodes:
                self._give_back(one)
            elif self._reserved.is_over(key, self._clock.monotonic()):
                self._give_back(one)
                late.append(_Bound(key, pod, select.Choice("", reservations.LATE, placed.needs)))
        return ready, late

    def _drop(self, key: str) -> None:
        """Forget that a pod waits for its volumes, and what it held."""
        self._reserved.drop(key)
        placed = self._snapshot.pods.get(key)
        if placed is not None and placed.assumed:
            self._snapshot.forget(key, placed.pod.metadata.uid)
            self._queue.cluster_changed()

    async def _prepare(self, one: _Bound) -> None:
        """Write what brings the volumes of a pod that has its node; the pod is bound once they are there."""
        try:
            for step in one.choice.steps:
                kind, name, namespace, patch = volumes.patch_of(step, one.choice.node)
                await self._client.patch(kind, name, namespace, patch)
        except errors.ApiError as error:
            log.debug("volumes not chosen", pod=one.key, error=error.message)
            self._give_back(one)

    async def _bind(self, one: _Bound) -> None:
        m = one.pod.metadata
        try:
            await self._client.bind(m.name, m.namespace, one.choice.node, uid=m.uid)
        except (errors.NotFound, errors.Conflict) as error:
            # Deleted, or bound by somebody else: the cache will tell; should it not, the pod is tried again.
            log.debug("pod not bound", pod=one.key, error=error.message)
            self._give_back(one)
        except errors.ApiError as error:
            log.warning("pod not bound", pod=one.key, node=one.choice.node, error=error.message)
            self._give_back(one)
        else:
            await self._events.record(_about(one.pod), "Normal", "Scheduled",
                                      f"Successfully assigned {m.namespace}/{m.name} to {one.choice.node}")

    def _give_back(self, one: _Bound) -> None:
        self._reserved.drop(one.key)
        self._snapshot.forget(one.key, one.pod.metadata.uid)
        self._queue.park(one.key, self._clock.monotonic(), until_change=False)
        self._queue.cluster_changed()  # What it held is free again for others.

    async def _refuse(self, one: _Bound) -> None:
        condition = unschedulable(one.pod, one.choice.reason, times.render(self._clock.now()))
        if condition is not None:
            m = one.pod.metadata
            body = {"metadata": {"resourceVersion": m.resource_version},
                    "status": {"conditions": msgspec.to_builtins(condition)}}
            try:
                await self._client.patch(core.Pod, m.name, m.namespace, body, subresource="status")
            except errors.ApiError as error:
                log.debug("condition not written", pod=one.key, error=error.message)
        await self._events.record(_about(one.pod), "Warning", "FailedScheduling", one.choice.reason)

    async def _wait(self) -> None:
        due = min((each for each in (self._queue.next_due(), self._reserved.next_due()) if each is not None),
                  default=None)
        await wait(self._wake, self._clock, None if due is None else max(0.0, due - self._clock.monotonic()))

    def _pod_changed(self, old: core.Pod | None, new: core.Pod | None) -> None:
        if new is None:
            if old is not None:
                key = view.key_of(old)
                self._snapshot.remove_pod(key)
                self._queue.drop(key)
                self._room_changed()
            return
        key = view.key_of(new)
        self._snapshot.put_pod(key, new)
        if is_waiting(new):
            if key not in self._snapshot.pods:
                self._queue.put(key, priority=new.spec.priority or 0, created=new.metadata.creation_timestamp or "")
                if old is not None and (old.spec != new.spec or old.metadata.labels != new.metadata.labels):
                    self._queue.cluster_changed()
                self._wake.set()
            return
        self._queue.drop(key)
        if old is None or old.metadata.labels != new.metadata.labels or old.status.phase != new.status.phase:
            self._room_changed()

    def _node_changed(self, old: core.Node | None, new: core.Node | None) -> None:
        if new is None:
            if old is not None:
                self._snapshot.remove_node(old.metadata.name)
            return
        if old is not None and _same_for_scheduling(old, new):
            return
        self._snapshot.put_node(new)
        self._room_changed()

    def _room_changed(self) -> None:
        """Something changed that may make room for a pod that fitted nowhere."""
        self._queue.cluster_changed()
        self._wake.set()


def is_waiting(pod: core.Pod) -> bool:
    """Tell whether the pod is ours to place."""
    spec = pod.spec
    return (not spec.node_name and pod.metadata.deletion_timestamp is None and not spec.scheduling_gates
            and spec.scheduler_name in ("", NAME) and pod.status.phase not in ("Succeeded", "Failed"))


def unschedulable(pod: core.Pod, reason: str, now: str) -> tuple[meta.Condition, ...] | None:
    """Return the pod's conditions with PodScheduled=False, or None when they say so already."""
    old = next((c for c in pod.status.conditions if c.type == "PodScheduled"), None)
    if old is not None and (old.status, old.reason, old.message) == ("False", "Unschedulable", reason):
        return None
    since = old.last_transition_time if old is not None and old.status == "False" else now
    made = meta.Condition(type="PodScheduled", status="False", reason="Unschedulable", message=reason,
                          last_transition_time=since)
    return (*(c for c in pod.status.conditions if c.type != "PodScheduled"), made)


def _about(pod: core.Pod) -> meta.ObjectReference:
    m = pod.metadata
    return meta.ObjectReference(kind="Pod", api_version="v1", namespace=m.namespace, name=m.name, uid=m.uid,
                                resource_version=m.resource_version)


def _same_for_scheduling(old: core.Node, new: core.Node) -> bool:
    """Tell whether nothing changed that the scheduler looks at: heartbeats of conditions do not matter."""
    return (old.spec == new.spec and old.metadata.labels == new.metadata.labels
            and old.status.allocatable == new.status.allocatable and old.status.capacity == new.status.capacity
            and old.status.images == new.status.images)
