"""Reads protobuf request bodies into what the same body would be as JSON.

Answers are always JSON, which every client also takes. A message or field that is not in the table is refused and
never dropped. https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from edge.api import errors, times
from edge.apiserver.protobuf_fields import INLINE, LATER, MESSAGES

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_DEEPEST = 64
_MAPS = ("ss", "sy", "sq", "extra")

Field = tuple[str, str, bool]
"""JSON name, type, whether it repeats."""


def decode(body: bytes) -> dict[str, Any]:
    """Return the object with its apiVersion and kind.

    Raises:
        errors.UnsupportedMediaType: for a message or field that is not known here.
        errors.BadRequest: when the bytes are no protobuf.
    """
    if not body.startswith(_MAGIC):
        raise errors.BadRequest("provided data does not appear to be a protobuf message, "
                                "expected prefix [107 56 115 0]")
    try:
        envelope = dict(_fields(body[len(_MAGIC):]))
        header = dict(_fields(_bytes(envelope.get(1, b""))))
        api_version, kind = _bytes(header.get(1, b"")).decode(), _bytes(header.get(2, b"")).decode()
        if envelope.get(3):
            raise errors.UnsupportedMediaType("encoded protobuf bodies are not accepted; send application/json")
        if kind == "Event" and api_version != "v1":
            # The same name with other numbers.
            raise errors.UnsupportedMediaType(f"{api_version} Event is not accepted as {MEDIA_TYPE}; "
                                              "send application/json")
        named = f"{api_version} {kind}"
        message = named if named in MESSAGES else kind
        return {"apiVersion": api_version, "kind": kind, **_message(message, _bytes(envelope.get(2, b"")), 0)}
    except (ValueError, IndexError, OverflowError) as error:
        raise errors.BadRequest(f"unable to decode protobuf body: {error}") from error


@lru_cache(maxsize=256)
def _table(kind: str) -> dict[int, Field]:
    table = {}
    for word in MESSAGES[kind].split():
        name, _, rest = word.partition("=")
        number, _, shape = rest.partition(":")
        table[int(number)] = (name, shape.removeprefix("*"), shape.startswith("*"))
    return table


def _message(kind: str, data: bytes, depth: int) -> dict[str, Any]:
    if kind not in MESSAGES:
        raise errors.UnsupportedMediaType(f"{kind} is not accepted as {MEDIA_TYPE}; send application/json")
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    table = _table(kind)
    found: dict[str, Any] = {}
    for number, value in _fields(data):
        if number not in table:
            raise errors.UnsupportedMediaType(f"field {number} of {kind} is not accepted as {MEDIA_TYPE}; "
                                              "send application/json")
        name, shape, repeats = table[number]
        if name == LATER:
            continue
        if shape in _MAPS:
            key, item = _entry(shape, _bytes(value))
            found.setdefault(name, {})[key] = item
            continue
        item = _value(shape, value, depth)
        if name == INLINE:
            found.update(item)
        elif repeats:
            found.setdefault(name, []).append(item)
        elif not name:
            found.update(item)
        elif item is not None:
            found[name] = item
    return found


def _value(shape: str, value: int | bytes, depth: int) -> Any:
    match shape:
        case "i":
            return _signed(_integer(value))
        case "b":
            return bool(_integer(value))
        case "s":
            return _bytes(value).decode()
        case "y":
            return base64.b64encode(_bytes(value)).decode()
        case "t":
            return _time(_bytes(value))
        case "m":
            return _micro_time(_bytes(value))
        case "q":
            return _bytes(dict(_fields(_bytes(value))).get(1, b"0")).decode()
        case "x":
            parts = dict(_fields(_bytes(value)))
            is_text = parts.get(1, 0) == 1
            return _bytes(parts.get(3, b"")).decode() if is_text else _signed(_integer(parts.get(2, 0)))
    return _message(shape, _bytes(value), depth + 1)


def _entry(shape: str, data: bytes) -> tuple[str, Any]:
    parts = dict(_fields(data))
    key, value = _bytes(parts.get(1, b"")).decode(), _bytes(parts.get(2, b""))
    if shape == "extra":
        return key, [_bytes(item).decode() for _, item in _fields(value)]
    return key, _value(shape[1], value, 0)


def _time(data: bytes) -> str | None:
    """Return a Time; an empty one, or Go's zero time, is none."""
    seconds = _signed(_integer(dict(_fields(data)).get(1, 0)))
    return times.render(datetime.fromtimestamp(seconds, UTC)) if seconds > 0 else None


def _micro_time(data: bytes) -> str | None:
    parts = dict(_fields(data))
    seconds, nanoseconds = _signed(_integer(parts.get(1, 0))), _integer(parts.get(2, 0))
    if seconds <= 0:
        return None
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds // 1000 % 1_000_000:06d}Z"


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
        elif wire == 2:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise ValueError("unexpected end of data")
            yield number, data[at:at + length]
            at += length
        else:
            raise ValueError(f"wire type {wire} of field {number}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("number too long")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _integer(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise ValueError("expected a number")
    return value


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("expected bytes")
    return value
