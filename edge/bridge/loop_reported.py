"""Writes what nodes report into the API: nodes, pod status, leases, events.

Effects: the API. Messages that are malformed, late, or speak of what is not the sender's are dropped, counted, and
logged once for each branch of the topics and reason.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from edge import logs
from edge.api import core, errors, meta, mirror_pods
from edge.bridge import inbox, interface, loop_mirrors, rates, reported, sequence, surroundings, volumes
from edge.bridge.loop_nodes import Nodes
from edge.bridge.loop_written import ATTEMPTS, Written
from edge.bus import interface as bus_interface
from edge.bus import messages, topics
from edge.client.interface import Client
from edge.client.recorder import Recorder
from edge.clock import Clock
from edge.ids import Ids

RETRY_SECONDS = 1.0
WORKERS = 16

log = logs.get("bridge")


@dataclass(frozen=True, slots=True)
class NodeKey:
    name: str


@dataclass(frozen=True, slots=True)
class PodKey:
    node: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class EventKey:
    node: str


Key = NodeKey | PodKey | EventKey
# Saying the same again would be refused again.
_HOPELESS = (errors.Invalid, errors.BadRequest, errors.Forbidden, errors.TooLarge)
_KINDS: dict[str, type[messages.Reported]] = {
    "reported/pods": messages.ReportedPod, "reported/node": messages.ReportedNode, "heartbeat": messages.Heartbeat,
    "reported/static": messages.ReportedStatic, "reported/volumes": messages.ReportedVolumes,
    "state": messages.NodeState, "events": messages.ReportedEvent}


class Recipient:
    """Takes messages at once, and works them off with several workers."""

    def __init__(self, view: interface.View, client: Client, clock: Clock, ids: Ids, *,
                 network: surroundings.Network, clear: Callable[[str], None] = lambda topic: None) -> None:
        """`clear` hears of topics on which something is retained that must not be."""
        self._view = view
        self._client = client
        self._clock = clock
        self._ids = ids
        self._clear = clear
        self._rates = rates.Rates()
        self._inbox: inbox.Inbox[Key, messages.Reported] = inbox.Inbox()
        self._sequences = sequence.Sequences()
        self._wake = asyncio.Semaphore(0)
        self.refused: Counter[str] = Counter()
        """Messages dropped, by branch of the topic and reason."""
        self._told: set[tuple[str, str]] = set()
        self._recorders: dict[str, Recorder] = {}
        self._objects = Written(view, client)
        self._nodes = Nodes(view, self._objects, client, clock, network)
        self.absent = self._nodes.absent
        self.mirrors = loop_mirrors.Mirrors(view, client, clock, ids, lambda node, report: self._put(
            PodKey(node, report.namespace, report.name), "pod", report))

    def take(self, message: bus_interface.Message) -> None:
        """Check a message and put it in line."""
        topic = topics.parse(message.topic)
        kind = _KINDS.get(topic.branch) if topic is not None else None
        if topic is None or kind is None:
            self._unread(message)
            return
        if problem := self._problem(topic, message):
            self._refuse(topic.branch, message.topic, problem)
            return
        if not message.payload:
            return  # A cleared state: the node was taken out.
        try:
            content = messages.decode(kind, message.payload)
        except messages.MessageError as error:
            self._refuse(topic.branch, message.topic, "malformed", detail=str(error))
            return
        # The last will was written when the connection began: its number is old by nature.
        if isinstance(content, messages.NodeState):
            self._take_state(topic.node, content)
            return
        if problem := self._foreign(topic, content):
            self._refuse(topic.branch, message.topic, problem)
            return
        if late := self._sequences.accept(topic.node, message.topic, content.boot_id, content.sequence):
            self._refuse(topic.branch, message.topic, late)
            return
        match content:
            case messages.ReportedStatic():
                self.mirrors.reported(topic.node, content)
            case messages.ReportedPod():
                if self.mirrors.runs(topic.node, content):
                    self.mirrors.note(topic.node, content)
                self._put(PodKey(topic.node, content.namespace, content.name), "pod", content)
            case messages.ReportedEvent():
                self._put(EventKey(topic.node), f"{content.boot_id[:64]}/{content.sequence}",
                          reported.shortened(content))
            case _:
                self._put(NodeKey(topic.node), topic.branch, content)

    def _take_state(self, node: str, content: messages.NodeState) -> None:
        if content.state == "online":
            self._sequences.revive(node, content.boot_id)
        self._put(NodeKey(node), "state", content)

    def changed(self, old: meta.Object | None, new: meta.Object | None) -> None:
        """Take note of a change in the view."""
        self.mirrors.changed(old, new)
        self._objects.changed(old, new)
        if new is not None:
            return
        if isinstance(old, core.Node):
            self._forget(old.metadata.name)
        elif isinstance(old, core.Pod) and old.spec.node_name:
            node = old.spec.node_name
            self._sequences.forget_topic(node, topics.reported_pod(node, old.metadata.uid))

    async def work(self) -> None:
        """Work messages off until cancelled."""
        while True:
            await self._wake.acquire()
            taken = self._inbox.take()
            if taken is None:
                continue
            key, content = taken
            try:
                await self._work_off(key, content)
            except (errors.ApiError, OSError) as error:
                log.warning("report not written yet", key=str(key), reason=str(error))
                self._put_back(key, content)
                await self._clock.sleep(RETRY_SECONDS)
            except asyncio.CancelledError:
                self._put_back(key, content)
                raise
            finally:
                if self._inbox.done(key):
                    self._wake.release()

    async def _work_off(self, key: Key, content: dict[str, messages.Reported]) -> None:
        """Apply messages in order and take out each that is done with."""
        for sort in list(content):
            try:
                await self._apply(key, content[sort])
            except _HOPELESS as error:
                self.refused[f"{type(content[sort]).__name__}: {error.reason}"] += 1
                log.error("report refused by the API", key=str(key), sort=sort, reason=str(error))
            del content[sort]

    def _put_back(self, key: Key, content: dict[str, messages.Reported]) -> None:
        for sort in reversed(list(content)):
            self._inbox.put_back(key, sort, content[sort])

    def _put(self, key: Key, sort: str, content: messages.Reported) -> None:
        self._inbox.put(key, sort, content)
        self._wake.release()

    def _unread(self, message: bus_interface.Message) -> None:
        """Drop a message that no node of ours sends."""
        if message.retained and message.payload:
            self._clear(message.topic)
        self._refuse("other", message.topic, "a topic the server does not read")

    def _problem(self, topic: topics.Topic, message: bus_interface.Message) -> str:
        """Return why a message is not even read, or ""."""
        if message.retained and message.payload and topic.branch != "state":
            self._clear(message.topic)
            return "retained"
        return "" if self._rates.allows(topic.node, topic.branch, self._clock.monotonic()) else "too many"

    def _foreign(self, topic: topics.Topic, content: messages.Reported) -> str:
        """Return why a message is none of the sender's business, or ""."""
        if not isinstance(content, messages.ReportedPod):
            return ""
        if content.uid != topic.name:
            return "topic and message name different pods"
        if self.mirrors.runs(topic.node, content):
            return ""
        pod = self._view.get(core.Pod, content.name, content.namespace)
        if pod is None or not mirror_pods.is_of(pod, content.uid):
            return "no such pod"
        return "" if pod.spec.node_name == topic.node else "the pod is not bound to the node that speaks of it"

    def _refuse(self, branch: str, topic: str, reason: str, detail: str = "") -> None:
        self.refused[f"{branch}: {reason}"] += 1
        if reason not in ("late or repeated", "no such pod") and (branch, reason) not in self._told:
            self._told.add((branch, reason))
            log.warning("message refused; further ones like it are only counted", topic=topic, reason=reason,
                        detail=detail)

    async def _apply(self, key: Key, content: messages.Reported) -> None:
        match key, content:
            case NodeKey(name), messages.ReportedNode():
                await self._nodes.report(name, content)
            case NodeKey(name), messages.NodeState():
                self._nodes.state(name, content.state)
            case NodeKey(name), messages.Heartbeat():
                await self._nodes.heartbeat(name, content)
            case NodeKey(name), messages.ReportedVolumes():
                await self._apply_volumes(name, content)
            case PodKey(node, namespace, name), messages.ReportedPod():
                await self._apply_pod(node, namespace, name, content)
            case EventKey(node), messages.ReportedEvent():
                await self._apply_event(node, content)

    async def _apply_pod(self, node: str, namespace: str, name: str, report: messages.ReportedPod) -> None:
        existing = self._objects.newest(core.Pod, name, namespace)
        for _ in range(ATTEMPTS):
            action = reported.pod(node, report, existing, self._clock.now())
            try:
                match action:
                    case reported.UpdatePodStatus(pod):
                        self._objects.keep(await self._client.update_status(pod))
                    case reported.DeletePod():
                        if action.last is not None:
                            with contextlib.suppress(*_HOPELESS):
                                self._objects.keep(await self._client.update_status(action.last))
                        await self._client.delete(core.Pod, action.name, action.namespace, uid=action.uid,
                                                  grace_period_seconds=0)
                    case reported.Ignore(reason):
                        self.refused[f"reported/pods: {reason}"] += 1
                return
            except (errors.Conflict, errors.NotFound):
                existing = await self._objects.fresh(core.Pod, name, namespace)
        raise errors.Conflict(f"pod {namespace}/{name} keeps changing")

    async def _apply_volumes(self, node: str, report: messages.ReportedVolumes) -> None:
        """Let volumes go whose directories are gone. One that has just changed is looked at again a moment later."""
        for volume in volumes.let_go(node, report, self._view):
            with contextlib.suppress(errors.NotFound):
                await self._client.patch(core.PersistentVolume, volume.metadata.name, "",
                                         volumes.without_finalizer(volume))
            log.info("local volume removed", node=node, volume=volume.metadata.name)

    async def _apply_event(self, node: str, report: messages.ReportedEvent) -> None:
        pod = self._view.get(core.Pod, report.name, report.namespace) if report.uid else None
        known = self._view.get(core.Node, node)
        about = self.mirrors.about(node, report) or reported.involved(
            node, report, pod, known.metadata.uid if known is not None else "")
        if isinstance(about, reported.Ignore):
            self.refused[f"events: {about.reason}"] += 1
            return
        recorder = self._recorders.get(node)
        if recorder is None:
            recorder = self._recorders[node] = Recorder(self._client, self._clock, self._ids, component="edge-agent",
                                                        host=node)
        kind = "Warning" if report.type == "Warning" else "Normal"
        await recorder.record(about, kind, report.reason, report.message)

    def _forget(self, name: str) -> None:
        self._recorders.pop(name, None)
        self._rates.forget(name)
        if self._nodes.forget(name):
            self.mirrors.forget(name)
            self._sequences.forget(name)
