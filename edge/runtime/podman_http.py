"""Requests to Podman's REST socket, and what can go wrong with them as the runtime's exceptions."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import aiohttp
import msgspec
from aiohttp.http_exceptions import HttpProcessingError

from edge.runtime.containers import EngineAway, RuntimeFailure
from edge.runtime.podman_streams import failure

LIBPOD = "/v4.0.0/libpod"
CALL_TIMEOUT = aiohttp.ClientTimeout(total=120, sock_connect=5)
LONG_TIMEOUT = aiohttp.ClientTimeout(total=1800, sock_connect=5)


class PodmanConnection:
    """The service behind one socket."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._http: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None

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
        with translated(self._socket):
            request = self._session().request(
                method, f"http://podman{LIBPOD}{path}", params=query, data=data, headers=headers, timeout=timeout
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
        api: str = LIBPOD,
    ) -> AsyncIterator[dict[str, Any]]:
        """Make one request and yield the JSON documents of its answer as they come."""
        with translated(self._socket):
            request = self._session().request(
                method, f"http://podman{api}{path}", params=query, headers=headers, timeout=timeout
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
def translated(socket: str) -> Any:
    """Raise what aiohttp and the socket raise as failures of the engine."""
    try:
        yield
    except TimeoutError as error:
        raise EngineAway(f"podman at {socket} took too long") from error
    except (aiohttp.ClientError, OSError) as error:
        raise EngineAway(f"podman does not answer at {socket}: {error}") from error
    except (ValueError, RecursionError, HttpProcessingError) as error:  # no JSON, or a line without an end
        line = " ".join(str(error).split())[:1024]
        raise RuntimeFailure(f"podman answered with something else than JSON: {line}") from error


@contextlib.contextmanager
def understood(what: str) -> Iterator[None]:
    """Raise what comes of JSON that is not as it should be as a failure of the engine."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise RuntimeFailure(f"podman answered with something else than {what}: {error!r}") from error
