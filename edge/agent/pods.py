"""Effects: the pods of this node: a worker for each, from what is wanted of the node and what is found on it.

What the bus lists and what the node runs by itself (static pods) are wanted; whatever else is found here has to go,
once the list is known to be complete.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

import msgspec

from edge import logs
from edge.agent import admission, desired, files, podview
from edge.agent.pod_state import Ports
from edge.agent.streams_directory import PodView
from edge.agent.surroundings import Surroundings
from edge.agent.worker import Worker
from edge.api import core
from edge.api.amounts import Amount
from edge.bus import messages
from edge.network.interface import HostPort, NetworkFailure
from edge.runtime.containers import Container, RuntimeFailure

log = logs.get("agent.pods")


class Pods:
    """All pods of the node. `changed` is called when one is gone: files and packet rules follow from who is there."""

    def __init__(self, ports: Ports, known: Callable[[], desired.Known], around: Callable[[], Surroundings],
                 changed: Callable[[], None]) -> None:
        self._ports, self._known, self._around, self._changed = ports, known, around, changed
        self._workers: dict[str, Worker] = {}
        self._gone: set[str] = set()
        self._orphans: set[str] = set()
        self._before: dict[str, core.PodStatus] = {}
        self._static: dict[str, messages.DesiredPod] = {}
        self._dropped: set[str] = set()
        self._seen: dict[str, tuple[Container, ...]] = {}
        self._ending: set[str] = set()
        self._reap = asyncio.Event()
        self._began = False

    def remember(self, statuses: Mapping[str, core.PodStatus]) -> None:
        """Take what was reported of the pods before the agent was started anew."""
        self._before = dict(statuses)

    def told(self) -> Mapping[str, core.PodStatus]:
        """Return the last word on every pod, by uid."""
        return {**self._before, **self._ports.reporter.statuses()}

    # What is wanted.

    async def adopt(self) -> bool:
        """Find what is on the node already; return whether all of it could be seen."""
        around = self._around()
        try:
            await self._ports.sandboxes.load()
            self._orphans = set(await self._ports.listing.pods()) | set(self._ports.sandboxes.all())
            self._orphans |= await self._ports.groups.found() if self._ports.groups is not None else set()
        except (RuntimeFailure, NetworkFailure) as error:
            log.warning("cannot see what runs here yet", reason=error)
            return False
        self._orphans |= set(files.pods_on_disk((f"{around.data_dir}/pods", f"{around.run_dir}/pods")))
        self._orphans |= set(files.pods_with_logs(around.log_dir))
        return True

    def begin(self) -> None:
        """Go by what is wanted from now on."""
        self._began = True
        self.reconcile()

    def use_static(self, pods: Mapping[str, messages.DesiredPod]) -> None:
        """Run these pods, by uid, whatever the bus says; end the ones that were given before and are not among them."""
        self._dropped |= self._static.keys() - pods.keys()
        self._static = dict(pods)
        self.reconcile()

    def static(self) -> Mapping[str, messages.DesiredPod]:
        """Return the pods that the node runs by itself."""
        return self._static

    def reconcile(self) -> None:
        """Give every pod its worker and its newest desired state."""
        if not self._began:
            return
        wanted = desired.wanted(self._known())
        pods = {**wanted.pods, **self._static}
        for uid, pod in pods.items():
            if uid not in self._gone:
                self._worker(uid).want(pod, deleting=pod.pod.metadata.deletion_timestamp is not None)
        listed = pods.keys() | wanted.awaited
        unwanted = self._dropped - listed
        if wanted.complete:
            unwanted |= (self._workers.keys() | self._orphans) - (pods.keys() - self._gone) - wanted.awaited
        for uid in unwanted:
            self._worker(uid).want(None, deleting=True)
        self._dropped = {uid for uid in self._dropped if uid in self._workers}
        if not wanted.complete:
            return
        self._orphans, self._before = set(), {uid: self._before[uid] for uid in self._before.keys() & listed}
        for uid in self._gone - listed:
            self._ports.reporter.forget(uid)
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
        self._changed()

    async def run(self) -> None:
        """End the workers whose pods are gone; they cannot end themselves."""
        while True:
            await self._reap.wait()
            self._reap.clear()
            while self._ending:
                uid = self._ending.pop()
                self._dropped.discard(uid)
                worker = self._workers.pop(uid, None)
                if worker is not None:
                    await worker.stop()
            self.reconcile()

    async def stop(self) -> None:
        """End every worker. The pods keep running."""
        for worker in self._workers.values():
            await worker.stop()

    # What happens to them.

    def all(self) -> tuple[Worker, ...]:
        """Return the workers of all pods that are here."""
        return tuple(self._workers.values())

    def fail(self, uid: str, reason: str, message: str, grace_seconds: float | None = None) -> None:
        """End a pod as Failed for a reason of the node, such as Evicted, with its own grace or at most this one; one
        that is not here is no error."""
        worker = self._workers.get(uid)
        if worker is not None and worker.state.memory.failed is None:
            worker.state.memory = replace(worker.state.memory, failed=(reason, message),
                                          failed_grace_seconds=float("inf") if grace_seconds is None else grace_seconds)
            worker.wake()

    def used(self, uid: str) -> dict[str, Amount]:
        """Return what the pods that are here ask for together, but for one; those that are over ask for nothing."""
        return admission.requests(self._taken(uid))

    def ports_taken(self, uid: str) -> frozenset[admission.Port]:
        """Return the ports of the node that the pods that are here take, but for one and those deleted by force."""
        return admission.ports(self._taken(uid, unlisted=False))

    def _taken(self, uid: str, *, unlisted: bool = True) -> tuple[core.Pod, ...]:
        return tuple(
            worker.state.pod for other, worker in self._workers.items() if (unlisted or not worker.state.unlisted)
            and other != uid and worker.state.pod is not None and worker.state.memory.failed is None
            and (worker.state.memory.admitted or self._ports.listing.last(other))
            and (worker.state.previous is None or worker.state.previous.phase not in ("Succeeded", "Failed")))

    def spare(self, short: bool) -> None:
        """Keep no ended containers beyond need while the disk is short."""
        for worker in self._workers.values():
            if worker.state.memory.sparing != short:
                worker.state.memory = replace(worker.state.memory, sparing=short)
                worker.wake()

    def wake_all(self) -> None:
        """Have every pod looked at again."""
        for worker in self._workers.values():
            worker.wake()

    def images_changed(self) -> None:
        """Have the pods that wait for an image look for it again."""
        for worker in self._workers.values():
            worker.images_changed()

    async def look(self) -> None:
        """Wake the pods whose containers changed, or whose network is gone. Raises RuntimeFailure."""
        self._ports.listing.invalidate()
        before, self._seen = self._seen, await self._ports.listing.pods()
        for uid in before.keys() | self._seen.keys():
            if before.get(uid) != self._seen.get(uid) and uid in self._workers:
                self._workers[uid].wake()
        for uid in await self._ports.sandboxes.lost() & self._workers.keys():
            if not self._workers[uid].state.deleting:
                log.warning("a pod's network namespace was taken away", uid=uid)
            self._workers[uid].wake()
        strangers = self._seen.keys() - self._workers.keys()
        if strangers and self._began:
            # An engine that hung may carry out an order long after its pod is gone.
            self._orphans |= strangers
            self.reconcile()

    def host_ports(self) -> tuple[HostPort, ...]:
        """Return the ports of the node that lead into its pods."""
        pods = {uid: worker.state.pod for uid, worker in self._workers.items() if worker.state.pod is not None}
        return podview.host_ports(pods, self._ports.sandboxes.all().values())

    # What the streams server asks.

    def find(self, namespace: str, name: str) -> PodView | None:
        """Return the pod of that name; one that is going only while there is no newer one."""
        found = [worker for worker in self._workers.values() if (pod := worker.state.pod) is not None
                 and (pod.metadata.namespace, pod.metadata.name) == (namespace, name)]
        found.sort(key=lambda worker: worker.state.deleting)
        return self._view(found[0]) if found else None

    def views(self) -> tuple[PodView, ...]:
        """Return all pods whose desired state is known."""
        return tuple(self._view(worker) for worker in self._workers.values() if worker.state.pod is not None)

    def manifests(self) -> tuple[core.Pod, ...]:
        """Return all pods with the status they were reported with."""
        return tuple(msgspec.structs.replace(pod, status=worker.state.previous or pod.status)
                     for worker in self._workers.values() if (pod := worker.state.pod) is not None)

    def _view(self, worker: Worker) -> PodView:
        wanted, uid, around = worker.state.desired, worker.state.uid, self._around()
        assert wanted is not None
        sandbox = self._ports.sandboxes.get(uid)
        node_address = around.node_address if wanted.pod.spec.host_network else ""
        return podview.pod_view(wanted, worker.state.previous or core.PodStatus(), self._ports.listing.last(uid),
                                around, node_address or (sandbox.address if sandbox else ""), self._ports.clock.now(),
                                "" if node_address or sandbox is None else sandbox.netns_path)
