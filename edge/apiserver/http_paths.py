"""Answers everything that is no resource: version, health, the CA, discovery and OpenAPI."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

import edge
from edge.api import scheme
from edge.apiserver import aggregation, discovery, http_answers, openapi, openapi_protobuf
from edge.apiserver.http_resources import not_served
from edge.pki import tokens

HEALTH_PATHS = ("/healthz", "/livez", "/readyz")
Check = Callable[[], str]
"""Returns "" when a part is healthy, else what is wrong with it."""
SigningKeys = Callable[[], Sequence[Mapping[str, str]]]
"""Returns the public keys of service account tokens as JSON Web Keys; none where no tokens are made."""
ISSUER_PATHS = ("/.well-known/openid-configuration", "/openid/v1/jwks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What these paths tell of the server around them."""

    ca_pem: bytes = b""
    checks: Mapping[str, Check] = field(default_factory=dict)
    signing_keys: SigningKeys = tuple


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
        """Answer a GET of that path. Raises errors.NotFound."""
        if self._resources() is not self._known or self._others() is not self._aggregated:
            self._known, self._aggregated = self._resources(), self._others()
            self._documents.forget()
            self._kept.clear()
        if path == "/version":
            return http_answers.as_json(request, discovery.version(self._version))
        if path == "/edge/v1/ca":
            return http_answers.answer(request, self._facts.ca_pem, content_type="application/x-pem-file")
        if path.startswith(HEALTH_PATHS):
            return self._health(request, path)
        if path.startswith("/openapi/"):
            return self._openapi(request, path)
        if path in ISSUER_PATHS:
            return self._issuer(request, path)
        return self._discovery(request, path)

    def _health(self, request: web.BaseRequest, path: str) -> web.Response:
        _, name, *part = path.split("/")
        checks = {"ping": lambda: "", **self._facts.checks}
        if part and part[0]:
            if part[0] not in checks:
                raise not_served()
            checks = {part[0]: checks[part[0]]}
        excluded = request.query.getall("exclude", [])
        found = {check: run() for check, run in checks.items() if check not in excluded}
        broken = any(found.values())
        if not broken and "verbose" not in request.query:
            return http_answers.text(request, "ok")
        lines = [f"[-]{check} failed: {problem}" if problem else f"[+]{check} ok" for check, problem in found.items()]
        lines.append(f"{name} check {'failed' if broken else 'passed'}")
        return http_answers.text(request, "\n".join(lines) + "\n", 500 if broken else 200)

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
        if path == "/openapi/v2" and openapi_protobuf.MEDIA_TYPE in request.headers.get("Accept", ""):
            document, content_type = self._documents.v2_protobuf(), openapi_protobuf.CONTENT_TYPE
        elif path == "/openapi/v2":
            document = self._documents.v2()
        elif path in ("/openapi/v3", "/openapi/v3/"):
            document = self._documents.index({f"apis/{each.group}/{each.version}": each.openapi
                                              for each in self._aggregated if each.openapi})
        else:
            parts = path.removeprefix("/openapi/v3/").split("/")
            if parts[0] == "api" and len(parts) == 2:
                document = self._documents.v3("", parts[1])
            elif parts[0] == "apis" and len(parts) == 3:
                document = self._documents.v3(parts[1], parts[2])
        if document is None:
            raise not_served()
        headers = {"ETag": document.etag, "Vary": "Accept, Accept-Encoding", "Content-Type": content_type}
        if request.headers.get("If-None-Match") == document.etag:
            return web.Response(status=304, headers=headers)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=document.gzipped, headers={**headers, "Content-Encoding": "gzip"})
        return web.Response(body=document.plain(), headers=headers)

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
        return http_answers.answer(request, self._kept[key], content_type=content_type)

    def _discovered(self, path: str, aggregated: str) -> dict[str, Any] | None:
        known = self._known
        parts = path.strip("/").split("/")
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
                return {"paths": ["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz",
                                  "/version"]}
        return None
