"""Answers everything that is no resource: version, health, the CA, discovery and OpenAPI."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

import edge
from edge.api import scheme
from edge.apiserver import (
    aggregation,
    content,
    discovery,
    health,
    http_answers,
    metrics_text,
    openapi,
    openapi_protobuf,
)
from edge.apiserver.health import Check
from edge.apiserver.http_call import not_served
from edge.pki import tokens

SigningKeys = Callable[[], Sequence[Mapping[str, str]]]
"""Returns the public keys of service account tokens as JSON Web Keys; none where no tokens are made."""
ISSUER_PATHS = ("/.well-known/openid-configuration", "/openid/v1/jwks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What these paths tell of the server around them."""

    ca_pem: bytes = b""
    checks: Mapping[str, Check] = field(default_factory=dict)
    signing_keys: SigningKeys = tuple
    metrics: Callable[[], Sequence[metrics_text.Gauge]] = tuple
    documents: Mapping[str, Callable[[], object]] = field(default_factory=dict)
    """Further documents by their whole path, such as `/edge/v1/rack/leases`; each value becomes JSON when asked for."""


class Paths:
    """The documents of the server; what never changes is written once."""

    def __init__(self, facts: Facts, resources: Callable[[], tuple[scheme.Resource, ...]] = scheme.resources,
                 others: Callable[[], tuple[aggregation.Served, ...]] = tuple) -> None:
        """Take what `resources` returns as what is served, and `others` as what other servers serve.

        Each must be the same tuple until it changes.
        """
        self._facts = facts
        self._resources = resources
        self._others = others
        self._aggregated: tuple[aggregation.Served, ...] = ()
        self._version = getattr(edge, "__version__", "0.1.0")
        self._known: tuple[scheme.Resource, ...] = ()
        self._documents = openapi.Documents(resources, self._version)
        self._kept: dict[str, bytes] = {}

    def serve(self, request: web.BaseRequest, path: str) -> web.Response:
        """Answer a GET of that path, which some clients end with a slash. Raises errors.NotFound."""
        path = path[:-1] if path.endswith("/") and path != "/" else path
        if self._resources() is not self._known or self._others() is not self._aggregated:
            self._known, self._aggregated = self._resources(), self._others()
            self._documents.forget()
            self._kept.clear()
        if path == "/version":
            return http_answers.as_json(request, discovery.version(self._version))
        if path == "/edge/v1/ca":
            return http_answers.answer(request, self._facts.ca_pem, content_type="application/x-pem-file")
        if path in self._facts.documents:
            return http_answers.as_json(request, self._facts.documents[path]())
        if path == "/metrics":
            shown = metrics_text.written(self._facts.metrics()).encode()
            return http_answers.answer(request, shown, content_type=metrics_text.CONTENT_TYPE)
        if f"/{path.split('/')[1]}" in health.PATHS:
            return self._health(request, path)
        if path.startswith("/openapi/"):
            return self._openapi(request, path)
        if path in ISSUER_PATHS:
            return self._issuer(request, path)
        return self._discovery(request, path)

    def _health(self, request: web.BaseRequest, path: str) -> web.Response:
        _, name, *part = path.split("/", 2)
        checks: dict[str, Check] = {"ping": lambda: "", **self._facts.checks}
        if part and part[0] not in checks:
            raise not_served()
        code, text = health.one_check(checks[part[0]]) if part else health.all_checks(
            name, checks, request.query.getall("exclude", []), verbose="verbose" in request.query)
        response = http_answers.text(request, text, code)
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def _issuer(self, request: web.BaseRequest, path: str) -> web.Response:
        """Tell others how to verify service account tokens: OpenID Connect Discovery 1.0."""
        keys = self._facts.signing_keys()
        if not keys:
            raise not_served()
        if path == ISSUER_PATHS[1]:
            return http_answers.as_json(request, {"keys": keys}, content_type="application/jwk-set+json")
        return http_answers.as_json(request, discovery.issuer(tokens.ISSUER, [key["alg"] for key in keys]))

    def _openapi(self, request: web.BaseRequest, path: str) -> web.Response:
        document: openapi.Document | None = None
        content_type = http_answers.JSON
        accept = request.headers.get("Accept", "")
        if path == "/openapi/v2" and (openapi_protobuf.MEDIA_TYPE in accept or openapi_protobuf.CONTENT_TYPE in accept):
            document, content_type = self._documents.v2_protobuf(), openapi_protobuf.CONTENT_TYPE
        elif path == "/openapi/v2":
            document = self._documents.v2()
        elif path == "/openapi/v3":
            document = self._documents.index({f"apis/{each.group}/{each.version}": each.openapi
                                              for each in self._aggregated if each.openapi})
        else:
            parts = path.removeprefix("/openapi/v3/").split("/")
            group_version = ("", parts[1]) if parts[0] == "api" and len(parts) == 2 else \
                (parts[1], parts[2]) if parts[0] == "apis" and len(parts) == 3 else None
            if group_version is not None:
                if (moved := self._moved(request, *group_version)) is not None:
                    return moved
                document = self._documents.v3(*group_version)
        if document is None:
            raise not_served()
        if content_type == http_answers.JSON:
            content.negotiate(accept)
        headers = {"ETag": document.etag, "Vary": "Accept, Accept-Encoding", "Content-Type": content_type}
        if request.query.get("hash"):
            headers["Cache-Control"] = "public, immutable, max-age=31536000"
        if request.headers.get("If-None-Match") == document.etag:
            return web.Response(status=304, headers=headers)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=document.gzipped, headers={**headers, "Content-Encoding": "gzip"})
        return web.Response(body=document.plain(), headers=headers)

    def _moved(self, request: web.BaseRequest, group: str, version: str) -> web.Response | None:
        """Lead whoever asks for a document by a hash that it no longer has to today's."""
        current, asked = self._documents.hash_of(group, version), request.query.get("hash", "")
        if not asked or not current or asked == current:
            return None
        return web.Response(status=301, headers={"Location": openapi.address(group, version, current)})

    def _discovery(self, request: web.BaseRequest, path: str) -> web.Response:
        aggregated = ""
        if path in ("/api", "/apis"):
            aggregated = discovery.wants_aggregated(request.headers.get("Accept", ""))
        key = f"{path} {aggregated}"
        if key not in self._kept:
            value = self._discovered(path, aggregated)
            if value is None:
                raise not_served()
            self._kept[key] = msgspec.json.encode(value) + b"\n"
        content_type = discovery.aggregated_content_type(aggregated) if aggregated else http_answers.JSON
        response = http_answers.answer(request, self._kept[key], content_type=content_type)
        if aggregated:
            tag = f'"{hashlib.sha256(self._kept[key]).hexdigest().upper()}"'
            if request.headers.get("If-None-Match") == tag:
                response = web.Response(status=304)
            response.headers.update({"ETag": tag, "Vary": "Accept", "Cache-Control": "public"})
        return response

    def _discovered(self, path: str, aggregated: str) -> dict[str, Any] | None:
        known = self._known
        parts = path.removeprefix("/").split("/")
        if aggregated:
            found = discovery.aggregated(known, core=path == "/api", version=aggregated)
            return found if path == "/api" else aggregation.with_discovery(found, self._aggregated)
        match parts:
            case ["api"]:
                return discovery.api_versions()
            case ["apis"]:
                return aggregation.with_groups(discovery.group_list(known), self._aggregated)
            case ["api", version]:
                return discovery.resource_list(known, "", version)
            case ["apis", group]:
                return aggregation.with_versions(discovery.group(known, group), self._aggregated, group)
            case ["apis", group, version]:
                return discovery.resource_list(known, group, version)
            case [""]:
                return {"paths": self._listed()}
        return None

    def _listed(self) -> list[str]:
        """Return every path there is a document at."""
        found = {"/api", "/api/v1", "/apis", "/metrics", "/openapi/v2", "/openapi/v3", "/version", *health.PATHS}
        found |= {f"{path}/{check}" for path in health.PATHS for check in ("ping", *self._facts.checks)}
        for group, versions in discovery.served(self._known).items():
            if group:
                found |= {f"/apis/{group}", *(f"/apis/{group}/{version}" for version in versions)}
        for each in self._aggregated:
            found |= {f"/apis/{each.group}", f"/apis/{each.group}/{each.version}"}
        return sorted(found | (set(ISSUER_PATHS) if self._facts.signing_keys() else set()))
