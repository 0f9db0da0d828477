"""Effects: tells the server what is, once for each change, and everything again after a reconnect.

What cannot be sent stays pending; statuses are overwritten by newer ones, events are bounded and the oldest go first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from edge import logs
from edge.api import core, times
from edge.bus import messages, topics
from edge.bus.interface import Bus, BusRefused, BusUnavailable
from edge.clock import Clock

MOST_EVENTS = 256
log = logs.get("agent.reporter")


@dataclass(frozen=True, slots=True)
class PodReport:
    """The last word on one pod."""

    namespace: str
    name: str
    status: core.PodStatus
    terminated: bool = False


@dataclass(frozen=True, slots=True)
class NodeReport:
    """The last word on the node."""

    status: core.NodeStatus
    labels: dict[str, str]
    annotations: dict[str, str]
    taints: tuple[core.Taint, ...]


class Reporter:
    """Sends the reports of one node, in one sequence. `changed` hears of each new word on a pod."""

    def __init__(self, bus: Bus, clock: Clock, node: str, boot_id: str,
                 changed: Callable[[], None] = lambda: None) -> None:
        self._changed = changed
        self._bus, self._clock, self._node, self._boot_id = bus, clock, node, boot_id
        self._sequence = 0
        self._pods: dict[str, PodReport] = {}
        self._node_report: NodeReport | None = None
        self._pending: set[str] = set()
        self._node_pending = False
        self._static: tuple[core.Pod, ...] | None = None
        self._static_pending = False
        self._volumes: tuple[str, ...] | None = None
        self._events: deque[messages.ReportedEvent] = deque(maxlen=MOST_EVENTS)
        self._wake = asyncio.Event()
        self.epoch = ""

    def pod(self, uid: str, report: PodReport) -> None:
        """Report a pod, unless that has been said."""
        if self._pods.get(uid) != report:
            self._pods[uid] = report
            self._pending.add(uid)
            self._wake.set()
            self._changed()

    def forget(self, uid: str) -> None:
        """Report a pod no more."""
        self._pods.pop(uid, None)
        self._pending.discard(uid)
        self._changed()

    def node(self, report: NodeReport) -> None:
        """Report the node."""
        self._node_report, self._node_pending = report, True
        self._wake.set()

    def static(self, pods: tuple[core.Pod, ...]) -> None:
        """Report all pods that the node runs by itself."""
        self._static, self._static_pending = pods, True
        self._wake.set()

    def volumes(self, removed: tuple[str, ...]) -> None:
        """Report which of the local volumes that shall be removed are not here (any more)."""
        self._volumes = removed
        self._wake.set()

    def event(self, pod: core.Pod | None, *, reason: str, message: str, type: str = "Normal",
              field_path: str = "") -> None:
        """Report an event of a pod, or of the node itself."""
        metadata = pod.metadata if pod is not None else None
        self._events.append(messages.ReportedEvent(
            boot_id=self._boot_id, sequence=0, uid=metadata.uid if metadata else "",
            namespace=metadata.namespace if metadata else "", name=metadata.name if metadata else "",
            field_path=field_path, type=type, reason=reason, message=message[:1024],
            timestamp=times.render(self._clock.now())))
        self._wake.set()

    def everything(self) -> None:
        """Report all of it again: the server may have forgotten."""
        self._pending.update(self._pods)
        self._node_pending, self._static_pending = self._node_report is not None, self._static is not None
        self._wake.set()

    def statuses(self) -> dict[str, core.PodStatus]:
        """Return the statuses reported last, by pod uid."""
        return {uid: report.status for uid, report in self._pods.items()}

    async def heartbeat(self) -> None:
        """Say that the agent is alive. Raises BusUnavailable."""
        beat = messages.Heartbeat(boot_id=self._boot_id, sequence=self._next())
        await self._bus.publish(topics.heartbeat(self._node), messages.encode(beat))

    async def state(self, state: str) -> None:
        """Say `online` or `offline`. Raises BusUnavailable."""
        said = messages.NodeState(boot_id=self._boot_id, sequence=self._next(), state=state)
        await self._bus.publish(topics.state(self._node), messages.encode(said), retain=True)

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    async def run(self) -> None:
        """Send what is pending until cancelled; while the broker is away, wait for `everything`."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.flush()
            except BusUnavailable:
                continue

    async def flush(self) -> None:
        """Send all that is pending, the node first. Raises BusUnavailable with the rest still pending."""
        await self._send_node()
        await self._send_static()
        while self._pending:
            uid = self._pending.pop()
            try:
                await self._send_pod(uid, self._pods[uid])
            except BusUnavailable:
                if uid in self._pods:
                    self._pending.add(uid)
                raise
        await self._send_volumes()
        while self._events:
            event = self._events[0]
            await self._publish(topics.events(self._node), msgspec.structs.replace(event, sequence=self._next()))
            if self._events and self._events[0] is event:
                self._events.popleft()

    async def _send_node(self) -> None:
        if not self._node_pending or self._node_report is None:
            return
        report = self._node_report
        message = messages.ReportedNode(boot_id=self._boot_id, sequence=self._next(), status=report.status,
                                        labels=report.labels, annotations=report.annotations, taints=report.taints)
        await self._publish(topics.reported_node(self._node), message)
        self._node_pending = self._node_report is not report

    async def _send_static(self) -> None:
        pods = self._static
        if not self._static_pending or pods is None:
            return
        message = messages.ReportedStatic(boot_id=self._boot_id, sequence=self._next(), pods=pods)
        await self._publish(topics.reported_static(self._node), message)
        self._static_pending = self._static is not pods

    async def _send_volumes(self) -> None:
        if (removed := self._volumes) is None:
            return
        await self._publish(topics.reported_volumes(self._node), messages.ReportedVolumes(
            boot_id=self._boot_id, sequence=self._next(), removed=removed))
        if self._volumes is removed:
            self._volumes = None

    async def _send_pod(self, uid: str, report: PodReport) -> None:
        message = messages.ReportedPod(boot_id=self._boot_id, sequence=self._next(), uid=uid,
                                       namespace=report.namespace, name=report.name, status=report.status,
                                       terminated=report.terminated, epoch=self.epoch)
        await self._publish(topics.reported_pod(self._node, uid), message)

    async def _publish(self, topic: str, message: messages.Struct) -> None:
        """Raises BusUnavailable. What the broker refuses would be refused again, so it is dropped with a word."""
        try:
            await self._bus.publish(topic, messages.encode(message))
        except BusRefused as error:
            log.warning("report refused", topic=topic, reason=error)
