"""Keeps the mirror pods in step with what nodes run by themselves.

Effects: the API. What a node said of its pods is kept, because a mirror pod can be deleted and is made again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from edge import logs
from edge.api import core, errors, meta, mirror_pods
from edge.bridge import interface, mirrors
from edge.bus import messages
from edge.client.interface import Client
from edge.client.recorder import Recorder
from edge.clock import Clock, wait
from edge.ids import Ids

RETRY_SECONDS = 30.0

log = logs.get("bridge")
Repeat = Callable[[str, messages.ReportedPod], None]
"""Takes a node's report on a pod once more."""


class Mirrors:
    """Mirror pods of all nodes that have told of static ones."""

    def __init__(self, view: interface.View, client: Client, clock: Clock, ids: Ids, repeat: Repeat) -> None:
        self._view, self._client, self._clock, self._repeat = view, client, clock, repeat
        self._events = Recorder(client, clock, ids, component="edge-server")
        self._reported: dict[str, tuple[core.Pod, ...]] = {}
        self._statuses: dict[str, dict[str, messages.ReportedPod]] = {}
        """By node, then uid on the node: the last word on each static pod."""
        self._dirty: set[str] = set()
        self._wake = asyncio.Event()
        self._said: dict[str, dict[str, str]] = {}

    def reported(self, node: str, report: messages.ReportedStatic) -> None:
        """Take a node's whole list."""
        self._reported[node] = report.pods
        uids = {pod.metadata.uid for pod in report.pods}
        known = self._statuses.get(node, {})
        self._statuses[node] = {uid: status for uid, status in known.items() if uid in uids}
        self._mark(node)

    def runs(self, node: str, report: messages.ReportedPod) -> bool:
        """Return whether a report is about a static pod of the node, shown or not."""
        return any((pod.metadata.uid, pod.metadata.namespace, pod.metadata.name) ==
                   (report.uid, report.namespace, report.name) for pod in self._reported.get(node, ()))

    def note(self, node: str, report: messages.ReportedPod) -> None:
        """Remember the last word on a static pod, for a mirror pod that is made later."""
        self._statuses.setdefault(node, {})[report.uid] = report

    def forget(self, node: str) -> None:
        """Drop what is known of a node that is gone."""
        for known in (self._reported, self._statuses, self._said):
            known.pop(node, None)

    def about(self, node: str, event: messages.ReportedEvent) -> meta.ObjectReference | None:
        """Return what an event of a static pod is about; None for other events."""
        return mirrors.about(event.uid, event.field_path, self._reported.get(node, ())) if event.uid else None

    def changed(self, old: meta.Object | None, new: meta.Object | None) -> None:
        """Take note of a change in the view."""
        subject = new if new is not None else old
        if isinstance(subject, core.Node) and (old is None or new is None):
            self._mark(subject.metadata.name)
        if not isinstance(subject, core.Pod) or not subject.spec.node_name:
            return
        node = subject.spec.node_name
        if not mirror_pods.is_mirror(subject):
            if new is None:
                self._mark(node)  # It may have had a mirror pod's name.
        elif old is None or new is None or subject.metadata.deletion_timestamp:
            self._mark(node)
        if new is not None and mirror_pods.is_mirror(subject) and old is None:
            uid = subject.metadata.annotations[mirror_pods.MIRROR]
            if (status := self._statuses.get(node, {}).get(uid)) is not None:
                self._repeat(node, status)

    def _mark(self, node: str) -> None:
        if node in self._reported:
            self._dirty.add(node)
            self._wake.set()

    async def work(self) -> None:
        """Make and delete mirror pods until cancelled."""
        failed: set[str] = set()
        while True:
            await wait(self._wake, self._clock, RETRY_SECONDS if failed else None)
            nodes, self._dirty = (self._dirty or failed) | failed, set()
            failed = {node for node in nodes if not await self._settle(node)}

    async def _settle(self, name: str) -> bool:
        """Bring one node's mirror pods to what is wanted; return whether nothing is left to do."""
        node = self._view.get(core.Node, name)
        if node is None:
            return True  # Its own coming marks it again.
        asked = mirrors.wanted(node, self._reported.get(name, ()))
        existing = [pod for pod in self._view.all(core.Pod) if pod.spec.node_name == name]
        problems = dict(asked.refused)
        for action in mirrors.plan(asked, node, existing):
            try:
                await self._carry_out(action)
            except errors.ApiError as error:
                m = action.pod.metadata if isinstance(action, mirrors.Create) else action
                problems[f"{m.namespace}/{m.name}"] = error.message
        await self._tell(node, problems)
        return not problems.keys() - asked.refused.keys()

    async def _carry_out(self, action: mirrors.Action) -> None:
        match action:
            case mirrors.Create(pod):
                # It may be there and not yet be seen.
                with contextlib.suppress(errors.AlreadyExists):
                    await self._client.create(pod)
            case mirrors.Delete(namespace, name, uid):
                with contextlib.suppress(errors.NotFound, errors.Conflict):
                    await self._client.delete(core.Pod, name, namespace, uid=uid, grace_period_seconds=0)

    async def _tell(self, node: core.Node, problems: dict[str, str]) -> None:
        """Say once why a static pod is not shown."""
        name = node.metadata.name
        before, self._said[name] = self._said.get(name, {}), problems
        for pod, problem in problems.items():
            if before.get(pod) != problem:
                log.warning("no mirror pod", node=name, pod=pod, reason=problem)
                uid = node.metadata.uid or name
                await self._events.record(meta.ObjectReference(kind="Node", api_version="v1", name=name, uid=uid),
                                          "Warning", "FailedMirrorPod", f"static pod {pod} is not shown: {problem}")
