"""Containers through Podman's REST socket (libpod API 4.0 and later; https://docs.podman.io/en/latest/_static/api.html).

Talks to the unix socket, and looks at the host's files for two things only: whether a mount's source exists, and to
kill a command that ran out of time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal as signals
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from edge.clock import Clock
from edge.runtime import podman_oom, repair, specgen, specgen_security, states
from edge.runtime.containers import (
    STOP_SIGNAL,
    Container,
    ContainerSpec,
    ExecResult,
    NoSuchContainer,
    RuntimeFailure,
    State,
)
from edge.runtime.podman_http import LIBPOD, translated, understood
from edge.runtime.podman_images import PodmanImages
from edge.runtime.podman_streams import HijackedSession, failure, hijack, until_ended
from edge.runtime.podman_use import PodmanUse

# One that hangs is found out soon: the node is not ready then.
PING_TIMEOUT = aiohttp.ClientTimeout(total=10, sock_connect=5)
ENDLESS_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5)
LONGEST_OUTPUT_BYTES = 10 * 1024
KILLED = 137
"""The exit code after SIGKILL."""


class Podman(PodmanImages, PodmanUse):
    """A Runtime on the Podman service behind one socket."""

    def __init__(self, socket: str, clock: Clock, *, ulimits: tuple[tuple[str, int], ...] = (),
                 log_max_bytes: int = specgen.LOG_SIZE_BYTES) -> None:
        super().__init__(socket)
        self._clock, self._ulimits, self._log_max_bytes = clock, ulimits, log_max_bytes
        self._endings: dict[str, states.Ending] = {}

    async def version(self) -> str:
        # Podman answers /version by asking dpkg and rpm about conmon and crun, a dozen processes; a ping says it too.
        with translated(self._socket):
            async with self._session().get(f"http://podman{LIBPOD}/_ping", timeout=PING_TIMEOUT) as response:
                if response.status >= 400:
                    raise failure(response.status, await response.read())
                return f"podman://{response.headers.get('Libpod-API-Version', '')}"

    async def list(self) -> tuple[Container, ...]:
        query = {"all": "true", "filters": _json({"label": [states.POD_UID]})}
        rows = await self._call("GET", "/containers/json", query)
        result = []
        with understood("a list of containers"):
            for row in rows or ():
                ending = await self._ending(row["Id"]) if states.state_of(row) is State.EXITED else None
                if (container := states.container(row, ending)) is not None:
                    result.append(container)
        present = {container.id for container in result}
        self._endings = {key: value for key, value in self._endings.items() if key in present}
        return tuple(result)

    async def _ending(self, container_id: str) -> states.Ending | None:
        """Inspect a container that has ended, once: it never changes again."""
        if container_id not in self._endings:
            try:
                inspection = await self._call("GET", f"/containers/{container_id}/json")
            except NoSuchContainer:
                return None
            ending = states.ending(inspection)
            # It may have ended in its own way after the kernel killed a process of it.
            if ending.exit_code != 0 and not ending.oom_killed:
                ending = replace(ending, oom_killed=await asyncio.to_thread(podman_oom.killed, container_id))
            self._endings[container_id] = ending
        return self._endings[container_id]

    async def create(self, spec: ContainerSpec) -> str:
        for mount in spec.mounts:
            if not await asyncio.to_thread(Path(mount.source).exists):
                raise RuntimeFailure(f'mount source "{mount.source}" of {mount.destination} does not exist')
        profile = spec.confinement.seccomp_profile
        if profile.startswith("/") and not await asyncio.to_thread(Path(profile).is_file):
            raise RuntimeFailure(f'cannot load seccomp profile "{profile}": open {profile}: no such file or directory')
        if spec.log_path:
            await asyncio.to_thread(Path(spec.log_path).parent.mkdir, parents=True, exist_ok=True)
        body = msgspec.json.encode(specgen.document(spec, self._ulimits, self._log_max_bytes))
        try:
            answer = await self._create(body)
        except RuntimeFailure as error:
            if repair.is_layer_damage(str(error)):
                await self._drop_image(spec.image_id or spec.image, str(error))
                raise RuntimeFailure(f'image "{spec.image}" was damaged on the disk and had to be removed; '
                                     "it has to be fetched again") from error
            if "already in use" not in str(error):
                raise
            await self.remove(specgen.container_name(spec))
            answer = await self._create(body)
        return str(answer["Id"])

    async def _create(self, body: bytes) -> Any:
        return await self._call("POST", "/containers/create", data=body, headers={"Content-Type": "application/json"})

    async def start(self, container_id: str) -> None:
        # Asked of the container and not of its image, which may be fetched anew with others at any moment.
        made = await self._call("GET", f"/containers/{container_id}/json") or {}
        if found := specgen_security.orders((made.get("Config") or {}).get("Annotations") or {}):
            raise RuntimeFailure("the image has annotations that would change how its container is confined: "
                                 + ", ".join(found)[:1024])
        await self._call("POST", f"/containers/{container_id}/start")

    async def kill(self, container_id: str, signal: str) -> None:
        if signal == STOP_SIGNAL:
            signal = states.stop_signal(await self._call("GET", f"/containers/{container_id}/json"))
        try:
            await self._call("POST", f"/containers/{container_id}/kill", {"signal": signal})
        except RuntimeFailure as error:
            # It has ended between the decision and the signal.
            if "container state improper" not in str(error) and "can only kill running" not in str(error):
                raise

    async def remove(self, container_id: str) -> None:
        with contextlib.suppress(NoSuchContainer):
            try:
                await self._remove(container_id)
            except RuntimeFailure as error:
                # One with a user namespace is unmounted a moment late; Podman 4.3 says so, and all of it may be gone.
                if "device or resource busy" not in str(error):
                    raise
                await self._remove(container_id)

    async def _remove(self, container_id: str) -> None:
        query = {"force": "true", "v": "true", "timeout": "0"}
        for row in await self._call("DELETE", f"/containers/{container_id}", query) or ():
            if row.get("Err"):
                raise RuntimeFailure(" ".join(str(row["Err"]).split()))

    async def exec(self, container_id: str, command: tuple[str, ...], timeout_seconds: float) -> ExecResult:
        exec_id = await self._create_exec(container_id, command, stdin=False, tty=False)
        session = await self._start_exec(exec_id, command[0], tty=False)
        output = bytearray()
        try:
            async with asyncio.timeout(timeout_seconds):
                async for _, data in session.output():
                    output += data[: LONGEST_OUTPUT_BYTES - len(output)]
                return ExecResult(await session.exit_code(), bytes(output))
        except TimeoutError:
            await self._kill_exec(container_id, exec_id)
            raise
        finally:
            await session.close()

    async def open_exec(
        self, container_id: str, command: tuple[str, ...], *, stdin: bool, tty: bool
    ) -> HijackedSession:
        exec_id = await self._create_exec(container_id, command, stdin=stdin, tty=tty)
        return await self._start_exec(exec_id, command[0], tty=tty)

    async def open_attach(self, container_id: str, *, stdin: bool, tty: bool) -> HijackedSession:
        async def resize(width: int, height: int) -> None:
            await self._call("POST", f"/containers/{container_id}/resize", {"w": str(width), "h": str(height)})

        async def ended() -> int:
            return 0

        # Podman makes a container that has ended anew when somebody attaches to it.
        if (await self._call("GET", f"/containers/{container_id}/json"))["State"]["Status"] != "running":
            raise NoSuchContainer(f"container {container_id} is not running")
        flag = "true" if stdin else "false"
        target = f"{LIBPOD}/containers/{container_id}/attach?stream=true&stdout=true&stderr=true&stdin={flag}"
        reader, writer = await hijack(self._socket, target, b"")
        return HijackedSession(reader, writer, tty=tty, resize=resize, exit_code=ended)

    async def _create_exec(self, container_id: str, command: tuple[str, ...], *, stdin: bool, tty: bool) -> str:
        body = msgspec.json.encode(
            {"Cmd": command, "AttachStdin": stdin, "AttachStdout": True, "AttachStderr": True, "Tty": tty}
        )
        headers = {"Content-Type": "application/json"}
        try:
            answer = await self._call("POST", f"/containers/{container_id}/exec", data=body, headers=headers)
        except RuntimeFailure as error:
            if "container state improper" in str(error):
                raise NoSuchContainer(f"container {container_id} is not running") from error
            raise
        return str(answer["Id"])

    async def _start_exec(self, exec_id: str, program: str, *, tty: bool) -> HijackedSession:
        async def resize(width: int, height: int) -> None:
            await self._call("POST", f"/exec/{exec_id}/resize", {"w": str(width), "h": str(height)})

        async def running() -> int | None:
            try:
                answer = await self._call("GET", f"/exec/{exec_id}/json")
            except NoSuchContainer:
                # It went with its container before it could be asked how it ended.
                return KILLED
            return None if answer["Running"] else int(answer["ExitCode"])

        async def exit_code() -> int:
            return await until_ended(self._clock, running)

        body = msgspec.json.encode({"Detach": False, "Tty": tty})
        reader, writer = await hijack(self._socket, f"{LIBPOD}/exec/{exec_id}/start", body)
        return HijackedSession(reader, writer, tty=tty, resize=resize, exit_code=exit_code, program=program)

    async def _kill_exec(self, container_id: str, exec_id: str) -> None:
        """Kill a command. Podman has no call for it, so its process is signaled once it is known to be its."""
        with contextlib.suppress(RuntimeFailure, OSError):
            pid = int((await self._call("GET", f"/exec/{exec_id}/json"))["Pid"])
            if pid > 1 and container_id in await asyncio.to_thread(Path(f"/proc/{pid}/cgroup").read_text):
                os.kill(pid, signals.SIGKILL)

    async def changes(self) -> AsyncIterator[str]:
        query = {"stream": "true", "filters": _json({"type": ["container"], "event": ["start", "died", "remove"]})}
        async for event in self._lines("GET", "/events", query, timeout=ENDLESS_TIMEOUT):
            actor = event.get("Actor") or {}
            if states.POD_UID in (actor.get("Attributes") or {}):
                yield str(actor["ID"])


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
