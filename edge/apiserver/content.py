"""Content negotiation: which form of an answer a client asks for with its Accept header.

https://kubernetes.io/docs/reference/using-api/api-concepts/#alternate-representations-of-resources
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.api import errors

PLAIN, TABLE, PARTIAL, PARTIAL_LIST = "", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"
_META_VERSIONS = ("v1", "v1beta1")
_ANY = ("application/json", "application/*", "*/*")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The form of an answer: plain JSON, or one of meta.k8s.io's forms in a version."""

    form: str = PLAIN
    version: str = "v1"

    @property
    def content_type(self) -> str:
        """The Content-Type of the answer; clients look at its parameters."""
        return f"application/json;as={self.form};v={self.version};g=meta.k8s.io" if self.form else "application/json"


JSON = Wanted()


def negotiate(accept: str) -> Wanted:
    """Return the first form in the header that can be given.

    Raises:
        errors.NotAcceptable: when there is none, as for a client that speaks only protobuf.
    """
    if not accept or accept in _ANY:
        return JSON
    for entry in accept.split(","):
        media, *rest = (part.strip() for part in entry.split(";"))
        if media.lower() not in _ANY:
            continue
        parameters = dict(part.split("=", 1) for part in rest if "=" in part)
        form = parameters.get("as", "")
        if not form:
            return JSON
        known = form in (TABLE, PARTIAL, PARTIAL_LIST) and parameters.get("g") == "meta.k8s.io"
        if known and parameters.get("v") in _META_VERSIONS:
            return Wanted(form, parameters["v"])
    raise errors.NotAcceptable("only the following media types are accepted: application/json")
