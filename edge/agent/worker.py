"""Effects: brings one pod to what is wanted and keeps it there: gather, plan, act, report, wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from edge import logs
from edge.agent import (
    execute,
    execute_shared,
    files,
    log_files,
    memory,
    plan,
    probes,
    probing,
    processes,
    pulling,
    status,
    stopping,
)
from edge.agent.admission import NodeFacts
from edge.agent.execute import Executor
from edge.agent.pod_state import PodState, Ports
from edge.agent.reporter import PodReport
from edge.agent.view import FINISHED, View, final_phase, in_post_start
from edge.api import core
from edge.bus import messages
from edge.clock import wait
from edge.component import Supervisor
from edge.network.interface import NetworkFailure
from edge.runtime.containers import Container, EngineAway, RuntimeFailure, State

RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 10.0
LONGEST_FILES_RETRY_SECONDS = 60.0
"""Of a volume that cannot be made: each attempt is an event, and most of them wait for a person."""

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
        self._prober = probing.Prober(ports.runtime, ports.clock, self.wake, self._probed)

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
        retry, said = RETRY_SECONDS, ""
        while not self.state.memory.forgotten:
            try:
                seconds = await self.round()
                retry, said = RETRY_SECONDS, ""
            except (RuntimeFailure, NetworkFailure, files.FilesError) as error:
                if not isinstance(error, EngineAway) and str(error) != said:
                    log.warning("pod is tried again", pod=self._name(), reason=error, retry_seconds=retry)
                    said = str(error)
                retry, seconds = await self._hold_back(error, retry), 0.0
            if seconds is None or seconds > 0:
                await wait(self._wake, self._ports.clock, seconds)
        self._gone(self.state.uid)

    async def _hold_back(self, error: Exception, retry: float) -> float:
        """Wait after a failure; return how long to wait after the next one."""
        if isinstance(error, files.FilesError):
            # A pod that is deleted meanwhile ends at once.
            await wait(self._wake, self._ports.clock, retry)
            return min(retry * 2, LONGEST_FILES_RETRY_SECONDS)
        # New desired state must not turn a broken engine into a busy loop.
        await self._ports.clock.sleep(retry)
        return min(retry * 2, LONGEST_RETRY_SECONDS)

    async def round(self) -> float | None:
        """Take one step; return in how many seconds to look again (0: at once, None: when something happens)."""
        view = await self._gather()
        decided = plan.plan(view)
        if view.deleting or view.memory.failed is not None:
            self._executor.background.give_up_pulls()
        self._report(view)
        for action in decided.actions:
            if not await self._executor.perform(action):
                break
        if self.state.memory.forgotten:
            await asyncio.to_thread(log_files.remove_pod, view.around.log_dir, view.around.log_links, view.uid)
            self._report_gone(view)
        return 0.0 if decided.actions else decided.requeue_after

    async def _gather(self) -> View:
        ports, state, around = self._ports, self.state, self._ports.around()
        version = ports.claims.version
        listed, everybody = await ports.listing.pod(state.uid), ports.listing.last_pods()
        state.memory, seen = memory.observe(state.memory, listed, ports.clock.monotonic())
        pause, containers = processes.split(seen)
        view = View(
            uid=state.uid, desired=state.desired, deleting=state.deleting, unlisted=state.unlisted,
            containers=containers, pause=pause, has_run_dir=Path(around.secret_dir(state.uid)).is_dir(),
            has_shared_memory=execute_shared.has_shared_memory(processes.memory_dir(state.uid, around)),
            sandbox=ports.sandboxes.get(state.uid), network_ready=bool(ports.pod_cidr()),
            has_files=files.exists(execute.directories(around, state.uid)),
            has_group=ports.groups is not None and ports.groups.exists(state.uid), memory=state.memory, around=around,
            stock=ports.claims.stock(version, everybody, state.pod), previous=state.previous,
            facts=self._facts(containers), now=ports.clock.now(),
            monotonic=ports.clock.monotonic())
        self._read_messages(view)
        self._prober.watch(self._targets(view))
        state.memory = memory.began(state.memory, state.previous.start_time if state.previous is not None else None,
                                    view.now, view.monotonic)
        left = plan.deadline(replace(view, memory=state.memory))
        if left is not None and left <= 0 and state.memory.failed is None and not final_phase(view):
            state.memory = replace(state.memory, failed=(
                "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"))
        if view.desired is None or view.deleting or final_phase(replace(view, memory=state.memory)):
            state.memory = memory.ending(state.memory, ports.clock.monotonic())
        return replace(view, health=self._prober.health(), memory=state.memory)

    def _facts(self, containers: tuple[Container, ...]) -> NodeFacts | None:
        """Return what the pod is judged by, the first time it is seen and nothing of it is there."""
        state = self.state
        if state.memory.admitted or state.desired is None or state.deleting or state.memory.failed is not None:
            return None
        if containers or (state.previous is not None and state.previous.phase not in ("", "Pending")):
            state.memory = replace(state.memory, admitted=True)
            return None
        return self._ports.facts(state.uid)

    def _targets(self, view: View) -> dict[str, probes.Target]:
        if view.desired is None:
            return {}
        statuses = (*view.previous.init_container_statuses, *view.previous.container_statuses) if view.previous else ()
        before = {each.container_id: each for each in statuses}
        found = {}
        for container in view.containers:
            spec = view.spec_of(container.name)
            if container.state is State.RUNNING and spec is not None and (
                    view.deleting or not in_post_start(view, spec, container)):
                said = before.get(status.RUNTIME + container.id)
                found[container.id] = probes.Target(container.id, spec, view.address, bool(said and said.started),
                                                    bool(said and said.ready), view.deleting)
        return found

    def _read_messages(self, view: View) -> None:
        """Read the last words of containers whose end is new."""
        if view.desired is None:
            return
        fresh = {}
        for container in view.containers:
            spec = view.spec_of(container.name)
            if container.state is not State.EXITED or container.id in self.state.memory.messages or spec is None:
                continue
            text = files.termination_message(
                execute.termination_path(view.around, view.uid, container.name, container.attempt))
            metadata = view.pod.metadata
            kept = view.around.log_directories(metadata.namespace, metadata.name, view.uid, container.name)
            if not text and container.exit_code != 0 and \
                    spec.termination_message_policy == "FallbackToLogsOnError":
                text = log_files.tail(kept, container.attempt)
            elif not text and pulling.may_be_foreign(container):
                text = pulling.foreign_exit(container, log_files.tail(kept, container.attempt),
                                            view.around.architecture)
            fresh[container.id] = text
        if fresh:
            self.state.memory = replace(self.state.memory, messages={**self.state.memory.messages, **fresh})

    def _report(self, view: View) -> None:
        if view.desired is None or self.state.memory.forgotten:
            return
        if self.state.previous is None and view.pod.status.phase in FINISHED and not view.containers:
            return  # It ended before this node was made anew, or its /run: what the server has is all there is.
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
        if metadata.deletion_timestamp is not None:
            last = self.state.previous or view.pod.status
            self._ports.reporter.pod(view.uid, PodReport(metadata.namespace, metadata.name, last, terminated=True))
        else:
            self._ports.reporter.forget(view.uid)

    def _probed(self, container: core.Container, kind: str, outcome: probes.Outcome) -> None:
        event, pod = probes.event(kind, outcome), self.state.pod
        if pod is not None and event is not None and not self.state.deleting:
            self._ports.reporter.event(pod, reason=event[0], message=event[1], type="Warning",
                                       field_path=stopping.pod_field_path(pod.spec, container.name))

    def _name(self) -> str:
        pod = self.state.pod
        return f"{pod.metadata.namespace}/{pod.metadata.name}" if pod is not None else self.state.uid
