"""Effects: carries out one action on one pod, and remembers how it went.

Pulls and hooks run in the background of their pod, so that they delay neither its probes nor its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import assert_never

from edge.agent import (
    actions,
    checks,
    execute_room,
    execute_shared,
    execute_volumes,
    files,
    log_files,
    memory,
    probes,
    stopping,
)
from edge.agent.admission import NodeFacts
from edge.agent.cgroups import Groups
from edge.agent.device_claims import Claims
from edge.agent.image_pulls import Outcome, Pulls
from edge.agent.listing import Listing
from edge.agent.memory import Memory
from edge.agent.patience import Patience
from edge.agent.reporter import Reporter
from edge.agent.sandboxes import Sandboxes
from edge.agent.surroundings import Surroundings
from edge.agent.view import every
from edge.api import core
from edge.bus import messages
from edge.clock import Clock
from edge.network.interface import NetworkFailure
from edge.runtime.containers import EngineAway, ImageNotFound, InvalidImageName, RuntimeFailure
from edge.runtime.interface import Runtime


@dataclass(frozen=True, slots=True)
class Ports:
    """What a worker acts through."""

    runtime: Runtime
    sandboxes: Sandboxes
    listing: Listing
    reporter: Reporter
    clock: Clock
    around: Callable[[], Surroundings]
    pod_cidr: Callable[[], str]
    """The node's subnet for pods; empty while it is not known."""
    pulls: Pulls
    network_changed: Callable[[], None]
    images_changed: Callable[[], None]
    facts: Callable[[str], NodeFacts] = lambda uid: NodeFacts()
    """The node as the pod of that uid finds it."""
    groups: Groups | None = None
    """None where pods have no control groups of their own."""
    claims: Claims = field(default_factory=Claims)


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
        self._patience = Patience()
        self._pulling: set[asyncio.Task[Outcome]] = set()

    async def perform(self, action: actions.Action) -> bool:
        """Carry out one action; return whether the rest of the plan still holds.

        Raises:
            RuntimeFailure, NetworkFailure, FilesError: it did not work; try again later.
        """
        match action:
            case actions.Emit() | actions.AdmitPod() | actions.RejectPod() | actions.ForgetPod():
                self._note(action)
            case actions.MakeGroup() | actions.RemoveGroup() | actions.EmptyVolumes():
                self._state.memory = await execute_room.perform(
                    action, self._ports.groups, self._ports.around(), self._state.uid, self._state.memory,
                    lambda reason, text: self._event(reason, text, "Warning"))
            case actions.StartPause() | actions.ShareMemory():
                await self._share(action)
            case actions.AttachNetwork() | actions.DetachNetwork():
                return await self._network(action)
            case actions.WriteVolumes():
                await self._write(action)
            case actions.RemoveVolumes():
                around = self._ports.around()
                await asyncio.to_thread(files.remove, directories(around, self._state.uid))
            case actions.FindImage():
                await self._find(action)
            case actions.PullImage() | actions.RunHook():
                self._begin(action)
            case actions.CreateContainer() | actions.StartContainer() | actions.KillContainer() \
                    | actions.RemoveContainer():
                return await self._container(action)
            case _:
                assert_never(action)
        return True

    def _note(self, action: actions.Emit | actions.AdmitPod | actions.RejectPod | actions.ForgetPod) -> None:
        match action:
            case actions.Emit():
                self._state.memory = memory.said(self._state.memory, action.key)
                self._event(action.reason, action.message, action.type, action.field_path)
            case actions.AdmitPod() | actions.RejectPod():
                self._judge(action)
            case actions.ForgetPod():
                self._state.memory = replace(self._state.memory, forgotten=True)

    def _begin(self, action: actions.PullImage | actions.RunHook) -> None:
        """Begin what goes on in the background."""
        if isinstance(action, actions.PullImage):
            self._begin_pull(action)
        else:
            self._begin_hook(action)

    def _event(self, reason: str, message: str, kind: str = "Normal", field_path: str = "") -> None:
        if self._state.pod is not None:
            self._ports.reporter.event(self._state.pod, reason=reason, message=message, type=kind,
                                       field_path=field_path)

    async def _network(self, action: actions.AttachNetwork | actions.DetachNetwork) -> bool:
        if isinstance(action, actions.AttachNetwork):
            return await self._attach(action.sysctls)
        await self._ports.sandboxes.detach(self._state.uid)
        return True

    def _judge(self, action: actions.AdmitPod | actions.RejectPod) -> None:
        if isinstance(action, actions.AdmitPod):
            self._state.memory = replace(self._state.memory, admitted=True)
            return
        self._state.memory = memory.rejected(self._state.memory, action.reason, action.message)
        self._event(action.reason, action.message, "Warning")

    async def _attach(self, sysctls: tuple[tuple[str, str], ...]) -> bool:
        cidr = self._ports.pod_cidr()
        if not cidr:
            return False
        try:
            await self._ports.sandboxes.attach(self._state.uid, cidr, sysctls)
        except NetworkFailure as error:
            self._event("FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}", "Warning")
            raise
        self._ports.network_changed()
        return True

    async def _share(self, action: actions.StartPause | actions.ShareMemory) -> None:
        self._ports.listing.invalidate()
        try:
            await execute_shared.perform(action, self._ports.runtime)
        except EngineAway:
            raise
        except (RuntimeFailure, files.FilesError) as error:
            self._event("FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}", "Warning")
            raise
        finally:
            self._ports.listing.invalidate()

    async def _write(self, action: actions.WriteVolumes) -> None:
        try:
            await execute_volumes.write(action.layout)
        except files.FilesError as error:
            self._event("FailedMount", str(error), "Warning")
            raise
        self._state.memory = replace(self._state.memory, files_key=action.key)

    async def _find(self, action: actions.FindImage) -> None:
        """Look an image up; a name that is none is like one that is absent, and the pull says what is wrong."""
        try:
            image = await self._ports.runtime.find_image(action.reference)
            if image is not None and action.user:
                image = replace(image, user=await self._ports.runtime.image_user(image.id))
        except (InvalidImageName, ImageNotFound):
            image = None
        self._state.memory = memory.found(self._state.memory, action.reference, image)

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
        if not self._ports.claims.take(action.spec, action.stock):
            return False
        try:
            return await self._create_claimed(action)
        finally:
            self._ports.claims.settle(action.spec)

    async def _create_claimed(self, action: actions.CreateContainer) -> bool:
        spec, clock = action.spec, self._ports.clock
        termination = termination_path(self._ports.around(), self._state.uid, spec.name, spec.attempt)
        logs, _ = self._ports.around().log_directories(spec.namespace, spec.pod_name, spec.pod_uid, spec.name)
        await asyncio.to_thread(files.make_container_files, termination, logs, spec.log_path)
        if not await self._bind_paths(action):
            return False
        try:
            await execute_volumes.check(spec.name, directories(self._ports.around(), self._state.uid),
                                        tuple(mount.source for mount in spec.mounts), self._patience)
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

    async def _bind_paths(self, action: actions.CreateContainer) -> bool:
        """Bind the paths inside volumes that the container mounts; return whether that worked."""
        try:
            await execute_volumes.bind(action.sub_paths, self._patience)
        except files.FilesError as error:
            self._state.memory = memory.create_failed(self._state.memory, action.spec.name, str(error),
                                                      self._ports.clock.monotonic(), "CreateContainerConfigError")
            self._event("Failed", f"Error: {error}", "Warning", action.field_path)
            return False
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
            logs = around.log_directories(pod.metadata.namespace, pod.metadata.name, self._state.uid, action.container)
            await asyncio.to_thread(log_files.remove_attempt, logs, action.attempt)

    def _begin_pull(self, action: actions.PullImage) -> None:
        self._state.memory = memory.pull_began(self._state.memory, action.container, action.attempt,
                                               action.reference)
        self._spawn(f"pull {action.container}", lambda: self._pull(action))

    def give_up_pulls(self) -> None:
        """Wait for no image any more: the pod is going."""
        for pull in self._pulling:
            pull.cancel()

    async def _pull(self, action: actions.PullImage) -> None:
        pull = asyncio.ensure_future(self._ports.pulls.run(action))
        self._pulling.add(pull)
        pull.add_done_callback(self._pulling.discard)
        outcome, name, attempt = await pull, action.container, action.attempt
        if outcome.image is None:
            self._state.memory = memory.pull_failed(self._state.memory, name, attempt, outcome.reason, outcome.message,
                                                    self._ports.clock.monotonic(), action.reference)
        else:
            self._state.memory = memory.pulled(self._state.memory, name, attempt, action.reference, outcome.image)
            self._event("Pulled", outcome.said, "Normal", action.field_path)
        if outcome.fetched:
            self._ports.images_changed()
        self._wake()

    def _begin_hook(self, action: actions.RunHook) -> None:
        clock = self._ports.clock
        self._state.memory = memory.hook_began(self._state.memory, action.kind, action.container_id,
                                               action.grace_seconds, action.restart, clock.monotonic())
        self._spawn(f"{action.kind} {action.container_id}", lambda: self._hook(action))

    async def _hook(self, action: actions.RunHook) -> None:
        sandbox, spec = self._ports.sandboxes.get(self._state.uid), self._container_spec(action.container)
        target = probes.Target(action.container_id, spec,
                                sandbox.address if sandbox else self._ports.around().node_address)
        seconds = action.grace_seconds if action.kind == "preStop" else float("inf")
        error = await checks.hook(self._ports.runtime, self._ports.clock, target, action.handler,
                                       min(seconds, 24 * 3600.0))
        if error:
            # As with the kubelet the event says no more: what a hook prints may be a secret.
            word = "PostStartHook" if action.kind == "postStart" else "PreStopHook"
            self._event(f"Failed{word}", f"{word} failed", "Warning", self._field_path(action.container))
        self._state.memory = memory.hook_ended(self._state.memory, action.kind, action.container_id, error)
        self._wake()

    def _field_path(self, name: str) -> str:
        pod = self._state.pod
        return stopping.pod_field_path(pod.spec if pod is not None else core.PodSpec(), name)

    def _container_spec(self, name: str) -> core.Container:
        pod = self._state.pod
        for container in every(pod.spec) if pod is not None else ():
            if container.name == name:
                return container
        return core.Container(name=name)


def directories(around: Surroundings, uid: str) -> tuple[str, ...]:
    """Return all a pod has on the disk, apart from its logs."""
    return around.secret_dir(uid), around.pod_dir(uid)


def termination_path(around: Surroundings, uid: str, container: str, attempt: int) -> str:
    """Return the file a container writes its last words into."""
    return f"{around.pod_dir(uid)}/termination/{container}-{attempt}"

