"""Effects: the agent's HTTPS server: logs, exec, attach, port-forward, proxying and images, on the paths of a kubelet.

Only the control plane may connect, by its name and group in a certificate of the cluster's CA: not another node, and
not an administrator either, whose key the API server knows to be revoked and a node does not. How many streams there
may be is bounded, and a client that is gone without a word is noticed by the kernel's keep-alive probes.
"""

from __future__ import annotations

import asyncio
import asyncio.sslproto
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import web

from edge import door, logs
from edge.agent import (
    containerlogs,
    sampling,
    streams_exec,
    streams_logs,
    streams_metrics,
    streams_portforward,
    streams_proxy,
)
from edge.agent import streams_requests as asked
from edge.agent.image_gc import Policy
from edge.agent.streams_directory import PodDirectory, PodView
from edge.agent.streams_images import ImagePaths
from edge.agent.streams_room import NoRoom, Room
from edge.agent.streams_stats import StatsPaths
from edge.clock import Clock
from edge.pki import names
from edge.runtime.containers import RuntimeFailure
from edge.runtime.interface import Runtime

DEFAULT_PORT = 10250
TLS_BUFFER_BYTES = 16 * 1024
STOP_TIMEOUT_SECONDS = 1.0
MOST_LOGS, MOST_COMMANDS, MOST_FORWARDS, MOST_PROXIED = 256, 100, 64, 128
LIMITS = door.Limits()
# A peer that has lost its power is noticed after IDLE + INTERVAL * PROBES seconds without a word from it.
KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))

log = logs.get("agent.streams")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class StreamServer:
    """Serves streams until `stop`."""

    def __init__(
        self, runtime: Runtime, directory: PodDirectory, ssl_context: ssl.SSLContext, clock: Clock, node_name: str = "",
        images_changed: Callable[[], None] = lambda: None, image_policy: Policy = Policy(),  # noqa: B008 - it is frozen
        sampler: sampling.Sampler | None = None,
    ) -> None:
        if ssl_context.verify_mode is not ssl.CERT_REQUIRED:
            raise ValueError("the streams server must require client certificates")
        self._runtime, self._directory, self._clock = runtime, directory, clock
        self._ssl, self._images = ssl_context, ImagePaths(runtime, directory, images_changed, image_policy)
        self._stats = StatsPaths(sampler or sampling.Sampler(runtime, directory, clock, node_name))
        self._log_room, self._command_room = Room("logs", MOST_LOGS), Room("commands and attachments", MOST_COMMANDS)
        self._forward_room = Room("port-forwards", MOST_FORWARDS)
        self._proxy_room = Room("proxied requests", MOST_PROXIED)
        self._runner: web.AppRunner | None = None
        self._door: door.Door | None = None
        self._http: aiohttp.ClientSession | None = None
        self.port = 0
        """The port it listens on, once started."""

    async def start(self, address: str = "", port: int = DEFAULT_PORT) -> None:
        """Listen; port 0 takes any free one. Raises OSError."""
        await self.stop()
        # asyncio otherwise keeps a buffer of 256 KiB for each TLS connection, a follower of a log included.
        asyncio.sslproto.SSLProtocol.max_size = TLS_BUFFER_BYTES
        application = web.Application(middlewares=[_only_control_plane])
        application.add_routes(self._routes())
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=STOP_TIMEOUT_SECONDS)
        await self._runner.setup()
        assert self._runner.server is not None
        listening = door.listen(address, port)
        for each in listening:
            for option, value in KEEPALIVE:  # connections have them from the socket that accepts them
                each.setsockopt(socket.IPPROTO_TCP, option, value)
        self._door = door.Door(listening, self._runner.server, self._ssl, self._clock, LIMITS)
        self.port = self._door.port
        log.info("serving streams", port=self.port)

    async def stop(self) -> None:
        """Stop listening and end every stream."""
        if self._door is not None:
            await self._door.close()
            self._door = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._http is not None:
            await self._http.close()
            self._http = None

    def _routes(self) -> list[web.RouteDef]:
        container = "{namespace}/{pod}/{container}"
        both = ("GET", "POST")
        return [
            *(web.get(f"/healthz{rest}", self._healthz) for rest in ("", "/ping", "/syncloop")),
            web.get("/pods", self._pods),
            web.get("/runningpods/", self._pods),
            web.get("/metrics", self._metrics),
            *self._stats.routes(),
            *self._images.routes(),
            web.get(f"/containerLogs/{container}", self._logs),
            web.post(f"/run/{container}", self._run),
            *(web.route(method, f"/exec/{container}", self._exec) for method in both),
            *(web.route(method, f"/attach/{container}", self._attach) for method in both),
            *(web.route(method, "/portForward/{namespace}/{pod}", self._port_forward) for method in both),
            web.route("*", "/proxy/{namespace}/{pod}/{port}", self._proxy),
            web.route("*", "/proxy/{namespace}/{pod}/{port}/{rest:.*}", self._proxy),
        ]

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _pods(self, _: web.Request) -> web.Response:
        body = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": self._directory.manifests()}
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")

    async def _metrics(self, _: web.Request) -> web.Response:
        rooms = (self._log_room, self._command_room, self._forward_room, self._proxy_room)
        text = streams_metrics.render(self._directory.views(), {room.what: room.taken for room in rooms},
                                      await asyncio.to_thread(_own_numbers))
        return web.Response(text=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        pod, name, _ = asked.container(self._directory, request)
        try:
            options = containerlogs.options(request.query, self._clock.now())
        except containerlogs.OptionError as error:
            raise web.HTTPUnprocessableEntity(text=f"{error}\n") from error
        place = asked.log_place(pod, name, previous=options.previous)

        def running() -> bool:
            now = self._directory.find(pod.namespace, pod.name)
            view = now.containers.get(name) if now is not None and now.uid == pod.uid else None
            return view is not None and view.running and view.attempt == place.attempt

        with self._log_room:
            return await _stream_log(request, pod, name, streams_logs.read(place, options, self._clock, running))

    async def _run(self, request: web.Request) -> web.StreamResponse:
        """Answer with all a command prints, as the kubelet's /run does."""
        container = asked.running(self._directory, request)
        command = tuple(request.query.get("cmd", "").split())
        if not command:
            raise web.HTTPBadRequest(text="you must specify a command to run\n")
        with self._command_room:
            session = await self._runtime.open_exec(container.id, command, stdin=False, tty=False)
            try:
                response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
                await response.prepare(request)
                async for _, data in session.output():
                    await response.write(data)
                await response.write_eof()
                return response
            finally:
                await session.close()

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        container = asked.running(self._directory, request)
        command = tuple(request.query.getall("command", []))
        if not command:
            raise web.HTTPBadRequest(text="you must specify a command to run\n")
        wanted = asked.wanted(request)
        with self._command_room:
            return await streams_exec.serve(
                request, wanted,
                lambda: self._runtime.open_exec(container.id, command, stdin=wanted.stdin, tty=wanted.tty),
            )  # fmt: skip

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        container = asked.running(self._directory, request)
        wanted = asked.wanted(request)
        # Whether the bytes come in frames depends on the container, not on what the client has.
        with self._command_room:
            return await streams_exec.serve(
                request, wanted,
                lambda: self._runtime.open_attach(container.id, stdin=wanted.stdin, tty=container.tty),
            )  # fmt: skip

    async def _port_forward(self, request: web.Request) -> web.StreamResponse:
        pod = asked.addressed(self._directory, request)
        with self._forward_room:
            return await streams_portforward.serve(
                request, streams_portforward.Target(pod.netns_path, pod.name, pod.uid))

    async def _proxy(self, request: web.Request) -> web.StreamResponse:
        pod = asked.addressed(self._directory, request)
        port = request.match_info["port"]
        if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536):
            raise web.HTTPBadRequest(text=f'invalid port "{port}"\n')
        if self._http is None:
            self._http = aiohttp.ClientSession(auto_decompress=False, connector=aiohttp.TCPConnector(force_close=True))
        with self._proxy_room:
            return await streams_proxy.forward(self._http, request, pod.address, int(port))


async def _stream_log(request: web.Request, pod: PodView, name: str,
                      blocks: AsyncIterator[bytes]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
    try:
        async for block in blocks:
            if not response.prepared:
                await response.prepare(request)
            if request.transport is None or request.transport.is_closing():
                return response
            if block:
                await response.write(block)
    except FileNotFoundError as error:
        if not response.prepared:
            raise web.HTTPBadRequest(text=f'container "{name}" in pod "{pod.name}" has no log\n') from error
    if not response.prepared:
        await response.prepare(request)
    await response.write_eof()
    return response


def _own_numbers() -> streams_metrics.Process | None:
    try:
        files, stat = sum(1 for _ in Path("/proc/self/fd").iterdir()), Path("/proc/self/stat").read_text()
        booted = streams_metrics.boot_time(Path("/proc/stat").read_text())
    except OSError:
        return None
    return streams_metrics.process(stat, os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE"), files, booted)


@web.middleware
async def _only_control_plane(request: web.Request, handler: Handler) -> web.StreamResponse:
    if not _is_control_plane(request):
        raise web.HTTPForbidden(text=f"only {names.SERVER_USER} is served here; ask the API server\n")
    try:
        return await handler(request)
    except ConnectionError:
        return web.Response()  # The client left in the middle; nobody reads this.
    except NoRoom as error:
        raise asked.status(429, "TooManyRequests", str(error)) from error
    except RuntimeFailure as error:
        raise asked.status(500, "InternalError", str(error)) from error


def _is_control_plane(request: web.Request) -> bool:
    certificate = request.transport.get_extra_info("peercert") if request.transport is not None else None
    subject = [entry for group in (certificate or {}).get("subject", ()) for entry in group]
    return [value for key, value in subject if key == "commonName"] == [names.SERVER_USER] \
        and ("organizationName", names.MASTERS_GROUP) in subject
