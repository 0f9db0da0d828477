"""TLS toward programs that the API server calls, and what is said when one cannot be reached.

Whom to trust is in each webhook's and APIService's `caBundle`; the settings made of one are kept for the next call.
Certificates are judged as Go does it: the names in them count, the common name does not, and what is in the bundle is
trusted as it is.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import aiohttp

from edge.api import errors

T = TypeVar("T")
# What a machine without power leaves open is noticed after so many seconds, idle or not.
SILENCE_SECONDS = 20
_MOST_CONTEXTS = 64


def watch(connection: socket.socket) -> None:
    """Have the kernel end a connection to a machine that answers no more (tcp(7))."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENCE_SECONDS // 2)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, SILENCE_SECONDS // 4)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE_SECONDS * 1000)


class Trust:
    """TLS settings by authority. With an identity it is shown to whoever asks for one."""

    def __init__(self, identity: tuple[Path, Path] | None = None) -> None:
        self._identity = identity
        self._contexts: dict[tuple[str, bool, int], ssl.SSLContext] = {}

    def context(self, ca_bundle: str, *, insecure: bool = False) -> ssl.SSLContext:
        """Return the settings for a bundle (PEM in base64); the machine's authorities when it is empty.

        Raises errors.Unavailable for a bundle that cannot be used.
        """
        at = (ca_bundle, insecure, self._renewed())
        found = self._contexts.get(at)
        if found is None:
            try:
                found = self._made(ca_bundle, insecure)
            except (ssl.SSLError, OSError, ValueError) as error:
                raise errors.Unavailable("unable to load root certificates: unable to parse bytes as PEM block"
                                         ) from error
            while len(self._contexts) >= _MOST_CONTEXTS:
                self._contexts.pop(next(iter(self._contexts)))
            self._contexts[at] = found
        return found

    def _made(self, ca_bundle: str, insecure: bool) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.hostname_checks_common_name = False
        context.set_alpn_protocols(["http/1.1"])
        if insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif ca_bundle:
            try:
                context.load_verify_locations(cadata=base64.b64decode(ca_bundle).decode("ascii"))
            except binascii.Error as error:
                raise ValueError("the bundle is not base64") from error
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        else:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        if self._identity is not None:
            context.load_cert_chain(*self._identity)
        return context

    def _renewed(self) -> int:
        """Return what changes when the identity is renewed."""
        return 0 if self._identity is None else self._identity[0].stat().st_mtime_ns


def words(error: BaseException, where: str = "") -> str:
    """Return what Go says when a connection to `where` (host:port) fails."""
    cause = getattr(error, "os_error", None) or error
    dial = f"dial tcp {where}: " if where and isinstance(error, aiohttp.ClientConnectorError) else ""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"tls: failed to verify certificate: x509: {_certificate(error.certificate_error)}"
    if isinstance(cause, ssl.SSLError):
        return f"remote error: tls: {(cause.reason or str(cause)).lower().replace('_', ' ')}"
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return f"{dial}i/o timeout"
    if isinstance(cause, ConnectionRefusedError):
        return f"{dial}connect: connection refused"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"dial tcp: lookup {error.host}: no such host"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "EOF"
    if isinstance(cause, OSError) and cause.strerror:
        return f"{dial}connect: {cause.strerror.lower()}" if dial else cause.strerror.lower()
    return str(error) or type(error).__name__


def _certificate(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in (18, 19, 20, 21):
            return "certificate signed by unknown authority"
        return error.verify_message
    return str(error)


def in_turn(addresses: Sequence[T], turn: int) -> list[T]:
    """Return the addresses, beginning with the one whose turn it is."""
    start = turn % len(addresses) if addresses else 0
    return [*addresses[start:], *addresses[:start]]
