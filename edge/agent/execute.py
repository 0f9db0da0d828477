"""Effects: carries out one action on one pod, and remembers how it went.

Pulls and hooks run in the background of their pod, so that they delay neither its probes nor its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import assert_never

from edge.agent import actions, files, memory, probing
from edge.agent.listing import Listing
from edge.agent.memory import Memory
from edge.agent.reporter import Reporter
from edge.agent.sandboxes import Sandboxes
from edge.agent.surroundings import Surroundings
from edge.api import core
from edge.bus import messages
from edge.clock import Clock
from edge.network.interface import NetworkFailure
from edge.runtime.containers import EngineAway, ImageNotFound, InvalidImageName, RuntimeFailure
from edge.runtime.interface import Runtime


@dataclass(frozen=True, slots=True)
class Ports:
    """What a worker acts through. `pulls` bounds how many images are fetched at once."""

    runtime: Runtime
    sandboxes: Sandboxes
    listing: Listing
    reporter: Reporter
    clock: Clock
    around: Callable[[], Surroundings]
    pod_cidr: Callable[[], str]
    """The node's subnet for pods; empty while it is not known."""
    pulls: asyncio.Semaphore
    network_changed: Callable[[], None]
    images_changed: Callable[[], None]


@dataclass(slots=True)
class PodState:
    """One pod as its worker holds it."""

    uid: str
    desired: messages.DesiredPod | None = None
    deleting: bool = False
    unlisted: bool = False
    memory: Memory = field(default_factory=Memory)
    previous: core.PodStatus | None = None

    @property
    def pod(self) -> core.Pod | None:
        return self.desired.pod if self.desired is not None else None


Spawn = Callable[[str, Callable[[], Awaitable[None]]], None]


class Executor:
    """Carries out actions for one pod. `spawn` starts a background part, `wake` has the worker look again."""

    def __init__(self, state: PodState, ports: Ports, spawn: Spawn, wake: Callable[[], None]) -> None:
        self._state, self._ports, self._spawn, self._wake = state, ports, spawn, wake

    async def perform(self, action: actions.Action) -> bool:
        """Carry out one action; return whether the rest of the plan still holds.

        Raises:
            RuntimeFailure, NetworkFailure, FilesError: it did not work; try again later.
        """
        match action:
            case actions.Emit():
                return self._emit(action)
            case actions.AttachNetwork():
                return await self._attach()
            case actions.DetachNetwork():
                await self._ports.sandboxes.detach(self._state.uid)
            case actions.WriteVolumes():
                await self._write(action)
            case actions.RemoveVolumes():
                around = self._ports.around()
                await asyncio.to_thread(files.remove, directories(around, self._state.uid))
            case actions.FindImage():
                await self._find(action.reference)
            case actions.PullImage():
                self._begin_pull(action)
            case actions.CreateContainer() | actions.StartContainer() | actions.KillContainer() \
                    | actions.RemoveContainer():
                return await self._container(action)
            case actions.RunHook():
                self._begin_hook(action)
            case actions.ForgetPod():
                self._state.memory = replace(self._state.memory, forgotten=True)
            case _:
                assert_never(action)
        return True

    def _emit(self, action: actions.Emit) -> bool:
        self._state.memory = memory.said(self._state.memory, action.key)
        self._event(action.reason, action.message, action.type, action.field_path)
        return True

    def _event(self, reason: str, message: str, kind: str = "Normal", field_path: str = "") -> None:
        if self._state.pod is not None:
            self._ports.reporter.event(self._state.pod, reason=reason, message=message, type=kind,
                                       field_path=field_path)

    async def _attach(self) -> bool:
        cidr = self._ports.pod_cidr()
        if not cidr:
            return False
        try:
            await self._ports.sandboxes.attach(self._state.uid, cidr)
        except NetworkFailure as error:
            self._event("FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}", "Warning")
            raise
        self._ports.network_changed()
        return True

    async def _write(self, action: actions.WriteVolumes) -> None:
        try:
            await asyncio.to_thread(files.write, action.layout)
        except files.FilesError as error:
            self._event("FailedMount", str(error), "Warning")
            raise
        self._state.memory = replace(self._state.memory, files_key=action.key)

    async def _find(self, reference: str) -> None:
        """Look an image up; a name that is none is like one that is absent, and the pull says what is wrong."""
        try:
            image = await self._ports.runtime.find_image(reference)
        except InvalidImageName:
            image = None
        self._state.memory = memory.found(self._state.memory, reference, image)

    async def _container(self, action: actions.CreateContainer | actions.StartContainer | actions.KillContainer
                         | actions.RemoveContainer) -> bool:
        self._ports.listing.invalidate()
        try:
            match action:
                case actions.CreateContainer():
                    return await self._create(action)
                case actions.StartContainer():
                    return await self._start(action)
                case actions.KillContainer():
                    await self._ports.runtime.kill(action.container_id, action.signal)
                    self._state.memory = memory.signalled(
                        self._state.memory, action.container_id, action.signal, action.grace_seconds, action.restart,
                        self._ports.clock.monotonic())
                case actions.RemoveContainer():
                    await self._remove(action)
        finally:
            self._ports.listing.invalidate()
        return True

    async def _create(self, action: actions.CreateContainer) -> bool:
        spec, clock = action.spec, self._ports.clock
        termination = termination_path(self._ports.around(), self._state.uid, spec.name, spec.attempt)
        await asyncio.to_thread(files.make_container_files, termination, spec.log_path)
        try:
            await asyncio.to_thread(files.check_inside, directories(self._ports.around(), self._state.uid),
                                    tuple(mount.source for mount in spec.mounts))
            await self._ports.runtime.create(spec)
        except EngineAway:
            raise
        except (RuntimeFailure, files.FilesError) as error:
            self._state.memory = memory.create_failed(self._state.memory, spec.name, str(error), clock.monotonic())
            self._event("Failed", f"Error: {error}", "Warning", action.field_path)
            return False
        self._state.memory = memory.created(self._state.memory, spec.name, action.failed_at, clock.monotonic())
        self._event("Created", f"Created container: {spec.name}", "Normal", action.field_path)
        return True

    async def _start(self, action: actions.StartContainer) -> bool:
        try:
            await self._ports.runtime.start(action.container_id)
        except EngineAway:
            raise
        except RuntimeFailure as error:
            self._state.memory = memory.start_failed(self._state.memory, action.container_id, str(error))
            self._event("Failed", f"Error: {error}", "Warning", action.field_path)
            return False
        self._state.memory = memory.started(self._state.memory, action.container_id)
        self._event("Started", f"Started container {action.container}", "Normal", action.field_path)
        return True

    async def _remove(self, action: actions.RemoveContainer) -> None:
        await self._ports.runtime.remove(action.container_id)
        self._state.memory = memory.removed(self._state.memory, action.container_id)
        around, pod = self._ports.around(), self._state.pod
        Path(termination_path(around, self._state.uid, action.container, action.attempt)).unlink(missing_ok=True)
        if pod is not None:
            logs = around.pod_log_dir(pod.metadata.namespace, pod.metadata.name, self._state.uid)
            Path(logs, action.container, f"{action.attempt}.log").unlink(missing_ok=True)

    def _begin_pull(self, action: actions.PullImage) -> None:
        self._state.memory = memory.pull_began(self._state.memory, action.container, action.attempt)
        self._spawn(f"pull {action.container}", lambda: self._pull(action))

    async def _pull(self, action: actions.PullImage) -> None:
        clock, name, began = self._ports.clock, action.container, self._ports.clock.monotonic()
        reason, text = "", ""
        try:
            async with self._ports.pulls:
                image = await self._ports.runtime.pull(action.reference, action.credentials)
        except InvalidImageName as error:
            reason, text = "InvalidImageName", str(error)
        except ImageNotFound as error:
            reason, text = "ErrImagePull", str(error)
        except RuntimeFailure as error:
            reason, text = "ErrImagePull", str(error)
        if reason:
            self._state.memory = memory.pull_failed(self._state.memory, name, action.attempt, reason, text,
                                                    clock.monotonic())
        else:
            self._state.memory = memory.pulled(self._state.memory, name, action.attempt, action.reference, image)
            took = f"{clock.monotonic() - began:.3g}s"
            self._ports.images_changed()
            self._event("Pulled", f'Successfully pulled image "{action.reference}" in {took} ({took} including '
                        f"waiting). Image size: {image.size_bytes} bytes.", "Normal", f"spec.containers{{{name}}}")
        self._wake()

    def _begin_hook(self, action: actions.RunHook) -> None:
        clock = self._ports.clock
        self._state.memory = memory.hook_began(self._state.memory, action.kind, action.container_id,
                                               action.grace_seconds, action.restart, clock.monotonic())
        self._spawn(f"{action.kind} {action.container_id}", lambda: self._hook(action))

    async def _hook(self, action: actions.RunHook) -> None:
        sandbox, spec = self._ports.sandboxes.get(self._state.uid), self._container_spec(action.container)
        target = probing.Target(action.container_id, spec,
                                sandbox.address if sandbox else self._ports.around().node_address)
        seconds = action.grace_seconds if action.kind == "preStop" else float("inf")
        error = await probing.run_hook(self._ports.runtime, self._ports.clock, target, action.handler,
                                       min(seconds, 24 * 3600.0))
        if error:
            name = "FailedPostStartHook" if action.kind == "postStart" else "FailedPreStopHook"
            self._event(name, f"{'PostStartHook' if action.kind == 'postStart' else 'PreStopHook'} failed: {error}",
                        "Warning", f"spec.containers{{{action.container}}}")
        self._state.memory = memory.hook_ended(self._state.memory, action.kind, action.container_id, error)
        self._wake()

    def _container_spec(self, name: str) -> core.Container:
        pod = self._state.pod
        for container in (*pod.spec.containers, *pod.spec.init_containers) if pod is not None else ():
            if container.name == name:
                return container
        return core.Container(name=name)


def directories(around: Surroundings, uid: str) -> tuple[str, ...]:
    """Return all a pod has on the disk, apart from its logs."""
    return around.secret_dir(uid), around.pod_dir(uid)


def termination_path(around: Surroundings, uid: str, container: str, attempt: int) -> str:
    """Return the file a container writes its last words into."""
    return f"{around.pod_dir(uid)}/termination/{container}-{attempt}"

