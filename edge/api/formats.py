"""The forms of texts that schemas name: date-time, ipv4, uuid, hostname and so on, as Kubernetes checks them.

A format that is not here is a remark for people and checks nothing. Every check takes time linear in the text.
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import date

from edge.api import quantity

_TIME = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?([zZ]|[+-][0-9]{2}:[0-9]{2})")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_EMAIL = re.compile(r"[^\s@<>(),;:\\\"\[\]]+@[^\s@<>(),;:\\\"]+")
_GO_DURATION = re.compile(r"[+-]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)")
_WORDED_DURATION = re.compile(
    r"([0-9]+\s*(ns|nanos?|us|µs|μs|micros?|ms|millis?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|"
    r"weeks?|nanoseconds?|microseconds?|milliseconds?)\s*)+")
_BASE64 = re.compile(r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})")
_MAC = re.compile(r"([0-9a-fA-F]{2}([:-]))([0-9a-fA-F]{2}\2){4,18}[0-9a-fA-F]{2}"
                  r"|([0-9a-fA-F]{4}\.){2,9}[0-9a-fA-F]{4}")
_MAC_DIGITS = (12, 16, 40)
_UUID = "[0-9a-f]{8}-?[0-9a-f]{4}-?%s-?%s-?[0-9a-f]{12}"
_HEX, _VARIANT = "[0-9a-f]{4}", "[89ab][0-9a-f]{3}"


def check(name: str) -> Callable[[str], bool] | None:
    """Return what tells whether a text has the form of that name; None when the name means nothing."""
    return _CHECKS.get(name.replace("-", ""))


def known(name: str, kind: str) -> bool:
    """Return whether a format is checked for values of a type."""
    if kind == "integer":
        return name in ("int32", "int64")
    if kind == "number":
        return name in ("float", "double")
    return kind in ("", "string") and check(name) is not None


def integer_fits(name: str, value: int) -> bool:
    """Return whether a number fits into int32; anything else is 64 bits wide."""
    bits = 31 if name == "int32" else 63
    return -(1 << bits) <= value < 1 << bits


def _date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _date_time(text: str) -> bool:
    day, _, time = text.replace("t", "T").partition("T")
    match = _TIME.fullmatch(time)
    return match is not None and _date(day) and int(match[1]) < 24 and int(match[2]) < 60 and int(match[3]) < 60


def _address(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version and "%" not in text
    except ValueError:
        return False


def _cidr(text: str) -> bool:
    address, slash, bits = text.partition("/")
    if not slash or not bits.isascii() or not bits.isdigit() or len(bits) > 3:
        return False
    version = 6 if ":" in address else 4
    return _address(address, version) and int(bits) <= (128 if version == 6 else 32)


def _hostname(text: str) -> bool:
    def fine(label: str) -> bool:
        return 0 < len(label) <= 63 and label[0] != "-" and label[-1] != "-" and all(
            char == "-" or char.isalnum() for char in label)

    return len(text) <= 255 and all(fine(label) for label in text.split("."))


def _uri(text: str) -> bool:
    if not text or any(ord(char) < 32 or ord(char) == 127 for char in text):
        return False
    if re.search(r"%(?![0-9a-fA-F]{2})", text):
        return False
    scheme = _SCHEME.match(text)
    if scheme is None:
        return text.startswith("/")
    rest = text[scheme.end():]
    return not rest.startswith("//") or " " not in rest[2:].split("/")[0]


def _email(text: str) -> bool:
    if len(text) > 1000:
        return False
    if text.endswith(">") and "<" in text:
        text = text[text.rindex("<") + 1:-1]
    return _EMAIL.fullmatch(text) is not None and not text.startswith(".") and ".." not in text


def _mac(text: str) -> bool:
    return _MAC.fullmatch(text) is not None and sum(char.isalnum() for char in text) in _MAC_DIGITS


def _quantity(text: str) -> bool:
    try:
        quantity.parse(text)
    except ValueError:
        return False
    return True


def _like(pattern: str) -> Callable[[str], bool]:
    form = re.compile(pattern, re.ASCII | re.IGNORECASE)
    return lambda text: form.fullmatch(text) is not None


def _isbn10(text: str) -> bool:
    digits = text.replace("-", "").replace(" ", "")
    if not re.fullmatch(r"[0-9]{9}[0-9Xx]", digits):
        return False
    return sum((10 - place) * (10 if digit in "xX" else int(digit)) for place, digit in enumerate(digits)) % 11 == 0


def _isbn13(text: str) -> bool:
    digits = text.replace("-", "").replace(" ", "")
    if not re.fullmatch(r"[0-9]{13}", digits):
        return False
    return sum((3 if place % 2 else 1) * int(digit) for place, digit in enumerate(digits)) % 10 == 0


_CHECKS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": _like(r"[0-9a-f]{24}"), "uri": _uri, "email": _email, "hostname": _hostname,
    "ipv4": lambda text: _address(text, 4), "ipv6": lambda text: _address(text, 6), "cidr": _cidr, "mac": _mac,
    "uuid": _like(_UUID % (_HEX, _HEX)), "uuid3": _like(_UUID % ("3[0-9a-f]{3}", _HEX)),
    "uuid4": _like(_UUID % ("4[0-9a-f]{3}", _VARIANT)), "uuid5": _like(_UUID % ("5[0-9a-f]{3}", _VARIANT)),
    "isbn": lambda text: _isbn10(text) or _isbn13(text), "isbn10": _isbn10, "isbn13": _isbn13,
    "ssn": _like(r"[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}"), "hexcolor": _like(r"#?([0-9a-f]{3}|[0-9a-f]{6})"),
    "rgbcolor": _like(r"rgb\(\s*[0-9]{1,3}\s*,\s*[0-9]{1,3}\s*,\s*[0-9]{1,3}\s*\)"),
    "byte": lambda text: _BASE64.fullmatch(text) is not None, "password": lambda text: True, "date": _date,
    "datetime": _date_time, "quantity": _quantity,
    "duration": lambda text: _GO_DURATION.fullmatch(text) is not None or _WORDED_DURATION.fullmatch(text) is not None,
}
