"""Effects: sends the GET of a probe or hook from the node to a pod, as the kubelet does.

Certificates are not checked: a pod signs its own. Redirects are followed as long as they stay on the same host.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from edge.agent.probes import Response
from edge.api import core

PROBE, HOOK = "kube-probe/1.32", "kube-lifecycle/1.32"
MOST_HEADER_BYTES = 64 * 1024
MOST_HEADERS = 100
MOST_REDIRECTS = 10
BODY_BYTES = 10 * 1024


@dataclass(frozen=True, slots=True)
class _Request:
    url: str
    headers: tuple[tuple[str, str], ...]
    host: str


class GetError(Exception):
    """No answer came; the text says why, in Go's words."""


async def get(action: core.HTTPGetAction, port: int, address: str, seconds: float, agent: str) -> Response:
    """Send one GET, follow redirects, and return the last answer.

    Raises:
        GetError: there was none in time.
    """
    scheme = "https" if action.scheme.upper() == "HTTPS" else "http"
    path = action.path if action.path.startswith("/") else f"/{action.path}"
    first = f"{scheme}://{action.host or address}:{port}{path}"
    given = _headers(action, agent)
    request = _Request(first, given, next((value for name, value in given if name.lower() == "host"), ""))
    try:
        async with asyncio.timeout(seconds):
            return await _follow(request)
    except TimeoutError as error:
        raise GetError(f'Get "{first}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
                       ) from error
    except OSError as error:
        place = urlsplit(first).netloc
        raise GetError(f'Get "{first}": dial tcp {place}: connect: {why(error)}') from error
    except ValueError as error:
        raise GetError(f'Get "{first}": {error}') from error


def why(error: OSError) -> str:
    """Return the system's words for an error, as Go writes them."""
    text = error.strerror or str(error)
    return "connection refused" if isinstance(error, ConnectionRefusedError) else text[:1].lower() + text[1:]


def _headers(action: core.HTTPGetAction, agent: str) -> tuple[tuple[str, str], ...]:
    """Return the headers of the request but for its host; an empty Accept or User-Agent leaves that one out."""
    given = {header.name.lower() for header in action.http_headers}
    own = {"User-Agent": agent, "Accept": "*/*", "Connection": "close"}
    return (*((name, value) for name, value in own.items() if name.lower() not in given),
            *((header.name, header.value) for header in action.http_headers
              if header.value or header.name.lower() not in ("accept", "user-agent")))


async def _follow(request: _Request) -> Response:
    """Raises OSError, or ValueError for an answer that is not HTTP and for too many redirects."""
    first = urlsplit(request.url).hostname
    for _ in range(MOST_REDIRECTS):
        response = await _send(request)
        url = urljoin(request.url, response.location)
        if response.status not in (301, 302, 303, 307, 308) or not response.location \
                or urlsplit(url).hostname != first or urlsplit(url).scheme not in ("http", "https"):
            return response
        relative = not urlsplit(response.location).netloc
        request = _Request(url, request.headers, request.host if relative else "")
    raise ValueError(f"stopped after {MOST_REDIRECTS} redirects")


async def _send(request: _Request) -> Response:
    parts = urlsplit(request.url)
    secure = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"GET {target} HTTP/1.1", f"Host: {request.host or parts.netloc}",
             *(f"{name}: {value}" for name, value in request.headers if name.lower() != "host")]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header or the path has a line break in it")
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or (443 if secure else 80),
                                                   ssl=_unchecked() if secure else None, limit=MOST_HEADER_BYTES)
    try:
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await writer.drain()
        return await _answer(reader)
    finally:
        end(writer)
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def end(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and at once where the peer has not taken what was said: it may never do so."""
    writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()


async def _answer(reader: asyncio.StreamReader) -> Response:
    words = (await reader.readline()).split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise ValueError("malformed HTTP response")
    status, location = int(words[1]), ""
    if not 300 <= status < 400:
        return Response(status)
    for _ in range(MOST_HEADERS):
        line = (await reader.readline()).strip()
        if not line:
            break
        name, _, value = line.decode("latin-1").partition(":")
        location = value.strip() if name.lower() == "location" else location
    return Response(status, location, await reader.read(BODY_BYTES))


def _unchecked() -> ssl.SSLContext:
    # Not create_default_context, which reads all the authorities of the system at each probe.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
