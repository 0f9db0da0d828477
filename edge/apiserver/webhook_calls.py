"""Asks admission webhooks over HTTPS.

A call that found no connection goes to the next address of the service; one whose kept connection had just been closed
is made again. Everything else that goes wrong is told in Go's words, as people search for them.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import Protocol

import aiohttp
from yarl import URL

from edge.api import admissionregistration as types
from edge.api import errors
from edge.apiserver import dialing, endpoints
from edge.apiserver.webhook_reviews import Unusable
from edge.apiserver.webhooks import Hook

LARGEST_ANSWER_BYTES = 3 * 1024 * 1024
_LARGEST_SHOWN_BYTES = 1024
_MOST_CONNECTIONS = 64
_MOST_ADDRESSES = 3
_IDLE_SECONDS = 30.0
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json, */*", "Accept-Encoding": "identity",
            "User-Agent": "kube-apiserver-admission"}


class Ask(Protocol):
    """Sends an AdmissionReview."""

    async def __call__(self, hook: Hook, body: bytes) -> bytes:
        """Return what the webhook answered. Raises Unusable."""
        ...


class Calls:
    """Connections to webhooks."""

    def __init__(self, resolve: endpoints.Resolve, trust: dialing.Trust) -> None:
        self._resolve = resolve
        self._trust = trust
        self._session: aiohttp.ClientSession | None = None
        self._turns = itertools.count()

    async def ask(self, hook: Hook, body: bytes) -> bytes:
        """Return what the webhook answered. Raises Unusable."""
        url = address_of(hook.webhook.client_config, hook.timeout_seconds)
        try:
            async with asyncio.timeout(hook.timeout_seconds):
                return await self._post(hook.webhook.client_config, url, body)
        except TimeoutError as error:
            raise _failed(url, "context deadline exceeded") from error
        except (errors.ApiError, ValueError) as error:
            raise _failed(url, str(error)) from error

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, client: types.WebhookClientConfig, url: str, body: bytes) -> bytes:
        context = self._trust.context(client.ca_bundle)
        if client.service is None:
            return await self._send(url, URL(url, encoded=True), body, ssl=context)
        namespace, name = client.service.namespace, client.service.name
        found = self._resolve(namespace, name, client.service.port or endpoints.HTTPS_PORT)
        addresses = dialing.in_turn(found, next(self._turns))[:_MOST_ADDRESSES]
        for left, address in zip(range(len(addresses) - 1, -1, -1), addresses, strict=True):
            at = URL(url, encoded=True).with_host(address.host).with_port(address.port)
            try:
                return await self._send(url, at, body, ssl=context,
                                        server_hostname=endpoints.server_name(namespace, name))
            except _NotThere:
                if not left:
                    raise
        raise AssertionError("unreachable")

    async def _send(self, shown: str, url: URL, body: bytes, **how: object) -> bytes:
        """Post the body and return the answer, once more when the connection had been closed while it was idle."""
        where = f"{url.host}:{url.port}"
        for attempt in (1, 2):
            try:
                return await self._once(url, body, **how)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                if isinstance(error, aiohttp.ClientConnectorError):
                    raise _NotThere(_text(shown, dialing.words(error, where))) from error
                if attempt == 2:
                    raise _failed(shown, dialing.words(error, where)) from error
            except (aiohttp.ClientError, ValueError, OSError) as error:
                raise _failed(shown, dialing.words(error, where)) from error
        raise AssertionError("unreachable")

    async def _once(self, url: URL, body: bytes, **how: object) -> bytes:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=_MOST_CONNECTIONS, keepalive_timeout=_IDLE_SECONDS)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(),
                                                  timeout=aiohttp.ClientTimeout(total=None), auto_decompress=False)
        async with self._session.post(url, data=body, headers=_HEADERS, allow_redirects=False,
                                      **how) as answer:  # type: ignore[arg-type]
            parts, size = [], 0
            async for part in answer.content.iter_any():
                parts.append(part)
                size += len(part)
                if size > LARGEST_ANSWER_BYTES:
                    answer.close()
                    raise Unusable("failed to call webhook: the answer is larger than the limit of "
                                   f"{LARGEST_ANSWER_BYTES} bytes")
            data = b"".join(parts)
            if answer.status != 200:
                raise Unusable(f"failed to call webhook: {_status_words(answer.status, data)}")
            return data


class _NotThere(Unusable):
    """Nobody answered at that address, so nothing was sent."""


def address_of(client: types.WebhookClientConfig, timeout_seconds: int) -> str:
    """Return the URL a webhook is asked at, as messages show it."""
    if client.service is None:
        return f"{client.url}?timeout={timeout_seconds}s"
    service = client.service
    path = (service.path or "/").removeprefix("/")
    return (f"https://{endpoints.server_name(service.namespace, service.name)}:{service.port or endpoints.HTTPS_PORT}"
            f"/{path}?timeout={timeout_seconds}s")


def _failed(url: str, why: str) -> Unusable:
    return Unusable(_text(url, why))


def _text(url: str, why: str) -> str:
    return f'failed to call webhook: Post "{url}": {why}'


def _status_words(status: int, body: bytes) -> str:
    """Return what Kubernetes' client makes of an answer that is no success."""
    if status == 404:
        return "the server could not find the requested resource"
    text = body[:_LARGEST_SHOWN_BYTES].decode("utf-8", "replace").strip()
    if status >= 500:
        return f'an error on the server ("{text or "unknown"}") has prevented the request from succeeding'
    return (f"the server responded with the status code {status} but did not return more information"
            + (f": {text}" if text else ""))
