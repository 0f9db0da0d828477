"""Writes the OpenAPI v2 document as Protocol Buffers: the one form kubectl up to 1.27, and `explain` of v2, can read.

Field numbers are those of `openapiv2/OpenAPIv2.proto` (https://github.com/google/gnostic). What clients look at is
written: the schemas, and of each operation its kind, its action and its query parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
"""As clients ask for it."""
CONTENT_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""As it is answered, and as newer clients ask for it: an @ is not allowed in the name of a media type."""

_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}


def encode(document: Mapping[str, Any]) -> bytes:
    """Return an OpenAPI v2 document as bytes."""
    info = document["info"]
    paths = b"".join(_message(2, _text(1, path) + _message(2, _path(operations)))
                     for path, operations in document["paths"].items())
    definitions = b"".join(_named(1, name, schema) for name, schema in document["definitions"].items())
    return (_text(1, document["swagger"]) + _message(2, _text(1, info["title"]) + _text(2, info["version"]))
            + _message(8, paths) + _message(9, definitions))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _message(field: int, body: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(body)) + body


def _text(field: int, value: str) -> bytes:
    return _message(field, value.encode())


def _flag(field: int, value: object) -> bytes:
    return _varint(field << 3) + b"\x01" if value else b""


def _extensions(field: int, holder: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield what begins with `x-`; values are carried as YAML, which JSON is."""
    for key, value in holder.items():
        if key.startswith("x-"):
            yield _message(field, _text(1, key) + _message(2, _message(2, msgspec.json.encode(value))))


def _named(field: int, name: str, schema: Mapping[str, Any]) -> bytes:
    return _message(field, _text(1, name) + _message(2, _schema(schema)))


def _schema(schema: Mapping[str, Any]) -> bytes:
    parts = [_text(number, schema[key]) for key, number in (("$ref", 1), ("format", 2), ("description", 4))
             if key in schema]
    parts += [_text(19, each) for each in schema.get("required", ())]
    parts += [_message(20, _message(2, msgspec.json.encode(each))) for each in schema.get("enum", ())]
    if "additionalProperties" in schema:
        parts.append(_message(21, _message(1, _schema(schema["additionalProperties"]))))
    if "type" in schema:
        parts.append(_message(22, _text(1, schema["type"])))
    if "items" in schema:
        parts.append(_message(23, _message(1, _schema(schema["items"]))))
    if "properties" in schema:
        inner = b"".join(_named(1, name, each) for name, each in schema["properties"].items())
        parts.append(_message(25, inner))
    return b"".join([*parts, *_extensions(31, schema)])


def _path(operations: Mapping[str, Any]) -> bytes:
    parts = [_message(number, _operation(operations[method])) for method, number in _METHODS.items()
             if method in operations]
    return b"".join(parts + [_message(9, _parameter(each)) for each in operations["parameters"]])


def _operation(operation: Mapping[str, Any]) -> bytes:
    parts = [_text(1, each) for each in operation["tags"]]
    parts += [_text(3, operation["description"]), _text(5, operation["operationId"])]
    parts += [_text(6, each) for each in operation["produces"]]
    parts += [_text(7, each) for each in operation["consumes"]]
    parts += [_message(8, _parameter(each)) for each in operation["parameters"]]
    return b"".join([*parts, *_extensions(13, operation)])


def _parameter(parameter: Mapping[str, Any]) -> bytes:
    """Return a ParametersItem: a body, or a parameter in the query or the path."""
    required = parameter.get("required", False)
    if parameter["in"] == "body":
        body = (_text(2, parameter["name"]) + _text(3, "body") + _flag(4, required)
                + _message(5, _schema(parameter["schema"])))
        return _message(1, _message(1, body))
    query = parameter["in"] == "query"
    inner = (_flag(1, required) + _text(2, parameter["in"]) + _text(3, parameter["description"])
             + _text(4, parameter["name"]) + _text(6 if query else 5, parameter["type"])
             + _flag(20 if query else 19, parameter.get("uniqueItems")))
    return _message(1, _message(2, _message(3 if query else 4, inner)))
