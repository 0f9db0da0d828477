"""Kubernetes' channel protocols on WebSockets: which one is spoken, and what a message means.

Each binary message begins with a channel number: 0 stdin, 1 stdout, 2 stderr, 3 error, 4 resize; version 5 adds 255,
which closes the channel named in the next byte. The base64 variants are for browsers: text, the channel as a digit.
The status on the error channel is the same one that SPDY's error stream carries.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
REMOTE_COMMAND = ("v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io",
                  "channel.k8s.io", "base64.channel.k8s.io")  # fmt: skip
TUNNEL = "SPDY/3.1+portforward.k8s.io"
PORT_FORWARD = (TUNNEL, "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "portforward.k8s.io")


class MessageError(ValueError):
    """The peer's message is no message of the channel protocol."""


@dataclass(frozen=True, slots=True)
class Message:
    """Bytes for a channel."""

    channel: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Size:
    """A terminal's size in characters."""

    width: int
    height: int


def choose(offered: Iterable[str], spoken: tuple[str, ...]) -> str | None:
    """Return the best protocol both speak, None when there is none; a client that offers nothing gets the oldest."""
    names = tuple(offered)
    if not names:
        return next((name for name in ("channel.k8s.io", "v4.channel.k8s.io") if name in spoken), None)
    return next((name for name in spoken if name in names), None)


def decode(message: bytes | str, protocol: str) -> Message:
    """Return what a message carries. Raises MessageError."""
    if "base64" in protocol:
        raw = message if isinstance(message, str) else message.decode("latin-1")
        try:
            return Message(int(raw[:1]), base64.b64decode(raw[1:], validate=True))
        except (ValueError, binascii.Error) as error:
            raise MessageError(f"not a base64 channel message: {error}") from error
    data = message.encode() if isinstance(message, str) else message
    if not data:
        raise MessageError("message without a channel")
    return Message(data[0], data[1:])


def encode(channel: int, data: bytes, protocol: str) -> bytes | str:
    """Return a message for `channel`; text for the base64 variants."""
    if "base64" in protocol:
        return f"{channel}{base64.b64encode(data).decode('ascii')}"
    return bytes((channel,)) + data


def closed_channel(message: Message, protocol: str) -> int | None:
    """Return the channel a version 5 close message ends, None for any other message."""
    if message.channel != CLOSE or not protocol.startswith("v5."):
        return None
    return message.data[0] if len(message.data) == 1 else None


def size(data: bytes) -> Size | None:
    """Return a terminal size from a resize message, None where it is not one (Kubernetes ignores those too)."""
    try:
        value = msgspec.json.decode(data)
        width, height = int(value["Width"]), int(value["Height"])
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        return None
    return Size(width, height) if 0 < width < 65536 and 0 < height < 65536 else None


def exit_status(code: int) -> bytes:
    """Return the Status a command's end is told with."""
    if code == 0:
        return msgspec.json.encode({"metadata": {}, "status": "Success"})
    return msgspec.json.encode({
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    })  # fmt: skip


def failure_status(message: str) -> bytes:
    """Return the Status for a command that could not be run at all."""
    return msgspec.json.encode(
        {"metadata": {}, "status": "Failure", "message": message, "reason": "InternalError", "code": 500}
    )


def status_for(text: bytes, protocol: str) -> bytes:
    """Return what goes on the error channel: before version 4 only the message, and nothing on success."""
    if protocol.startswith(("v4.", "v5.")):
        return text
    status = msgspec.json.decode(text)
    return str(status.get("message", "")).encode()
