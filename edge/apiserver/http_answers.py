"""Makes aiohttp responses: JSON, errors as Status, warnings, compression."""

from __future__ import annotations

import gzip
import unicodedata
from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web

from edge.api import errors
from edge.apiserver import content

_COMPRESS_FROM_BYTES = 128 * 1024
_COMPRESSION_LEVEL = 1
_WARNINGS_CHARACTERS = 4096
_MOST_WARNINGS = 64
"""Each is a line of the head; many clients take no more than a hundred lines."""
_CUT_WARNING_CHARACTERS = 256
"""How long one warning may be when all together are too long."""
JSON = "application/json"


def answer(request: web.BaseRequest, body: bytes, status: int = 200, content_type: str = JSON,
           warnings: Sequence[str] = ()) -> web.Response:
    """Return a response, JSON as YAML if that is asked for; a large body is compressed for a client that takes gzip."""
    if content_type.startswith(JSON) and content.wants_yaml(request.headers.get("Accept", "")):
        from edge.apiserver import yaml_answers  # With the first one: 1 MiB for what hardly anybody asks for.

        body, content_type = yaml_answers.written(body), yaml_answers.MEDIA_TYPE + content_type.removeprefix(JSON)
    response = web.Response(body=body, status=status)
    response.headers["Content-Type"] = content_type
    response.headers["Cache-Control"] = "no-cache, private"
    warn(response, warnings)
    if len(body) > _COMPRESS_FROM_BYTES and "gzip" in request.headers.get("Accept-Encoding", ""):
        response.body = gzip.compress(body, _COMPRESSION_LEVEL, mtime=0)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
    return response


def warn(response: web.StreamResponse, warnings: Sequence[str]) -> None:
    """Add warnings, which kubectl prints, to a response that has not begun: each one once, and not without end.

    Clients bound the head of an answer, and a thousand unknown fields would make a thousand lines of it.
    """
    if not warnings:
        return
    texts = list(dict.fromkeys(_line(text) for text in warnings))
    room = _WARNINGS_CHARACTERS - sum(map(len, response.headers.getall("Warning", [])))
    if sum(map(len, texts)) > room:
        texts = [text[:_CUT_WARNING_CHARACTERS] for text in texts]
    for text in texts[:_MOST_WARNINGS - len(response.headers.getall("Warning", []))]:
        room -= len(text)
        if room < 0:
            break
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{escaped}"')


def _line(text: str) -> str:
    """Return a text without the characters that may not stand in a header."""
    return "".join(" " if unicodedata.category(each) in ("Cc", "Cs") else each for each in text)


def as_json(request: web.BaseRequest, value: Any, status: int = 200, content_type: str = JSON,
            warnings: Sequence[str] = ()) -> web.Response:
    """Return a value as JSON."""
    return answer(request, msgspec.json.encode(value) + b"\n", status, content_type, warnings)


def failure(request: web.BaseRequest, error: errors.ApiError) -> web.Response:
    """Return an error as a Status."""
    response = as_json(request, error.status(), error.code)
    retry = (error.details or {}).get("retryAfterSeconds")
    if retry:
        response.headers["Retry-After"] = str(retry)
    if error.code == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="edge"'
    return response


def text(request: web.BaseRequest, body: str, status: int = 200) -> web.Response:
    """Return plain text."""
    return answer(request, body.encode(), status, "text/plain; charset=utf-8")


class Taken(web.StreamResponse):
    """Stands for a connection whose bytes somebody else has carried; nothing more is written to it."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Tell aiohttp that the peer is gone."""
        raise ConnectionResetError("the connection was handed over")
