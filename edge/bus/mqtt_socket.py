"""The way to the broker below MQTT, TCP and TLS: how it is opened, and what its errors mean to a person."""

from __future__ import annotations

import socket
import ssl

CONNECT_SECONDS = 10.0
"""From the question for the broker's address until it has confirmed the subscriptions."""

_ALERTS = {
    "CERTIFICATE_REVOKED": "this machine's key was revoked: its certificate is good for nothing any more, and what it "
                           "runs goes on until it is let in again with a new key",
    "CERTIFICATE_EXPIRED": "this machine's certificate has expired",
    "UNKNOWN_CA": "this machine's certificate is not of the broker's authority",
}
"""What a TLS alert of the broker means (RFC 8446, section 6.2), by the end of OpenSSL's name for it."""


def open_socket(host: str, port: int, context: ssl.SSLContext | None) -> socket.socket:
    """Resolve, connect and shake hands, without TLS where there is no context; for a worker thread. Raises OSError and
    ValueError."""
    plain = socket.create_connection((host, port), timeout=CONNECT_SECONDS / 2)
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is None:
            return plain
        secure = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    except (OSError, ValueError):
        plain.close()
        raise
    try:
        secure.do_handshake()
    except (OSError, ValueError):
        secure.close()
        raise
    return secure


def describe(error: Exception) -> str:
    """Return what went wrong between here and the broker, in words for the log."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate is not good: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        said = next((words for name, words in _ALERTS.items() if reason.endswith(name)), "")
        return said or f"TLS failed: {reason or error}"
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error)
