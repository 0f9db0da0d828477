"""Passes logs, exec, attach, port-forward and proxy requests on to the agent of the node.

Plain answers are streamed through. For an upgrade the request goes on as it came, and after the agent's 101 both
connections are raw pipes; what runs over them is between client and agent.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any, cast

import aiohttp
import msgspec
from aiohttp import web
from yarl import URL

from edge.api import core, discovery, errors, scheme
from edge.apiserver import audit, authenticate, connections, dialing, stream_targets, streams_frames, streams_tunnel
from edge.apiserver.paths import Options, ResourceRequest
from edge.apiserver.service import Service
from edge.apiserver.stream_targets import Target

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
ASK_SECONDS = 4.0
LARGEST_ANSWER_BYTES = 4 * 1024 * 1024
_HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
               "transfer-encoding", "upgrade"}
_NOT_PASSED_ON = {"host", "authorization", "content-length"}
_CREDENTIALS = ("impersonate-", "x-remote-")
"""How the headers begin that say who somebody is: what is behind this server must not take them from a client."""
_LARGEST_ERROR_BYTES = 64 * 1024
_FAMILY = {400: errors.BadRequest, 403: errors.Forbidden, 404: errors.NotFound, 503: errors.Unavailable}


class Streams:
    """Connections to agents."""

    def __init__(self, service: Service, agent_ssl: ssl.SSLContext | None, port: int,
                 revoked: connections.Revoked) -> None:
        self._service = service
        self._ssl = agent_ssl
        self._revoked = revoked
        self._port = port
        self._session: aiohttp.ClientSession | None = None
        self._pipes: set[streams_tunnel.Pipe] = set()
        self._plain: set[asyncio.Transport] = set()
        """Connections to agents that are not tunnels, while their answer lasts."""

    async def serve(self, request: web.BaseRequest, asked: ResourceRequest,
                    resource: scheme.Resource) -> web.StreamResponse:
        """Answer one streaming request. Raises errors.ApiError as long as nothing was sent."""
        target = self._target(request, asked, resource)
        node = self._find(core.Node, "", target.node)
        address = stream_targets.address_of(node)
        if self._ssl is None:
            raise errors.Unavailable("connections to agents are not configured")
        if problem := self._revoked.of_node(node):
            raise errors.Unavailable(f"node {target.node} is not spoken to: {problem}")
        if request.headers.get("Upgrade") and not (asked.subresource == "log" and streams_frames.wanted(request)):
            return await self._upgrade(request, target, address)
        return await self._pass_on(request, asked, target, address)

    def end(self) -> None:
        """Close every tunnel."""
        for pipe in list(self._pipes):
            pipe.close()

    def end_revoked(self) -> int:
        """Cut the connections to agents whose key is revoked, and return how many there were."""
        return self._revoked.end((*self._plain, *(pipe.transport for pipe in self._pipes)))

    async def close(self) -> None:
        """Let go of the connections for plain requests."""
        if self._session is not None:
            await self._session.close()

    async def ask(self, node: core.Node, path: str) -> bytes:
        """Return what a node's agent answers to a GET; nothing when it does not answer well within some seconds."""
        if self._ssl is None or self._revoked.of_node(node):
            return b""
        try:
            url = URL(f"https://{stream_targets.address_of(node)}:{self._port}{path}", encoded=True)
            async with asyncio.timeout(ASK_SECONDS):
                answer = await self._connections().get(url, ssl=self._ssl, server_hostname=node.metadata.name)
                async with answer:
                    if answer.status == 200:
                        await answer.content.readexactly(LARGEST_ANSWER_BYTES)
                    return b""
        except asyncio.IncompleteReadError as answered:
            return answered.partial  # all of it, and less than the limit
        except (errors.ApiError, aiohttp.ClientError, OSError, TimeoutError):
            return b""

    # --- where to

    def _target(self, request: web.BaseRequest, asked: ResourceRequest, resource: scheme.Resource) -> Target:
        query_text = request.raw_path.partition("?")[2]
        if asked.subresource != "proxy":
            return stream_targets.of_pod(self._find(core.Pod, asked.namespace, asked.name), asked.subresource,
                                         asked.query)
        if resource.type is core.Node:
            return stream_targets.of_node(asked.name, asked.rest, query_text)
        wanted = stream_targets.proxy_name(asked.name)
        name, port = wanted.name, wanted.port
        if resource.type is core.Service:
            service = self._find(core.Service, asked.namespace, name)
            name, port = stream_targets.service_endpoint(service, port, self._slices(asked.namespace, name))
        pod = self._find(core.Pod, asked.namespace, name)
        return stream_targets.of_pod_proxy(pod, port, asked.rest, query_text)

    def _slices(self, namespace: str, service: str) -> list[discovery.EndpointSlice]:
        resource = scheme.of_type(discovery.EndpointSlice)
        listing = self._service.list(resource, namespace,
                                     Options(label_selector=f"kubernetes.io/service-name={service}"))
        return [cast(discovery.EndpointSlice, self._service.decode(resource, record)) for record in listing.records]

    def _find(self, kind: Any, namespace: str, name: str) -> Any:
        resource = scheme.of_type(kind)
        return self._service.decode(resource, self._service.get(resource, namespace, name))

    # --- plain requests

    def _connections(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # None is kept for the next request: the other end's key may be revoked until then.
                connector=aiohttp.TCPConnector(limit=0, socket_factory=_watched, force_close=True),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS))
        return self._session

    async def _pass_on(self, request: web.BaseRequest, asked: ResourceRequest, target: Target,
                       address: str) -> web.StreamResponse:
        url = URL(f"https://{address}:{self._port}{target.path}", encoded=True)
        assert self._ssl is not None
        try:
            answer = await self._connections().request(
                request.method, url, headers=_passed_on(request), allow_redirects=False, ssl=self._ssl,
                server_hostname=target.node, data=request.content if request.can_read_body else None)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _unreachable(asked.subresource, request.method, str(url), error) from error
        transport = answer.connection.transport if answer.connection is not None else None
        if transport is not None:
            self._plain.add(transport)
        try:
            if asked.subresource != "proxy" and answer.status >= 400:
                raise _refused(answer.status, await answer.content.read(_LARGEST_ERROR_BYTES))
            if streams_frames.wanted(request):
                return await streams_frames.send(request, _parts(answer))
            response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=audit.headers())
            for name, value in answer.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    response.headers.add(name, value)
            await response.prepare(request)
            async for part in _parts(answer):
                await response.write(part)
            await response.write_eof()
            return response
        finally:
            if transport is not None:
                self._plain.discard(transport)
            answer.close()

    # --- upgrades

    async def _upgrade(self, request: web.BaseRequest, target: Target, address: str) -> web.StreamResponse:
        agent = await self._connect(request, target, address)
        self._pipes.add(agent)
        try:
            head = await self._agent_head(agent)
            status = int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/1.") else 502
            if status != 101:
                raise _refused(status, await agent.body(_content_length(head), ANSWER_SECONDS))
            return await streams_tunnel.hand_over(request, agent, head, self._pipes)
        except (ConnectionError, TimeoutError) as error:
            raise errors.ApiError(f"error dialing backend: {_words(error)}") from error
        finally:
            agent.close()
            self._pipes.discard(agent)

    async def _connect(self, request: web.BaseRequest, target: Target, address: str) -> streams_tunnel.Pipe:
        """Open the connection to the agent and send the request on, headers as they came."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                transport, agent = await loop.create_connection(
                    streams_tunnel.Pipe, address, self._port, ssl=self._ssl, server_hostname=target.node)
                dialing.watch(transport.get_extra_info("socket"))
        except (OSError, TimeoutError) as error:
            raise errors.ApiError(f"error dialing backend: dial tcp {address}:{self._port}: {_words(error)}") from error
        lines = [f"{request.method} {target.path} HTTP/1.1", f"Host: {address}:{self._port}"]
        lines += [f"{name}: {authenticate.shown_header(name, value)}" for name, value in request.headers.items()
                  if _goes_on(name)]
        transport.write("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"))
        return agent

    async def _agent_head(self, agent: streams_tunnel.Pipe) -> bytes:
        return await agent.head(ANSWER_SECONDS)


def _watched(where: aiohttp.AddrInfoType) -> socket.socket:
    """Return a socket that notices when the other machine loses its power."""
    made = socket.socket(family=where[0], type=where[1], proto=where[2])
    dialing.watch(made)
    return made


async def _parts(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield what an agent answers as it comes. Raises ConnectionResetError when it goes away."""
    try:
        async for part in answer.content.iter_any():
            yield part
    except aiohttp.ClientError as error:
        raise ConnectionResetError("the agent went away") from error


def _passed_on(request: web.BaseRequest) -> list[tuple[str, str]]:
    return [(name, value) for name, value in request.headers.items()
            if name.lower() not in _HOP_BY_HOP and _goes_on(name)]


def _goes_on(name: str) -> bool:
    bare = name.lower().replace("_", "-")  # some servers take one for the other
    return bare not in _NOT_PASSED_ON and not bare.startswith(_CREDENTIALS)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return min(int(value), _LARGEST_ERROR_BYTES)
    return 0


def _refused(status: int, body: bytes) -> errors.ApiError:
    """Return the agent's refusal as an error of ours: its own Status, or its text."""
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError:
        value = None
    if isinstance(value, dict) and value.get("kind") == "Status":
        return errors.from_status(value)
    text = body.decode("utf-8", "replace").strip() or f"the agent answered with status {status}"
    kind = _FAMILY.get(status)
    return kind(text) if kind else errors.ApiError(text, code=status if status >= 400 else 500)


def _unreachable(subresource: str, method: str, url: str, error: BaseException) -> errors.ApiError:
    if subresource == "proxy":
        return errors.Unavailable(f"error trying to reach service: {_words(error)}")
    return errors.ApiError(f'{method.capitalize()} "{url}": {_words(error)}')


def _words(error: BaseException) -> str:
    if isinstance(getattr(error, "os_error", error), connections.KeyRevoked):
        return "tls: failed to verify certificate: x509: the key of the node was revoked"
    if isinstance(error, TimeoutError):
        return "i/o timeout"
    if isinstance(error, ConnectionRefusedError) or (isinstance(error, aiohttp.ClientConnectorError) \
            and isinstance(error.os_error, ConnectionRefusedError)):
        return "connect: connection refused"
    return str(error) or type(error).__name__
