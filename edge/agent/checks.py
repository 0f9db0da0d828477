"""Effects: carries out one probe or one hook, and says how it went.

Probes by HTTP and TCP go to the pod's address from the node, as the kubelet's do.
"""

from __future__ import annotations

import asyncio
import contextlib

from edge.agent import grpc_health, http_get, probes
from edge.agent.http_get import PROBE, GetError
from edge.agent.probes import Outcome, Result, Target
from edge.api import core
from edge.clock import Clock
from edge.runtime.containers import EngineAway, RuntimeFailure
from edge.runtime.interface import Runtime

MOST_BYTES = 64 * 1024
OUTPUT_BYTES = 10 * 1024


async def probe(runtime: Runtime, target: Target, wanted: core.Probe) -> Outcome:
    """Carry out a probe once.

    Raises:
        EngineAway: the engine did not answer, which says nothing of the container.
    """
    seconds = probes.timeout(wanted)
    try:
        if wanted.exec is not None:
            return await _command(runtime, target.container_id, wanted.exec.command, seconds)
        if (get := wanted.http_get) is not None:
            return await _http(get, probes.port_number(get.port, target.container), target.address, seconds)
        if (tcp := wanted.tcp_socket) is not None:
            port = probes.port_number(tcp.port, target.container)
            return await _connect(tcp.host or target.address, port, seconds)
    except probes.PortError as error:
        return Outcome(Result.ERROR, str(error))
    if wanted.grpc is not None:
        return await _grpc(target.address, wanted.grpc.port, wanted.grpc.service or "", seconds)
    return Outcome(Result.ERROR, "missing probe handler")


async def hook(runtime: Runtime, clock: Clock, target: Target, handler: core.LifecycleHandler, seconds: float) -> str:
    """Run a postStart or preStop hook to its end and return what went wrong, empty when nothing did."""
    if handler.exec is not None:
        try:
            outcome = await _command(runtime, target.container_id, handler.exec.command, seconds)
        except EngineAway as error:
            return str(error)
        return "" if outcome.result is Result.SUCCESS else outcome.text or "the command failed"
    if (get := handler.http_get) is not None:
        # Whatever the status is: it was asked.
        try:
            await http_get.get(get, probes.port_number(get.port, target.container), target.address, seconds,
                               http_get.HOOK)
        except (GetError, probes.PortError) as error:
            return str(error)
        return ""
    if handler.sleep is not None:
        await clock.sleep(min(float(handler.sleep.seconds), seconds))
        return ""
    # Among them tcpSocket, which Kubernetes has never carried out here.
    return "invalid handler"


async def _command(runtime: Runtime, container_id: str, command: tuple[str, ...], seconds: float) -> Outcome:
    try:
        result = await runtime.exec(container_id, command, seconds)
    except TimeoutError:
        return Outcome(Result.FAILURE, f'command "{" ".join(command)}" timed out')
    except EngineAway:
        raise
    except RuntimeFailure as error:
        return Outcome(Result.ERROR, str(error))
    text = result.output[:OUTPUT_BYTES].decode(errors="replace")
    return Outcome(Result.SUCCESS if result.exit_code == 0 else Result.FAILURE, text)


async def _http(get: core.HTTPGetAction, port: int, address: str, seconds: float) -> Outcome:
    try:
        return probes.http_outcome(await http_get.get(get, port, address, seconds, PROBE))
    except GetError as error:
        return Outcome(Result.FAILURE, str(error))


async def _connect(host: str, port: int, seconds: float) -> Outcome:
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    except TimeoutError:
        return Outcome(Result.FAILURE, f"dial tcp {host}:{port}: i/o timeout")
    except OSError as error:
        return Outcome(Result.FAILURE, f"dial tcp {host}:{port}: connect: {http_get.why(error)}")
    except UnicodeError:
        return Outcome(Result.FAILURE, f"dial tcp: lookup {host}: no such host")
    return Outcome(Result.SUCCESS)


async def _grpc(host: str, port: int, service: str, seconds: float) -> Outcome:
    begin = f'timeout: failed to connect service "{host}:{port}" within {seconds:g}s'
    answer = grpc_health.Answer()
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, port, limit=MOST_BYTES)
            try:
                writer.write(grpc_health.request(f"{host}:{port}", service))
                while answer.verdict is None:
                    data = await reader.read(MOST_BYTES)
                    if not data:
                        answer.end()
                        break
                    writer.write(answer.feed(data))
                    await writer.drain()  # A server that asks and never reads must not fill the memory.
            finally:
                http_get.end(writer)
    except (TimeoutError, OSError, UnicodeError) as error:
        text = http_get.why(error) if isinstance(error, ConnectionError) else "no answer"
        return Outcome(Result.FAILURE, f"{begin}: {text}")
    success, text = answer.verdict or (False, "no answer")
    return Outcome(Result.SUCCESS) if success else Outcome(Result.FAILURE, text)
