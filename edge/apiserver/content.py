"""Content negotiation: which form of an answer a client asks for with its Accept header.

https://kubernetes.io/docs/reference/using-api/api-concepts/#alternate-representations-of-resources
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge.api import errors

PLAIN, TABLE, PARTIAL, PARTIAL_LIST = "", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"
_META_VERSIONS = ("v1", "v1beta1")
_JSON, _YAML = "application/json", "application/yaml"
_ANY = (_JSON, "application/*", "*/*")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The form of an answer: plain, or one of meta.k8s.io's forms in a version; JSON, or YAML for people."""

    form: str = PLAIN
    version: str = "v1"
    media: str = _JSON

    @property
    def content_type(self) -> str:
        """The Content-Type of the answer, which is made as JSON first; clients look at its parameters."""
        return f"{_JSON};as={self.form};v={self.version};g=meta.k8s.io" if self.form else _JSON


JSON = Wanted()


def negotiate(accept: str, *, streams: bool = False) -> Wanted:
    """Return the form that the header likes best of those that can be given; there are no streams of YAML.

    Raises:
        errors.NotAcceptable: when there is none, as for a client that speaks only protobuf.
    """
    if not accept or accept in _ANY:
        return JSON
    for media, parameters in _entries(accept):
        if media not in _ANY and (media != _YAML or streams):
            continue
        form = parameters.get("as", "")
        known = form in (TABLE, PARTIAL, PARTIAL_LIST) and parameters.get("g") == "meta.k8s.io"
        if not form or (known and parameters.get("v") in _META_VERSIONS):
            return Wanted(form, parameters["v"] if form else "v1", _YAML if media == _YAML else _JSON)
    given = f"{_JSON};stream=watch" if streams else f"{_JSON}, {_YAML}"
    raise errors.NotAcceptable(f"only the following media types are accepted: {given}")


def wants_yaml(accept: str) -> bool:
    """Return whether YAML is what the header likes best, whatever is asked for."""
    try:
        return "yaml" in accept and negotiate(accept).media == _YAML
    except errors.NotAcceptable:
        return False


def _entries(accept: str) -> list[tuple[str, dict[str, str]]]:
    """Return the media types of a header with their parameters, the best liked first, without what is not wanted."""
    found = []
    for entry in accept.split(","):
        media, *rest = (part.strip() for part in entry.split(";"))
        parameters = dict(part.split("=", 1) for part in rest if "=" in part)
        quality = _quality(parameters.get("q", "1"))
        if quality > 0:
            found.append((quality, media.lower(), parameters))
    found.sort(key=lambda each: -each[0])
    return [(media, parameters) for _, media, parameters in found]


def _quality(text: str) -> float:
    return float(text) if re.fullmatch(r"[01](\.[0-9]{0,3})?", text) else 1.0
