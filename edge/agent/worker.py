"""Effects: brings one pod to what is wanted and keeps it there: gather, plan, act, report, wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from edge import logs
from edge.agent import execute, files, memory, plan, probing, status
from edge.agent.execute import Executor, PodState, Ports
from edge.agent.reporter import PodReport
from edge.agent.view import View
from edge.api import core
from edge.bus import messages
from edge.clock import wait
from edge.component import Supervisor
from edge.network.interface import NetworkFailure
from edge.runtime.containers import EngineAway, RuntimeFailure, State

RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 10.0

log = logs.get("agent.worker")


class Worker:
    """The life of one pod on this node. `gone` is called once when nothing of it is left."""

    def __init__(self, uid: str, ports: Ports, *, previous: core.PodStatus | None,
                 gone: Callable[[str], None]) -> None:
        self.state = PodState(uid, previous=previous)
        self._ports, self._gone = ports, gone
        self._wake = asyncio.Event()
        self._parts = Supervisor(ports.clock)
        self._spawned = 0
        self._executor = Executor(self.state, ports, self._spawn, self.wake)
        self._prober = probing.Prober(ports.runtime, ports.clock, self.wake, self._unhealthy)

    def want(self, desired: messages.DesiredPod | None, *, deleting: bool) -> None:
        """Take a new desired state; None keeps the one before, for a pod that is no longer listed."""
        state = self.state
        before = (state.desired, state.deleting, state.unlisted)
        if desired is not None:
            state.desired = desired
        state.deleting = state.deleting or deleting
        state.unlisted = desired is None
        if before != (state.desired, state.deleting, state.unlisted):
            self.wake()

    def images_changed(self) -> None:
        """Look again for images that could not be pulled."""
        if any(pull.reason for pull in self.state.memory.pulls.values()) or None in self.state.memory.images.values():
            self.state.memory = memory.images_changed(self.state.memory)
            self.wake()

    def wake(self) -> None:
        """Look again soon."""
        self._wake.set()

    def start(self) -> None:
        """Begin; the worker runs until the pod is gone or it is stopped."""
        self._parts.start("probes", self._prober.run)
        self._parts.start("pod", self.run)

    async def stop(self) -> None:
        """End the worker and leave the pod as it is."""
        await self._parts.stop()

    def _spawn(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        self._spawned += 1
        self._parts.start(f"{name} #{self._spawned}", run)

    async def run(self) -> None:
        """Run until nothing of the pod is left."""
        retry = RETRY_SECONDS
        while not self.state.memory.forgotten:
            try:
                seconds = await self.round()
                retry = RETRY_SECONDS
            except (RuntimeFailure, NetworkFailure, files.FilesError) as error:
                if not isinstance(error, EngineAway):
                    log.warning("pod is tried again", pod=self._name(), reason=error, retry_seconds=retry)
                # New desired state must not turn a broken engine into a busy loop.
                await self._ports.clock.sleep(retry)
                retry, seconds = min(retry * 2, LONGEST_RETRY_SECONDS), 0.0
            if seconds is None or seconds > 0:
                await wait(self._wake, self._ports.clock, seconds)
        self._gone(self.state.uid)

    async def round(self) -> float | None:
        """Take one step; return in how many seconds to look again (0: at once, None: when something happens)."""
        view = await self._gather()
        decided = plan.plan(view)
        self._report(view)
        for action in decided.actions:
            if not await self._executor.perform(action):
                break
        if self.state.memory.forgotten:
            await asyncio.to_thread(files.remove_logs, view.around.log_dir, view.uid)
            self._report_gone(view)
        return 0.0 if decided.actions else decided.requeue_after

    async def _gather(self) -> View:
        ports, state, around = self._ports, self.state, self._ports.around()
        listed = await ports.listing.pod(state.uid)
        state.memory, containers = memory.observe(state.memory, listed, ports.clock.monotonic())
        view = View(
            uid=state.uid, desired=state.desired, deleting=state.deleting, unlisted=state.unlisted,
            containers=containers, sandbox=ports.sandboxes.get(state.uid), network_ready=bool(ports.pod_cidr()),
            has_files=files.exists(execute.directories(around, state.uid)), memory=state.memory, around=around,
            previous=state.previous, now=ports.clock.now(), monotonic=ports.clock.monotonic())
        self._read_messages(view)
        self._prober.watch(self._targets(view))
        left = plan.deadline(view)
        if left is not None and left <= 0 and state.memory.failed is None:
            state.memory = replace(state.memory, failed=(
                "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"))
        return replace(view, health=self._prober.health(), memory=state.memory)

    def _targets(self, view: View) -> dict[str, probing.Target]:
        if view.desired is None or view.deleting:
            return {}
        specs = {each.name: each for each in (*view.pod.spec.init_containers, *view.pod.spec.containers)}
        statuses = (*view.previous.init_container_statuses, *view.previous.container_statuses) if view.previous else ()
        before = {each.container_id: each for each in statuses}
        found = {}
        for container in view.containers:
            spec = specs.get(container.name)
            if container.state is State.RUNNING and spec is not None:
                said = before.get(status.RUNTIME + container.id)
                found[container.id] = probing.Target(container.id, spec, view.address,
                                                     bool(said and said.started), bool(said and said.ready))
        return found

    def _read_messages(self, view: View) -> None:
        """Read the last words of containers whose end is new."""
        if view.desired is None:
            return
        specs = {each.name: each for each in (*view.pod.spec.init_containers, *view.pod.spec.containers)}
        fresh = {}
        for container in view.containers:
            spec = specs.get(container.name)
            if container.state is not State.EXITED or container.id in self.state.memory.messages or spec is None:
                continue
            text = files.termination_message(
                execute.termination_path(view.around, view.uid, container.name, container.attempt))
            metadata = view.pod.metadata
            if not text and container.exit_code != 0 and \
                    spec.termination_message_policy == "FallbackToLogsOnError":
                folder = view.around.pod_log_dir(metadata.namespace, metadata.name, view.uid)
                text = files.log_tail(f"{folder}/{container.name}/{container.attempt}.log")
            fresh[container.id] = text
        if fresh:
            self.state.memory = replace(self.state.memory, messages={**self.state.memory.messages, **fresh})

    def _report(self, view: View) -> None:
        if view.desired is None or self.state.memory.forgotten:
            return
        # A pod that goes keeps its last word once its containers are being removed.
        found = status.pod_status(view)
        if found != self.state.previous:
            self.state.previous = found
        metadata = view.pod.metadata
        self._ports.reporter.pod(view.uid, PodReport(metadata.namespace, metadata.name, found))

    def _report_gone(self, view: View) -> None:
        if view.desired is None:
            return
        metadata = view.pod.metadata
        # One that is no longer listed is gone for the server already.
        if metadata.deletion_timestamp is not None and self.state.previous is not None:
            self._ports.reporter.pod(view.uid, PodReport(metadata.namespace, metadata.name, self.state.previous,
                                                         terminated=True))
        else:
            self._ports.reporter.forget(view.uid)

    def _unhealthy(self, container: core.Container, kind: str, text: str) -> None:
        if self.state.pod is None or self.state.deleting:
            return
        self._ports.reporter.event(
            self.state.pod, reason="Unhealthy", message=f"{kind.capitalize()} probe failed: {text}", type="Warning",
            field_path=f"spec.containers{{{container.name}}}")

    def _name(self) -> str:
        pod = self.state.pod
        return f"{pod.metadata.namespace}/{pod.metadata.name}" if pod is not None else self.state.uid
