"""Effects: carries out probes and hooks, and keeps the results of one pod's probes up to date.

HTTP and TCP probes connect to the pod's address from the node, as the kubelet's do.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edge.agent import grpc_health, probes
from edge.agent.probes import Health, Track
from edge.api import core
from edge.clock import Clock, wait
from edge.runtime.containers import EngineAway, RuntimeFailure
from edge.runtime.interface import Runtime

USER_AGENT = "kube-probe/1.32"
MOST_HEADER_BYTES = 64 * 1024
OUTPUT_BYTES = 10 * 1024


@dataclass(frozen=True, slots=True)
class Target:
    """One running container whose probes are to be run; `was_ready` and `was_started` were reported of it before."""

    container_id: str
    container: core.Container
    address: str
    was_started: bool = False
    was_ready: bool = False


class Prober:
    """Runs the probes of one pod's containers. `changed` is called when a verdict turns, `failed` at each failure."""

    def __init__(self, runtime: Runtime, clock: Clock, changed: Callable[[], None],
                 failed: Callable[[core.Container, str, str], None]) -> None:
        self._runtime, self._clock, self._changed, self._failed = runtime, clock, changed, failed
        self._targets: dict[str, Target] = {}
        self._tracks: dict[str, tuple[Track, ...]] = {}
        self._in_flight: set[tuple[str, str]] = set()
        self._wake = asyncio.Event()

    def watch(self, targets: Mapping[str, Target]) -> None:
        """Probe these containers, and no others, from now on."""
        if targets.keys() == self._targets.keys():
            self._targets.update(targets)
            return
        for container_id, target in targets.items():
            if container_id not in self._tracks:
                self._tracks[container_id] = probes.tracks(target.container, self._clock.monotonic(),
                                                           was_started=target.was_started, was_ready=target.was_ready)
        self._tracks = {key: tracks for key, tracks in self._tracks.items() if key in targets}
        self._targets = dict(targets)
        self._wake.set()

    def health(self) -> dict[str, Health]:
        """Return what the probes say of each container that is watched."""
        return {container_id: probes.health(tracks) for container_id, tracks in self._tracks.items()}

    async def run(self) -> None:
        """Probe until cancelled."""
        self._in_flight.clear()
        async with asyncio.TaskGroup() as group:
            while True:
                due = self._due()
                for container_id, track, seconds in due:
                    if seconds <= 0:
                        self._in_flight.add((container_id, track.kind))
                        group.create_task(self._probe(self._targets[container_id], track))
                waits = [seconds for _, _, seconds in due if seconds > 0]
                await wait(self._wake, self._clock, min(waits, default=None))

    def _due(self) -> list[tuple[str, Track, float]]:
        now, found = self._clock.monotonic(), []
        for container_id, tracks in self._tracks.items():
            for track in tracks:
                seconds = probes.wait(track, tracks, now)
                if seconds is not None and (container_id, track.kind) not in self._in_flight:
                    found.append((container_id, track, seconds))
        return found

    async def _probe(self, target: Target, track: Track) -> None:
        container_id, success, text = target.container_id, None, ""
        try:
            success, text = await attempt(self._runtime, target, track.probe)
        except EngineAway:
            pass  # That says nothing of the container.
        finally:
            self._in_flight.discard((container_id, track.kind))
        tracks = self._tracks.get(container_id)
        if tracks is None:
            return
        before = probes.health(tracks)
        now = self._clock.monotonic()
        self._tracks[container_id] = tuple(
            probes.record(each, success, now) if each.kind == track.kind else each for each in tracks)
        if success is False:
            self._failed(target.container, track.kind, text)
        if probes.health(self._tracks[container_id]) != before:
            self._changed()
        self._wake.set()


async def attempt(runtime: Runtime, target: Target, probe: core.Probe) -> tuple[bool, str]:
    """Return whether one probe succeeded, and why not.

    Raises:
        EngineAway: the engine did not answer, which says nothing of the container.
    """
    seconds = probes.timeout(probe)
    if probe.exec is not None:
        return await _command(runtime, target.container_id, probe.exec.command, seconds)
    if (get := probe.http_get) is not None:
        return await http_get(get, port_number(get.port, target.container), target.address, seconds)
    if (tcp := probe.tcp_socket) is not None:
        return await _connect(tcp.host or target.address, port_number(tcp.port, target.container), seconds)
    if probe.grpc is not None:
        return await _grpc(target.address, probe.grpc.port, probe.grpc.service or "", seconds)
    return False, "the probe names nothing to do"


def port_number(port: int | str, container: core.Container) -> int:
    """Return a port given as a number or as the name of one of the container's ports; 0 where there is none."""
    if isinstance(port, int):
        return port
    return next((each.container_port for each in container.ports if each.name == port),
                int(port) if port.isdigit() else 0)


async def _command(runtime: Runtime, container_id: str, command: tuple[str, ...], seconds: float) -> tuple[bool, str]:
    try:
        result = await runtime.exec(container_id, command, seconds)
    except TimeoutError:
        return False, f'command "{" ".join(command)}" timed out'
    except EngineAway:
        raise
    except RuntimeFailure as error:
        return False, str(error)
    return result.exit_code == 0, result.output[:OUTPUT_BYTES].decode(errors="replace")


async def _connect(host: str, port: int, seconds: float) -> tuple[bool, str]:
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    except TimeoutError:
        return False, f"dial tcp {host}:{port}: i/o timeout"
    except OSError as error:
        return False, f"dial tcp {host}:{port}: connect: {_why(error)}"
    return True, ""


async def _grpc(host: str, port: int, service: str, seconds: float) -> tuple[bool, str]:
    begin = f'timeout: failed to connect service "{host}:{port}" within {seconds:g}s'
    answer = grpc_health.Answer()
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, port, limit=MOST_HEADER_BYTES)
            try:
                writer.write(grpc_health.request(f"{host}:{port}", service))
                while answer.verdict is None:
                    data = await reader.read(MOST_HEADER_BYTES)
                    if not data:
                        answer.end()
                        break
                    writer.write(answer.feed(data))
            finally:
                writer.close()
    except (TimeoutError, OSError) as error:
        return False, f"{begin}: {_why(error) if isinstance(error, ConnectionError) else 'no answer'}"
    success, text = answer.verdict or (False, "no answer")
    return success, "" if success else text


async def http_get(get: core.HTTPGetAction, port: int, address: str, seconds: float) -> tuple[bool, str]:
    """Send one GET and return whether the status was a success, and why not. HTTPS certificates are not checked."""
    host, secure = get.host or address, get.scheme.upper() == "HTTPS"
    path = get.path if get.path.startswith("/") else f"/{get.path}"
    url = f"{'https' if secure else 'http'}://{host}:{port}{path}"
    try:
        async with asyncio.timeout(seconds):
            status = await _status(host, port, path, get.http_headers, _unchecked() if secure else None)
    except TimeoutError:
        return False, f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    except OSError as error:
        return False, f'Get "{url}": dial tcp {host}:{port}: connect: {_why(error)}'
    except ValueError as error:
        return False, f'Get "{url}": {error}'
    success, text = probes.http_verdict(status)
    return success, "" if success else text


def _why(error: OSError) -> str:
    text = error.strerror or str(error)
    return "connection refused" if isinstance(error, ConnectionRefusedError) else text[:1].lower() + text[1:]


def _unchecked() -> ssl.SSLContext:
    # Kubernetes does not check the certificates of HTTPS probes: a pod signs its own.
    # Not create_default_context, which reads all the authorities of the system at each probe.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _status(host: str, port: int, path: str, headers: tuple[core.HTTPHeader, ...],
                  secure: ssl.SSLContext | None) -> int:
    """Raises OSError, or ValueError for an answer that is not HTTP."""
    given = {header.name.lower(): header for header in headers}
    lines = [f"GET {path} HTTP/1.1", *(f"{header.name}: {header.value}" for header in headers)]
    defaults = {"host": f"{host}:{port}", "user-agent": USER_AGENT, "accept": "*/*", "connection": "close"}
    lines += [f"{name.title()}: {value}" for name, value in defaults.items() if name not in given]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header or the path has a line break in it")
    reader, writer = await asyncio.open_connection(host, port, ssl=secure, limit=MOST_HEADER_BYTES)
    try:
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await writer.drain()
        words = (await reader.readline()).split()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise ValueError("malformed HTTP response")
    return int(words[1])


async def run_hook(runtime: Runtime, clock: Clock, target: Target, handler: core.LifecycleHandler,
                   seconds: float) -> str:
    """Run a postStart or preStop hook to its end and return what went wrong, empty when nothing did."""
    if handler.exec is not None:
        try:
            success, text = await _command(runtime, target.container_id, handler.exec.command, seconds)
        except EngineAway as error:
            return str(error)
        return "" if success else text or "the command failed"
    if (get := handler.http_get) is not None:
        success, text = await http_get(get, port_number(get.port, target.container), target.address, seconds)
        return "" if success else text
    if handler.sleep is not None:
        await clock.sleep(min(float(handler.sleep.seconds), seconds))
    return ""
