"""Containers through Podman's REST socket (libpod API 4.0 and later; https://docs.podman.io/en/latest/_static/api.html).

Talks to the unix socket, and looks at the host's files for two things only: whether a mount's source exists, and to
kill a command that ran out of time.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import signal as signals
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from edge.clock import Clock
from edge.runtime import podman_oom, references, specgen, states
from edge.runtime.containers import (
    Container,
    ContainerSpec,
    Credentials,
    EngineAway,
    ExecResult,
    Image,
    ImageNotFound,
    NoSuchContainer,
    RuntimeFailure,
    State,
)
from edge.runtime.podman_streams import HijackedSession, failure, hijack, until_ended

API = "/v4.0.0/libpod"
# One that hangs is found out soon: the node is not ready then.
PING_TIMEOUT = aiohttp.ClientTimeout(total=10, sock_connect=5)
CALL_TIMEOUT = aiohttp.ClientTimeout(total=120, sock_connect=5)
LONG_TIMEOUT = aiohttp.ClientTimeout(total=1800, sock_connect=5)
ENDLESS_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5)
LONGEST_OUTPUT_BYTES = 10 * 1024
# How registries and resolvers say that there is no such image, or that there is no registry to ask.
ABSENT = ("manifest unknown", "name unknown", "not found", "denied", "unauthorized", "no such host",
          "connection refused", "network is unreachable", "no route to host", "i/o timeout", "server misbehaving",
          "temporary failure in name resolution")  # fmt: skip


class Podman:
    """A Runtime on the Podman service behind one socket."""

    def __init__(self, socket: str, clock: Clock, *, ulimits: tuple[tuple[str, int], ...] = ()) -> None:
        self._socket, self._clock, self._ulimits = socket, clock, ulimits
        self._http: aiohttp.ClientSession | None = None
        self._endings: dict[str, states.Ending] = {}

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def version(self) -> str:
        # Podman answers /version by asking dpkg and rpm about conmon and crun, a dozen processes; a ping says it too.
        with _translated(self._socket):
            async with self._session().get(f"http://podman{API}/_ping", timeout=PING_TIMEOUT) as response:
                if response.status >= 400:
                    raise failure(response.status, await response.read())
                return f"podman://{response.headers.get('Libpod-API-Version', '')}"

    async def list(self) -> tuple[Container, ...]:
        query = {"all": "true", "filters": _json({"label": [states.POD_UID]})}
        rows = await self._call("GET", "/containers/json", query)
        result = []
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
            if ending.exit_code == states.KILLED and not ending.oom_killed:
                ending = replace(ending, oom_killed=await asyncio.to_thread(podman_oom.killed, container_id))
            self._endings[container_id] = ending
        return self._endings[container_id]

    async def images(self) -> tuple[Image, ...]:
        return tuple(states.image(row) for row in await self._call("GET", "/images/json") or ())

    async def find_image(self, reference: str) -> Image | None:
        return references.find(reference, await self.images())

    async def pull(self, reference: str, credentials: Credentials | None = None) -> Image:
        name = references.full_name(reference)
        headers = {"X-Registry-Auth": _authorization(credentials)} if credentials else {}
        query = {"reference": f"docker://{name}", "policy": "always"}
        image_id, error = "", ""
        async for line in self._lines("POST", "/images/pull", query, headers=headers, timeout=LONG_TIMEOUT):
            error = " ".join(str(line.get("error") or error).split())
            image_id = str(line.get("id") or image_id)
        if error:
            absent = any(words in error.lower() for words in ABSENT)
            raise (ImageNotFound if absent else RuntimeFailure)(f'failed to pull image "{reference}": {error}')
        for image in await self.images():
            if image.id == image_id.removeprefix("sha256:"):
                return image
        raise RuntimeFailure(f'image "{reference}" was pulled and is gone again')

    async def load(self, archive: AsyncIterator[bytes]) -> tuple[str, ...]:
        headers = {"Content-Type": "application/x-tar"}
        body = await self._call("POST", "/images/load", data=archive, headers=headers, timeout=LONG_TIMEOUT)
        return tuple(body.get("Names") or ())

    async def remove_image(self, reference: str) -> None:
        image = await self.find_image(reference)
        if image is not None:
            await self._call("DELETE", f"/images/{image.id}", {"force": "true"})

    async def create(self, spec: ContainerSpec) -> str:
        for mount in spec.mounts:
            if not await asyncio.to_thread(Path(mount.source).exists):
                raise RuntimeFailure(f'mount source "{mount.source}" of {mount.destination} does not exist')
        if spec.log_path:
            await asyncio.to_thread(Path(spec.log_path).parent.mkdir, parents=True, exist_ok=True)
        body = msgspec.json.encode(specgen.document(spec, self._ulimits))
        try:
            answer = await self._create(body)
        except RuntimeFailure as error:
            if "already in use" not in str(error):
                raise
            await self.remove(specgen.container_name(spec))
            answer = await self._create(body)
        return str(answer["Id"])

    async def _create(self, body: bytes) -> Any:
        return await self._call("POST", "/containers/create", data=body, headers={"Content-Type": "application/json"})

    async def start(self, container_id: str) -> None:
        await self._call("POST", f"/containers/{container_id}/start")

    async def kill(self, container_id: str, signal: str) -> None:
        try:
            await self._call("POST", f"/containers/{container_id}/kill", {"signal": signal})
        except RuntimeFailure as error:
            # It has ended between the decision and the signal.
            if "container state improper" not in str(error) and "can only kill running" not in str(error):
                raise

    async def remove(self, container_id: str) -> None:
        with contextlib.suppress(NoSuchContainer):
            query = {"force": "true", "v": "true", "timeout": "0"}
            answer = await self._call("DELETE", f"/containers/{container_id}", query)
            for row in answer or ():
                if row.get("Err"):
                    raise RuntimeFailure(" ".join(str(row["Err"]).split()))

    async def exec(self, container_id: str, command: tuple[str, ...], timeout_seconds: float) -> ExecResult:
        exec_id = await self._create_exec(container_id, command, stdin=False, tty=False)
        session = await self._start_exec(exec_id, tty=False)
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
        return await self._start_exec(await self._create_exec(container_id, command, stdin=stdin, tty=tty), tty=tty)

    async def open_attach(self, container_id: str, *, stdin: bool, tty: bool) -> HijackedSession:
        async def resize(width: int, height: int) -> None:
            await self._call("POST", f"/containers/{container_id}/resize", {"w": str(width), "h": str(height)})

        async def ended() -> int:
            return 0

        flag = "true" if stdin else "false"
        target = f"{API}/containers/{container_id}/attach?stream=true&stdout=true&stderr=true&stdin={flag}"
        reader, writer = await hijack(self._socket, target, b"")
        return HijackedSession(reader, writer, tty=tty, resize=resize, exit_code=ended)

    async def _create_exec(self, container_id: str, command: tuple[str, ...], *, stdin: bool, tty: bool) -> str:
        body = msgspec.json.encode(
            {"Cmd": command, "AttachStdin": stdin, "AttachStdout": True, "AttachStderr": True, "Tty": tty}
        )
        headers = {"Content-Type": "application/json"}
        answer = await self._call("POST", f"/containers/{container_id}/exec", data=body, headers=headers)
        return str(answer["Id"])

    async def _start_exec(self, exec_id: str, *, tty: bool) -> HijackedSession:
        async def resize(width: int, height: int) -> None:
            await self._call("POST", f"/exec/{exec_id}/resize", {"w": str(width), "h": str(height)})

        async def running() -> int | None:
            answer = await self._call("GET", f"/exec/{exec_id}/json")
            return None if answer["Running"] else int(answer["ExitCode"])

        async def exit_code() -> int:
            return await until_ended(self._clock, running)

        body = msgspec.json.encode({"Detach": False, "Tty": tty})
        reader, writer = await hijack(self._socket, f"{API}/exec/{exec_id}/start", body)
        return HijackedSession(reader, writer, tty=tty, resize=resize, exit_code=exit_code)

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

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        data: bytes | AsyncIterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: aiohttp.ClientTimeout = CALL_TIMEOUT,
    ) -> Any:
        """Make one request and return its JSON, None where the answer has none."""
        with _translated(self._socket):
            request = self._session().request(
                method, f"http://podman{API}{path}", params=query, data=data, headers=headers, timeout=timeout
            )
            async with request as response:
                body = await response.read()
                if response.status >= 400:
                    raise failure(response.status, body)
                return msgspec.json.decode(body) if body.strip() else None

    async def _lines(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        *,
        timeout: aiohttp.ClientTimeout,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """Make one request and yield the JSON documents of its answer as they come."""
        with _translated(self._socket):
            request = self._session().request(
                method, f"http://podman{API}{path}", params=query, headers=headers, timeout=timeout
            )
            async with request as response:
                if response.status >= 400:
                    raise failure(response.status, await response.read())
                async for line in response.content:
                    if line.strip():
                        yield msgspec.json.decode(line)

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            # A connection each call: a socket-activated service may leave at any time, and a POST is not repeated.
            connector = aiohttp.UnixConnector(self._socket, limit=0, force_close=True)
            self._http = aiohttp.ClientSession(connector=connector, read_bufsize=1 << 20)
        return self._http


@contextlib.contextmanager
def _translated(socket: str) -> Any:
    try:
        yield
    except TimeoutError as error:
        raise EngineAway(f"podman at {socket} took too long") from error
    except (aiohttp.ClientError, OSError) as error:
        raise EngineAway(f"podman does not answer at {socket}: {error}") from error
    except msgspec.DecodeError as error:
        raise RuntimeFailure(f"podman answered with something else than JSON: {error}") from error


def _authorization(credentials: Credentials) -> str:
    document = _json({"username": credentials.username, "password": credentials.password})
    return base64.urlsafe_b64encode(document.encode()).decode("ascii")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
