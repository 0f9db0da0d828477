"""Reads the subject and the end of a certificate or request without the cryptography library, which is large for that.

Nothing is verified here: a node reads what it has on its own card.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from edge.pki import der

_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----\s+(.*?)\s*-----END \1-----", re.DOTALL)
_COMMON_NAME, _SERIAL_NUMBER = bytes.fromhex("550403"), bytes.fromhex("550405")
_UTC_TIME = 0x17
_FIRST_CENTURY_YEAR = 50
"""UTCTime has two digits of the year: from 50 on it is the 20th century (RFC 5280, 4.1.2.5.1)."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate or request names, and until when it is good; a request has no end."""

    name: str
    serial: str = ""
    not_after: datetime = datetime(1970, 1, 1, tzinfo=UTC)


def certificate(pem: str) -> Subject:
    """Return the subject of the first certificate in a text. Raises ValueError when there is none that can be read."""
    content = _decoded(pem, "CERTIFICATE")
    try:
        _, outer, _ = der.element(content, 0)
        _, at, _ = der.element(content, outer)
        # Version (tagged 0, optional), serial, signature and issuer come before the validity and the subject.
        for _ in range(4 if content[at] == 0xA0 else 3):
            _, _, at = der.element(content, at)
        _, start, after = der.element(content, at)
        _, _, second = der.element(content, start)
        name, serial = _names(content, after)
        return Subject(name, serial, _time(*_value(content, second)))
    except IndexError as error:
        raise ValueError("not a certificate") from error


def request(pem: str) -> Subject:
    """Return the subject of a certificate request. Raises ValueError when it cannot be read."""
    content = _decoded(pem, "CERTIFICATE REQUEST")
    try:
        _, outer, _ = der.element(content, 0)
        _, at, _ = der.element(content, outer)
        _, _, at = der.element(content, at)  # the version
        return Subject(*_names(content, at))
    except IndexError as error:
        raise ValueError("not a certificate request") from error


def _decoded(pem: str, label: str) -> bytes:
    found = _PEM.search(pem)
    if found is None or found[1] != label:
        raise ValueError(f"there is no {label}")
    try:
        return base64.b64decode("".join(found[2].split()), validate=True)
    except binascii.Error as error:
        raise ValueError(f"the {label} is damaged") from error


def _names(content: bytes, at: int) -> tuple[str, str]:
    """Return common name and serial number of the Name at an offset; "" for what it has not."""
    found: dict[bytes, str] = {}
    _, at, end = der.element(content, at)
    while at < end:
        _, inside, at = der.element(content, at)  # one SET
        _, pair, _ = der.element(content, inside)
        _, start, stop = der.element(content, pair)
        found[content[start:stop]] = _value(content, stop)[1].decode(errors="replace")
    return found.get(_COMMON_NAME, ""), found.get(_SERIAL_NUMBER, "")


def _value(content: bytes, at: int) -> tuple[int, bytes]:
    tag, start, end = der.element(content, at)
    return tag, content[start:end]


def _time(tag: int, content: bytes) -> datetime:
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if int(text[:2]) >= _FIRST_CENTURY_YEAR else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
