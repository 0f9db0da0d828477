"""The API over HTTPS, for everything that does not live in the server's process.

One connection pool per server; certificates are always verified. A watch is one request whose answer does not end:
JSON documents, one a line.
"""

from __future__ import annotations

import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import msgspec
import yarl

from edge.api import core, errors, scheme
from edge.client import requests
from edge.client.interface import Listing, O, WatchEvent

CONNECT_SECONDS = 10.0
WATCH_SECONDS = 300
"""After which the server is asked to end a watch, so that a peer that vanished without a word is noticed."""
WATCH_SILENCE_SECONDS = WATCH_SECONDS + 30.0
MAX_LINE_BYTES = 16 << 20

Body = bytes | AsyncIterator[bytes] | None
T = TypeVar("T")


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""


class _List(msgspec.Struct):
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class HttpClient:
    """A Client over HTTP; also sends requests as they are, for whoever passes them on.

    Made inside a running event loop's program; `close` (or `async with`) gives its connections back.
    """

    def __init__(self, server: str, tls: ssl.SSLContext | None = None, *, token: str = "", server_name: str = "",
                 user_agent: str = "edge", timeout_seconds: float = 30.0) -> None:
        """Args:
        server: the address, `https://10.0.0.1:6443`.
        tls: trust and client certificate, from `tls_context`; None only for plain http.
        token: bearer token, sent with each request.
        server_name: the name the server's certificate must carry, when it is not that of the address.
        timeout_seconds: for whole requests other than watches and streams.
        """
        if token and not server.startswith("https:"):
            raise ValueError("a token is sent over https only")
        self._server = server.rstrip("/")
        self._tls = tls
        self._server_name = server_name or None
        self._headers = {"User-Agent": user_agent, **({"Authorization": f"Bearer {token}"} if token else {})}
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=CONNECT_SECONDS)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> HttpClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; the client opens new ones when it is used again."""
        session, self._session = self._session, None
        if session:
            await session.close()

    def resources(self) -> tuple[scheme.Resource, ...]:
        return scheme.resources()

    async def get(self, kind: type[O], name: str, namespace: str = "") -> O:
        return _decode(kind, await self._send(requests.get(scheme.of_type(kind), name, namespace)))

    async def list(self, kind: type[O], namespace: str = "", *, labels: str = "", fields: str = "") -> Listing[O]:
        request = requests.list_(scheme.of_type(kind), namespace, labels=labels, fields=fields)
        found = _decode(_List, await self._send(request))
        return Listing(tuple(_decode(kind, item) for item in found.items or ()), found.metadata.resource_version)

    async def watch(self, kind: type[O], namespace: str = "", *, resource_version: str, labels: str = "",
                    fields: str = "") -> AsyncIterator[WatchEvent[O]]:
        request = requests.watch(scheme.of_type(kind), namespace, resource_version=resource_version, labels=labels,
                                 fields=fields, timeout_seconds=WATCH_SECONDS)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=WATCH_SILENCE_SECONDS)
        async with self.respond("GET", request.path, query=request.query, timeout=timeout) as response:
            async for line in _lines(self._pieces(response)):
                yield _event(kind, line)

    async def create(self, obj: O) -> O:
        return _decode(type(obj), await self._send(requests.create(scheme.of_type(type(obj)), obj)))

    async def update(self, obj: O) -> O:
        return _decode(type(obj), await self._send(requests.update(scheme.of_type(type(obj)), obj)))

    async def update_status(self, obj: O) -> O:
        return _decode(type(obj), await self._send(requests.update(scheme.of_type(type(obj)), obj, "status")))

    async def patch(self, kind: type[O], name: str, namespace: str, patch: dict[str, Any], *,
                    subresource: str = "") -> O:
        request = requests.patch(scheme.of_type(kind), name, namespace, patch, subresource)
        return _decode(kind, await self._send(request))

    async def delete(self, kind: type[O], name: str, namespace: str = "", *, uid: str = "",
                     grace_period_seconds: int | None = None, propagation_policy: str = "") -> None:
        await self._send(requests.delete(scheme.of_type(kind), name, namespace, uid=uid,
                                         grace_period_seconds=grace_period_seconds,
                                         propagation_policy=propagation_policy))

    async def bind(self, name: str, namespace: str, node: str, *, uid: str = "") -> None:
        await self._send(requests.bind(scheme.of_type(core.Pod), name, namespace, node, uid))

    async def request(self, method: str, path: str, *, query: Iterable[tuple[str, str]] = (), body: Body = None,
                      headers: Mapping[str, str] | None = None, timeout_seconds: float | None = None) -> bytes:
        """Send a request as it is and return the body of the answer. Raises errors.ApiError for any but 2xx."""
        timeout = self._timeout
        if timeout_seconds:
            timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=CONNECT_SECONDS)
        async with self.respond(method, path, query=query, body=body, headers=headers, timeout=timeout) as response:
            with self._translated():
                return await response.read()

    @contextlib.asynccontextmanager
    async def stream(self, method: str, path: str, *, query: Iterable[tuple[str, str]] = (), body: Body = None,
                     headers: Mapping[str, str] | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
        """Send a request and hand out its answer piece by piece, without an end in time."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
        async with self.respond(method, path, query=query, body=body, headers=headers, timeout=timeout) as response:
            yield self._pieces(response)

    @contextlib.asynccontextmanager
    async def websocket(self, path: str, *, query: Iterable[tuple[str, str]] = (),
                        protocols: Iterable[str] = ()) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a WebSocket (exec, attach, port-forward); the caller speaks the protocol that was agreed on."""
        with self._translated():
            try:
                socket = await self._open().ws_connect(
                    self._url(path, query), protocols=tuple(protocols), headers=self._headers, ssl=self._tls or True,
                    max_msg_size=0, server_hostname=self._server_name)
            except aiohttp.WSServerHandshakeError as error:
                raise requests.of_code(error.status, error.message) from error
        async with socket:
            yield socket

    @contextlib.asynccontextmanager
    async def respond(self, method: str, path: str, *, query: Iterable[tuple[str, str]] = (), body: Body = None,
                      headers: Mapping[str, str] | None = None,
                      timeout: aiohttp.ClientTimeout | None = None) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and hand out the answer itself. Raises errors.ApiError for any but 2xx.

        What goes wrong inside the `async with` is the caller's own and passes through as it is.
        """
        with self._translated():
            response = await self._open().request(
                method, self._url(path, query), data=body, headers={**self._headers, **(headers or {})},
                ssl=self._tls or True, server_hostname=self._server_name, allow_redirects=False,
                timeout=timeout or self._timeout)
        try:
            if not 200 <= response.status < 300:
                with self._translated():
                    raise requests.error(response.status, await response.read(), response.headers)
            yield response
        finally:
            response.release()

    async def _pieces(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        while True:
            with self._translated():
                piece = await response.content.readany()
            if not piece:
                return
            yield piece

    async def _send(self, request: requests.Request) -> bytes:
        return await self.request(request.method, request.path, query=request.query, body=request.body,
                                  headers=request.headers)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=True,
                                                  cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    def _url(self, path: str, query: Iterable[tuple[str, str]]) -> yarl.URL:
        target = requests.Request(method="", path=path, query=tuple(query)).target
        return yarl.URL(self._server + target, encoded=True)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what the network does into errors.Unavailable."""
        try:
            yield
        except TimeoutError as error:
            raise errors.Unavailable(f"{self._server}: no answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise errors.Unavailable(f"{self._server}: {error or type(error).__name__}") from error


def tls_context(ca: bytes, certificate: bytes = b"", key: bytes = b"") -> ssl.SSLContext:
    """Return a context that trusts `ca` alone and shows a client certificate, all given as PEM.

    Raises:
        ValueError: one of them is no PEM, or the key is not that of the certificate.
    """
    try:
        context = ssl.create_default_context(cadata=ca.decode("ascii"))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate:
            # The ssl module reads certificates from files only; these are private and gone at once.
            with tempfile.TemporaryDirectory() as directory:
                chain = Path(directory, "client.pem")
                chain.touch(0o600)
                chain.write_bytes(certificate.rstrip() + b"\n" + key)
                context.load_cert_chain(chain)
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise ValueError(f"unusable certificate or key: {error}") from error
    return context


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Split a stream into lines of any length; what is left without an end of line was cut off and is dropped."""
    rest = bytearray()
    async for piece in pieces:
        *lines, tail = piece.split(b"\n")
        for line in lines:
            whole = bytes(rest) + line
            rest.clear()
            if whole.strip():
                yield whole
        rest += tail
        if len(rest) > MAX_LINE_BYTES:
            raise errors.Unavailable(f"the server sent more than {MAX_LINE_BYTES} bytes without an end of line")


def _event(kind: type[O], line: bytes) -> WatchEvent[O]:
    event = _decode(_Event, line)
    if event.type == "ERROR":
        status = _decode(dict[str, Any], event.object)
        raise requests.of_status(status)
    return WatchEvent(event.type, _decode(kind, event.object))


def _decode(kind: type[T], data: bytes | msgspec.Raw) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise errors.Unavailable(f"the server sent no {getattr(kind, '__name__', kind)}: {error}") from error


