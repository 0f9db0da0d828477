"""The OpenAPI documents: v3 by group and version, and v2 in one piece, made from the registry when first asked for.

`kubectl explain`, `apply`, `diff` and client-side validation read them. A document is built once, kept compressed
(a tenth of its size), and everything it was built from is dropped again: most racks never ask for most of them.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from edge.api.custom import CustomResource
from edge.api.scheme import Resource
from edge.apiserver import discovery, openapi_paths, openapi_protobuf, openapi_schemas


@dataclass(frozen=True, slots=True)
class Document:
    """One document as it is kept: its bytes, compressed, and its ETag."""

    gzipped: bytes
    """For a client whose Accept-Encoding has gzip: sent as it is."""
    etag: str
    """With the quotes, as the header carries it."""

    def plain(self) -> bytes:
        """Return the document itself, for a client that takes no gzip."""
        return gzip.decompress(self.gzipped)


class Documents:
    """Every OpenAPI document of a server. The resources may change (custom resources): call `forget()` then."""

    def __init__(self, resources: Callable[[], Sequence[Resource]], version: str) -> None:
        """Take where to find what is served, and the version clients see in `info`."""
        self._resources = resources
        self._version = version
        self._kept: dict[str, Document] = {}

    def forget(self) -> None:
        """Drop what was built, because what is served has changed."""
        self._kept.clear()

    def index(self, others: Mapping[str, str] | None = None) -> Document:
        """Return the answer of `/openapi/v3`: where each group version's document is, with a hash in its address.

        `others` are addresses of documents that are not made here, by path.
        """
        return self._keep("index", lambda: self._index(others or {}))

    def v3(self, group: str, version: str) -> Document | None:
        """Return the answer of `/openapi/v3/apis/<group>/<version>` (`/openapi/v3/api/v1` for the core group)."""
        served = discovery.served(self._resources()).get(group, {})
        if version not in served:
            return None
        return self._keep(f"{group}/{version}",
                          lambda: v3_document(self._resources(), group, version, self._version))

    def hash_of(self, group: str, version: str) -> str:
        """Return the hash of a group version's document as the index has it; empty when that is not served."""
        members = discovery.served(self._resources()).get(group, {}).get(version, [])
        return _fingerprint(self._version, members) if members else ""

    def v2(self) -> Document:
        """Return the answer of `/openapi/v2`, as JSON."""
        return self._keep("v2", lambda: v2_document(self._resources(), self._version))

    def v2_protobuf(self) -> Document:
        """Return the answer of `/openapi/v2` to a client that accepts `openapi_protobuf.MEDIA_TYPE`."""
        return self._keep("v2 protobuf", lambda: v2_document(self._resources(), self._version),
                          openapi_protobuf.encode)

    def _keep(self, key: str, make: Callable[[], dict[str, Any]],
              encode: Callable[[dict[str, Any]], bytes] = msgspec.json.encode) -> Document:
        if key not in self._kept:
            data = encode(make())
            etag = f'"{hashlib.sha256(data).hexdigest()[:32].upper()}"'
            self._kept[key] = Document(gzip.compress(data, 6, mtime=0), etag)
        return self._kept[key]

    def _index(self, others: Mapping[str, str]) -> dict[str, Any]:
        paths = {path: {"serverRelativeURL": address} for path, address in others.items()}
        for group, versions in discovery.served(self._resources()).items():
            for version, members in versions.items():
                path = f"apis/{group}/{version}" if group else f"api/{version}"
                paths[path] = {"serverRelativeURL": address(group, version, _fingerprint(self._version, members))}
        return {"paths": paths}


def address(group: str, version: str, digest: str) -> str:
    """Return where the document of a group version is."""
    return f"/openapi/v3/{f'apis/{group}/{version}' if group else f'api/{version}'}?hash={digest}"


def _fingerprint(version: str, members: Sequence[Resource]) -> str:
    """Return a hash that changes with what a document would say, without building the document."""
    digest = hashlib.sha256(version.encode())
    for member in members:
        digest.update(repr((member.kind, member.plural, member.subresources, member.verbs)).encode())
        if isinstance(member, CustomResource):
            digest.update(repr(member.versions).encode())
        for field in msgspec.structs.fields(member.type):
            digest.update(field.encode_name.encode())
    return digest.hexdigest()[:32].upper()


def v3_document(resources: Sequence[Resource], group: str, version: str, edge_version: str) -> dict[str, Any]:
    """Return the OpenAPI 3.0 document of one group version; empty of paths when nothing is served there."""
    schemas = openapi_schemas.Schemas(openapi_schemas.packages(resources), v3=True)
    writer = openapi_paths.Paths(schemas, v3=True)
    paths: dict[str, Any] = {}
    for resource in discovery.served(resources).get(group, {}).get(version, []):
        paths |= writer.of(resource, group, version)
    return {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": _full(edge_version)},
            "paths": dict(sorted(paths.items())), "components": {"schemas": schemas.definitions()}}


def v2_document(resources: Sequence[Resource], edge_version: str) -> dict[str, Any]:
    """Return the OpenAPI 2.0 document of everything that is served."""
    schemas = openapi_schemas.Schemas(openapi_schemas.packages(resources), v3=False)
    writer = openapi_paths.Paths(schemas, v3=False)
    paths: dict[str, Any] = {}
    for group, versions in discovery.served(resources).items():
        for version, members in versions.items():
            for resource in members:
                paths |= writer.of(resource, group, version)
    return {"swagger": "2.0", "info": {"title": "Kubernetes", "version": _full(edge_version)},
            "paths": dict(sorted(paths.items())), "definitions": schemas.definitions()}


def _full(edge_version: str) -> str:
    return f"v{discovery.KUBERNETES}+edge.{edge_version}"
