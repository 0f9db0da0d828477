"""Passes requests for aggregated APIs on to the servers behind them, over TLS, with the user in the X-Remote- headers.

Bodies are streamed both ways, a watch's events as they come. A write is never sent twice. For an upgrade both
connections become raw pipes, but only after the backend's 101: a client that kept writing to a connection the backend
had not upgraded would speak there with this server's identity.
https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from yarl import URL

from edge.api import errors
from edge.apiserver import aggregation, audit, dialing, endpoints, streams_tunnel
from edge.apiserver.aggregation import Backend
from edge.apiserver.authenticate import User
from edge.apiserver.endpoints import Address
from edge.apiserver.write import SERVER

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
LARGEST_DOCUMENT_BYTES = 2 * 1024 * 1024
_LARGEST_REFUSAL_BYTES = 64 * 1024
_IDLE_SECONDS = 30.0
_READS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Document:
    """What a backend answered to a request of this server."""

    status: int
    body: bytes


class NoAnswer(Exception):
    """A backend could not be asked; the text says why."""


class Proxy:
    """Connections to aggregated API servers."""

    def __init__(self, resolve: endpoints.Resolve, trust: dialing.Trust) -> None:
        self._resolve = resolve
        self._trust = trust
        self._kept: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        self._pipes: set[streams_tunnel.Pipe] = set()
        self._turns = itertools.count()

    async def serve(self, request: web.BaseRequest, backend: Backend, user: User) -> web.StreamResponse:
        """Answer one request. Raises errors.ApiError as long as nothing was sent."""
        if user.name == SERVER.name:
            # A service that leads here: the request would come back with this server's rights, and go round for ever.
            raise errors.Unavailable("service unavailable: the APIService leads back to this server")
        try:
            address = self._address(backend)
        except errors.ApiError as error:
            raise errors.Unavailable("service unavailable") from error
        headers = aggregation.request_headers(request.headers.items(), user, request.remote or "")
        if request.headers.get("Upgrade"):
            return await self._upgrade(request, backend, address, headers)
        return await self._pass_on(request, backend, address, headers)

    async def get(self, backend: Backend, path: str, *, seconds: float) -> Document:
        """Read a document as this server itself. Raises NoAnswer."""
        try:
            address = self._address(backend)
            async with asyncio.timeout(seconds), self._session("GET").get(
                    _url(address, path), ssl=self._context(backend), server_hostname=backend.server_name,
                    headers=[*aggregation.identity_headers(SERVER), ("Accept", "application/json"),
                             ("Accept-Encoding", "identity")], allow_redirects=False) as answer:
                body = await _limited(answer.content, LARGEST_DOCUMENT_BYTES)
                return Document(answer.status, body)
        except errors.ApiError as error:
            raise NoAnswer(str(error)) from error
        except TimeoutError as error:
            raise NoAnswer(f'Get "https://{address}{path}": context deadline exceeded') from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoAnswer(f'Get "https://{address}{path}": {dialing.words(error, str(address))}') from error

    def end(self) -> None:
        """Close every tunnel."""
        for pipe in list(self._pipes):
            pipe.close()

    async def close(self) -> None:
        """Let go of the connections."""
        for session in (self._kept, self._fresh):
            if session is not None:
                await session.close()

    def _address(self, backend: Backend) -> Address:
        found = self._resolve(backend.namespace, backend.service, backend.port)
        return dialing.in_turn(found, next(self._turns))[0]

    def _context(self, backend: Backend) -> ssl.SSLContext:
        return self._trust.context(backend.ca_bundle, insecure=backend.insecure)

    def _session(self, method: str) -> aiohttp.ClientSession:
        """Return where requests go out: reads over connections that are kept, writes over one of their own.

        A kept connection may have just been closed by the other end, and then nobody could tell whether a write
        arrived.
        """
        if method in _READS:
            if self._kept is None:
                self._kept = _new_session(aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_SECONDS))
            return self._kept
        if self._fresh is None:
            self._fresh = _new_session(aiohttp.TCPConnector(limit=0, force_close=True))
            # aiohttp sends PUT and DELETE once more when the connection ends before the answer.
            self._fresh._retry_connection = False
        return self._fresh

    # --- plain requests

    async def _pass_on(self, request: web.BaseRequest, backend: Backend, address: Address,
                       headers: list[tuple[str, str]]) -> web.StreamResponse:
        try:
            answer = await self._session(request.method).request(
                request.method, _url(address, request.raw_path), headers=headers, allow_redirects=False,
                ssl=self._context(backend), server_hostname=backend.server_name,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                data=request.content if request.can_read_body else None)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise _unreachable(error, address) from error
        try:
            response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=audit.headers())
            for name, value in aggregation.response_headers(answer.headers.items()):
                response.headers.add(name, value)
            await response.prepare(request)
            try:
                async for part in answer.content.iter_any():
                    await response.write(part)
            except (aiohttp.ClientError, OSError) as error:
                raise ConnectionResetError("the backend went away") from error
            await response.write_eof()
            return response
        finally:
            answer.close()

    # --- upgrades

    async def _upgrade(self, request: web.BaseRequest, backend: Backend, address: Address,
                       headers: list[tuple[str, str]]) -> web.StreamResponse:
        far = await self._connect(request, backend, address, headers)
        self._pipes.add(far)
        try:
            head = await far.head(ANSWER_SECONDS)
            if head.split(b" ", 2)[1:2] != [b"101"]:
                return await _refusal(head, far)
            return await streams_tunnel.hand_over(request, far, head, self._pipes)
        except (ConnectionError, TimeoutError) as error:
            raise _unreachable(error, address) from error
        finally:
            far.close()
            self._pipes.discard(far)

    async def _connect(self, request: web.BaseRequest, backend: Backend, address: Address,
                       headers: list[tuple[str, str]]) -> streams_tunnel.Pipe:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                transport, far = await loop.create_connection(
                    streams_tunnel.Pipe, address.host, address.port, ssl=self._context(backend),
                    server_hostname=backend.server_name)
        except (OSError, TimeoutError) as error:
            raise _unreachable(error, address) from error
        lines = [f"{request.method} {request.raw_path} HTTP/1.1", f"Host: {address}"]
        lines += [f"{name}: {value}" for name, value in headers]
        lines += ["Connection: Upgrade", f"Upgrade: {request.headers['Upgrade']}"]
        transport.write("\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape"))
        return far


def _new_session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar(),
                                 timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS))


def _url(address: Address, path: str) -> URL:
    return URL(f"https://{address}{path}", encoded=True)


async def _limited(content: aiohttp.StreamReader, limit: int) -> bytes:
    parts, size = [], 0
    async for part in content.iter_any():
        parts.append(part)
        size += len(part)
        if size > limit:
            raise ValueError(f"the document is larger than the limit of {limit} bytes")
    return b"".join(parts)


async def _refusal(head: bytes, far: streams_tunnel.Pipe) -> web.StreamResponse:
    """Return a backend's answer to an upgrade it does not make; the connection to it ends with that."""
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(":", 1) for line in lines if ":" in line)
    length = fields.get("content-length", "").strip()
    body = await far.body(min(int(length), _LARGEST_REFUSAL_BYTES) if length.isdecimal() else 0, ANSWER_SECONDS)
    status = first.split(" ", 2)[1:2]
    code = int(status[0]) if status and status[0].isdecimal() and 200 <= int(status[0]) < 600 else 502
    response = web.Response(status=code, body=body)
    response.headers["Content-Type"] = fields.get("content-type", "text/plain").strip()
    response.force_close()
    return response


def _unreachable(error: BaseException, address: Address) -> errors.Unavailable:
    return errors.Unavailable(f"error trying to reach service: {dialing.words(error, str(address))}")
