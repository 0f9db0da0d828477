"""Writes answers as YAML, for people who ask for it with their Accept header.

Programs ask for JSON. A large answer is written as JSON all the same, which is YAML too and costs nothing.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import yaml

MEDIA_TYPE = "application/yaml"
LARGEST_BYTES = 256 * 1024
"""What is written as people like it; a megabyte would hold everybody else up for a second."""
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*( [A-Za-z_/][A-Za-z0-9_./-]*)*")
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"}
"""What some readers take for something other than text."""
_Emitter: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_Emitter):  # type: ignore[misc]
    """Quotes every text that a reader of any version of YAML could take for something else."""


def _text(dumper: Any, value: str) -> Any:
    style = None if _PLAIN.fullmatch(value) and value.lower() not in _WORDS else '"'
    if "\n" in value and value.strip() and value.isprintable() is False and _printable_lines(value):
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _printable_lines(value: str) -> bool:
    return all(line.isprintable() for line in value.split("\n"))


_Dumper.add_representer(str, _text)


def written(body: bytes) -> bytes:
    """Return a JSON document as YAML."""
    if len(body) > LARGEST_BYTES:
        return body
    text: str = yaml.dump(msgspec.json.decode(body), Dumper=_Dumper, default_flow_style=False, allow_unicode=True,
                          width=2**31 - 1)
    return text.encode()
