"""The agent's HTTPS server: logs, exec, attach, port-forward, proxying and images, on the paths of a kubelet.

Only the control plane may connect: a certificate of the cluster's CA with the organization `system:masters`.
"""

from __future__ import annotations

import asyncio.sslproto
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
from aiohttp import web

from edge import logs
from edge.agent import containerlogs, sampling, streams_exec, streams_logs, streams_portforward, streams_proxy
from edge.agent.streams_directory import ContainerView, PodDirectory, PodView
from edge.clock import Clock
from edge.runtime.containers import RuntimeFailure
from edge.runtime.interface import Runtime

DEFAULT_PORT = 10250
GROUP = "system:masters"
TLS_BUFFER_BYTES = 16 * 1024
STOP_TIMEOUT_SECONDS = 1.0
UPLOAD_CHUNK_BYTES = 64 * 1024
# What the kubelet says in place of these reasons when somebody asks for a log that cannot be there yet.
_WAITING = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}

log = logs.get("agent.streams")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class StreamServer:
    """Serves streams until `stop`."""

    def __init__(
        self, runtime: Runtime, directory: PodDirectory, ssl_context: ssl.SSLContext, clock: Clock, node_name: str = "",
        images_changed: Callable[[], None] = lambda: None,
    ) -> None:
        if ssl_context.verify_mode is not ssl.CERT_REQUIRED:
            raise ValueError("the streams server must require client certificates")
        self._runtime, self._directory, self._clock = runtime, directory, clock
        self._ssl, self._node_name, self._images_changed = ssl_context, node_name, images_changed
        self._sampler = sampling.Sampler(runtime, directory, clock, node_name)
        self._runner: web.AppRunner | None = None
        self._http: aiohttp.ClientSession | None = None
        self.port = 0
        """The port it listens on, once started."""

    async def start(self, address: str = "", port: int = DEFAULT_PORT) -> None:
        """Listen; port 0 takes any free one. Raises OSError."""
        # asyncio otherwise keeps a buffer of 256 KiB for each TLS connection, a follower of a log included.
        asyncio.sslproto.SSLProtocol.max_size = TLS_BUFFER_BYTES
        application = web.Application(middlewares=[_only_control_plane])
        application.add_routes(self._routes())
        self._http = aiohttp.ClientSession(auto_decompress=False, connector=aiohttp.TCPConnector(force_close=True))
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=STOP_TIMEOUT_SECONDS)
        await self._runner.setup()
        site = web.TCPSite(self._runner, address or None, port, ssl_context=self._ssl)
        await site.start()
        self.port = self._runner.addresses[0][1]
        log.info("serving streams", port=self.port)

    async def stop(self) -> None:
        """Stop listening and end every stream."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._http is not None:
            await self._http.close()
            self._http = None

    def _routes(self) -> list[web.RouteDef]:
        container = "{namespace}/{pod}/{container}"
        return [
            web.get("/healthz", self._healthz),
            web.get("/pods", self._pods),
            web.get("/stats/summary", self._summary),
            web.get("/images", self._images),
            web.post("/images/load", self._load),
            web.get(f"/containerLogs/{container}", self._logs),
            *(web.route(method, f"/exec/{container}", self._exec) for method in ("GET", "POST")),
            *(web.route(method, f"/attach/{container}", self._attach) for method in ("GET", "POST")),
            *(web.route(method, "/portForward/{namespace}/{pod}", self._port_forward) for method in ("GET", "POST")),
            web.route("*", "/proxy/{namespace}/{pod}/{port}", self._proxy),
            web.route("*", "/proxy/{namespace}/{pod}/{port}/{rest:.*}", self._proxy),
        ]

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _pods(self, _: web.Request) -> web.Response:
        items = [{"metadata": {"namespace": pod.namespace, "name": pod.name, "uid": pod.uid},
                  "spec": {"nodeName": self._node_name}, "status": {"podIP": pod.address}}
                 for pod in self._directory.views()]  # fmt: skip
        return web.json_response({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})

    async def _summary(self, _: web.Request) -> web.Response:
        return web.json_response(await self._sampler.summary())

    async def _images(self, _: web.Request) -> web.Response:
        images = [{"id": image.id, "names": image.names, "sizeBytes": image.size_bytes}
                  for image in await self._runtime.images()]  # fmt: skip
        return web.json_response({"images": images})

    async def _load(self, request: web.Request) -> web.Response:
        # Read to its end in any case, or the sender would see a reset connection in place of the answer.
        archive: AsyncIterator[bytes] = request.content.iter_chunked(UPLOAD_CHUNK_BYTES)
        names = await self._runtime.load(archive)
        self._images_changed()
        return web.json_response({"names": names})

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        pod, name, container = self._container(request)
        try:
            options = containerlogs.options(request.query, self._clock.now())
        except containerlogs.OptionError as error:
            raise web.HTTPUnprocessableEntity(text=f"{error}\n") from error
        attempt = container.attempt - (1 if options.previous and not container.backing_off else 0)
        if attempt < 0:
            raise web.HTTPBadRequest(text=f'previous terminated container "{name}" in pod "{pod.name}" not found\n')
        if not container.id:
            reason = _WAITING.get(container.waiting, container.waiting or "ContainerCreating")
            raise web.HTTPBadRequest(
                text=f'container "{name}" in pod "{pod.name}" is waiting to start: {reason}\n')
        path = Path(pod.log_dir) / name / f"{attempt}.log"

        def running() -> bool:
            now = self._directory.find(pod.namespace, pod.name)
            view = now.containers.get(name) if now is not None and now.uid == pod.uid else None
            return view is not None and view.running and view.attempt == attempt

        return await self._stream_log(request, pod, name, streams_logs.read(path, options, self._clock, running))

    async def _stream_log(
        self, request: web.Request, pod: PodView, name: str, blocks: AsyncIterator[bytes]
    ) -> web.StreamResponse:
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

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        container_id, _ = self._running(request)
        command = tuple(request.query.getall("command", []))
        if not command:
            raise web.HTTPBadRequest(text="you must specify a command to run\n")
        wanted = _wanted(request)
        return await streams_exec.serve(
            request, wanted,
            lambda: self._runtime.open_exec(container_id, command, stdin=wanted.stdin, tty=wanted.tty),
        )  # fmt: skip

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        container_id, tty = self._running(request)
        wanted = _wanted(request)
        # Whether the bytes come in frames depends on the container, not on what the client has.
        return await streams_exec.serve(
            request, wanted, lambda: self._runtime.open_attach(container_id, stdin=wanted.stdin, tty=tty)
        )

    async def _port_forward(self, request: web.Request) -> web.StreamResponse:
        pod = self._addressed(request)
        return await streams_portforward.serve(request, streams_portforward.Target(pod.address, pod.name, pod.uid))

    async def _proxy(self, request: web.Request) -> web.StreamResponse:
        pod = self._addressed(request)
        port = request.match_info["port"]
        if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536):
            raise web.HTTPBadRequest(text=f'invalid port "{port}"\n')
        assert self._http is not None
        return await streams_proxy.forward(self._http, request, pod.address, int(port))

    def _pod(self, request: web.Request) -> PodView:
        namespace, name = request.match_info["namespace"], request.match_info["pod"]
        pod = self._directory.find(namespace, name)
        if pod is None:
            raise web.HTTPNotFound(text=f'pod "{namespace}/{name}" is not on this node\n')
        return pod

    def _addressed(self, request: web.Request) -> PodView:
        pod = self._pod(request)
        if not pod.address:
            raise web.HTTPServiceUnavailable(text=f'pod "{pod.namespace}/{pod.name}" has no address yet\n')
        return pod

    def _container(self, request: web.Request) -> tuple[PodView, str, ContainerView]:
        pod, name = self._pod(request), request.match_info["container"]
        if name not in pod.containers:
            raise web.HTTPBadRequest(text=f'container "{name}" is not valid for pod "{pod.name}"\n')
        return pod, name, pod.containers[name]

    def _running(self, request: web.Request) -> tuple[str, bool]:
        _, name, container = self._container(request)
        if not container.running or not container.id:
            raise web.HTTPNotFound(text=f'container not found ("{name}")\n')
        return container.id, container.tty


def _wanted(request: web.Request) -> streams_exec.Wanted:
    """Read which streams are asked for, in the kubelet's words or in the API's."""

    def flag(*names: str) -> bool:
        return any(request.query.get(name, "").lower() in ("1", "true") for name in names)

    tty = flag("tty")
    stdin, stdout, stderr = flag("input", "stdin"), flag("output", "stdout"), flag("error", "stderr")
    if not (stdin or stdout or stderr):
        raise web.HTTPBadRequest(text="you must specify at least 1 of stdin, stdout, stderr\n")
    # A terminal has one output.
    return streams_exec.Wanted(stdin, stdout, stderr and not tty, tty)


@web.middleware
async def _only_control_plane(request: web.Request, handler: Handler) -> web.StreamResponse:
    if GROUP not in _organizations(request):
        raise web.HTTPForbidden(text=f"only clients of the group {GROUP} are served\n")
    try:
        return await handler(request)
    except ConnectionError:
        return web.Response()  # The client left in the middle; nobody reads this.
    except RuntimeFailure as error:
        body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": str(error),
                "reason": "InternalError", "code": 500}  # fmt: skip
        raise web.HTTPInternalServerError(text=json.dumps(body), content_type="application/json") from error


def _organizations(request: web.Request) -> set[str]:
    certificate = request.transport.get_extra_info("peercert") if request.transport is not None else None
    names = (certificate or {}).get("subject", ())
    return {value for group in names for key, value in group if key == "organizationName"}
