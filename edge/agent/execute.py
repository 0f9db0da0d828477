"""Effects: carries out one action on one pod, and remembers how it went."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from edge.agent import (
    actions,
    execute_room,
    execute_shared,
    execute_volumes,
    files,
    log_files,
    memory,
)
from edge.agent.execute_background import Background
from edge.agent.patience import Patience
from edge.agent.pod_state import PodState, Ports, Spawn
from edge.agent.surroundings import Surroundings
from edge.network.interface import NetworkFailure
from edge.runtime.containers import EngineAway, ImageNotFound, InvalidImageName, RuntimeFailure


class Executor:
    """Carries out actions for one pod. `spawn` starts a background part, `wake` has the worker look again."""

    def __init__(self, state: PodState, ports: Ports, spawn: Spawn, wake: Callable[[], None]) -> None:
        self._state, self._ports = state, ports
        self._patience = Patience()
        self.background = Background(state, ports, spawn, wake, self._event)

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
            self.background.begin_pull(action)
        else:
            self.background.begin_hook(action)

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


def directories(around: Surroundings, uid: str) -> tuple[str, ...]:
    """Return all a pod has on the disk, apart from its logs."""
    return around.secret_dir(uid), around.pod_dir(uid)


def termination_path(around: Surroundings, uid: str, container: str, attempt: int) -> str:
    """Return the file a container writes its last words into."""
    return f"{around.pod_dir(uid)}/termination/{container}-{attempt}"

