"""Writes answers: stored bytes as they are wherever possible; Tables, metadata and old versions the slow way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from edge.api import custom, errors, scheme
from edge.apiserver import content, tables
from edge.apiserver.content import Wanted
from edge.apiserver.listing import Listing


class _Metadata(msgspec.Struct):
    metadata: msgspec.Raw = msgspec.Raw(b"{}")


class _Revision(msgspec.Struct):
    resourceVersion: str = ""  # noqa: N815 - the name on the wire


_metadata = msgspec.json.Decoder(_Metadata)
_dict = msgspec.json.Decoder(dict[str, Any])


class View:
    """How one request sees the objects of a resource: its API version, the form it asked for, and the time.

    The time is asked for anew with each event: a watch lasts long, and the ages it prints go on.
    """

    def __init__(self, resource: scheme.Resource, api_version: str, wanted: Wanted, now: Callable[[], datetime],
                 include_object: str = "") -> None:
        self.resource = resource
        self.api_version = api_version
        self.wanted = wanted
        self._now = now
        self._include = include_object or "Metadata"
        if wanted.form == content.TABLE and self._include not in ("Metadata", "None", "Object"):
            raise errors.BadRequest("Unable to convert to Table as requested: includeObject: Invalid value: "
                                    f"{msgspec.json.encode(self._include).decode()}: must be 'Metadata', 'Object', "
                                    "'None', or empty")
        self.as_stored = not wanted.form and api_version == resource.api_version and not (
            isinstance(resource, custom.CustomResource) and resource.mixed)

    def object(self, value: bytes) -> bytes:
        """Return one object as this request sees it."""
        if self.as_stored:
            return value
        if self.wanted.form == content.TABLE:
            return self.table([value], _revision(value))
        if self.wanted.form == content.PARTIAL_LIST:
            raise self._other_form("is not a list", self.resource.kind)
        if self.wanted.form:
            return self._partial(value)
        return self._item(value)

    def list(self, listing: Listing) -> bytes:
        """Return a listing as this request sees it."""
        if self.wanted.form == content.TABLE:
            return self.table([record.value for record in listing.records], str(listing.revision), listing)
        if self.wanted.form == content.PARTIAL:
            raise self._other_form("is a list", self.resource.list_kind)
        if self.wanted.form:
            kind, version = content.PARTIAL_LIST, f"meta.k8s.io/{self.wanted.version}"
        else:
            kind, version = self.resource.list_kind, self.api_version
        if self.as_stored:
            items: Sequence[bytes] = [record.value for record in listing.records]
        else:
            items = [self._item(record.value) for record in listing.records]
        head = msgspec.json.encode(list_metadata(listing))
        return b'{"kind":"%s","apiVersion":"%s","metadata":%s,"items":[%s]}\n' % (
            kind.encode(), version.encode(), head, b",".join(items))

    def _item(self, value: bytes) -> bytes:
        if self.wanted.form:
            return self._partial(value)
        return msgspec.json.encode(scheme.to_version(self.resource, self.api_version, _dict.decode(value)))

    def _other_form(self, why: str, kind: str) -> errors.NotAcceptable:
        version = self.api_version.rpartition("/")[2]
        return errors.NotAcceptable(f"you requested {self.wanted.form}, but the requested object {why} "
                                    f"(*{version}.{kind})")

    def table(self, values: Sequence[bytes], revision: str, listing: Listing | None = None, *,
              columns: bool = True) -> bytes:
        """Return objects as a Table, which is what `kubectl get` prints."""
        metadata = list_metadata(listing) if listing else {"resourceVersion": revision}
        objects = [_dict.decode(value) for value in values]
        body = tables.table(self.resource, objects, self._now(), api_version=self.api_version,
                            include_object=self._include, metadata=metadata, header=columns)
        body["apiVersion"] = f"meta.k8s.io/{self.wanted.version}"
        for row, obj in zip(body["rows"], objects, strict=True):
            if self._include == "Metadata":
                row["object"]["apiVersion"] = body["apiVersion"]
            elif self._include == "Object":
                row["object"] = scheme.to_version(self.resource, self.api_version, obj)
        return msgspec.json.encode(body)

    def _partial(self, value: bytes) -> bytes:
        return b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/%s","metadata":%s}' % (
            self.wanted.version.encode(), bytes(_metadata.decode(value).metadata))

    def event(self, value: bytes, *, first: bool, bookmark: bool = False) -> bytes:
        """Return the object of a watch event; of Tables only the first carries the columns."""
        if self.as_stored:
            return value
        if self.wanted.form == content.TABLE:
            return self.table([value], _revision(value), columns=first)
        if self.wanted.form or not bookmark:
            return self.object(value)
        return value


def list_metadata(listing: Listing) -> dict[str, Any]:
    """Return the metadata of a listing."""
    metadata: dict[str, Any] = {"resourceVersion": str(listing.revision)}
    if listing.continue_token:
        metadata["continue"] = listing.continue_token
    if listing.remaining:
        metadata["remainingItemCount"] = listing.remaining
    return metadata


def _revision(value: bytes) -> str:
    return msgspec.json.decode(_metadata.decode(value).metadata, type=_Revision).resourceVersion


def success(details: dict[str, Any] | None = None, code: int = 0) -> dict[str, Any]:
    """Return the Status that says something was done."""
    body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if details:
        body["details"] = {key: value for key, value in details.items() if value}
    return {**body, "code": code} if code else body
