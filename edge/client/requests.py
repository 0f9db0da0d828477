"""Which HTTP request a verb on a kind is, and which error an answer stands for.

https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from edge.api import core, errors, meta
from edge.api.resource import Resource

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request below the server's address."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None

    @property
    def target(self) -> str:
        """The path with its query, percent-encoded."""
        return f"{self.path}?{urlencode(self.query, quote_via=quote)}" if self.query else self.path


def path(resource: Resource, name: str = "", namespace: str = "", subresource: str = "") -> str:
    """Return the path of a collection, or with `name` of one object or its subresource.

    Raises:
        ValueError: a name of a namespaced kind without its namespace.
    """
    if name and resource.namespaced and not namespace:
        raise ValueError(f'{resource.group_resource} "{name}" needs a namespace')
    parts = ["apis", resource.group, resource.version] if resource.group else ["api", resource.version]
    if resource.namespaced and namespace:
        parts += ["namespaces", namespace]
    parts += [resource.plural, *([name] if name else []), *([subresource] if subresource else [])]
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def get(resource: Resource, name: str, namespace: str = "") -> Request:
    """Return the request for one object."""
    return Request(method="GET", path=path(resource, name, namespace))


def list_(resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "") -> Request:
    """Return the request for a listing."""
    return Request(method="GET", path=path(resource, namespace=namespace), query=_selectors(labels, fields))


def watch(resource: Resource, namespace: str = "", *, resource_version: str, labels: str = "", fields: str = "",
          timeout_seconds: int = 0) -> Request:
    """Return the request for a watch that the server ends after the timeout (0: its own)."""
    query = (("watch", "true"), ("allowWatchBookmarks", "true"), ("resourceVersion", resource_version),
             *((("timeoutSeconds", str(timeout_seconds)),) if timeout_seconds else ()), *_selectors(labels, fields))
    return Request(method="GET", path=path(resource, namespace=namespace), query=query)


def create(resource: Resource, obj: meta.Object) -> Request:
    """Return the request that creates an object."""
    where = path(resource, namespace=_namespace(resource, obj))
    return _with_body("POST", where, encode(resource, obj))


def update(resource: Resource, obj: meta.Object, subresource: str = "") -> Request:
    """Return the request that replaces an object, or only its subresource."""
    where = path(resource, obj.metadata.name, obj.metadata.namespace, subresource)
    return _with_body("PUT", where, encode(resource, obj))


def patch(resource: Resource, name: str, namespace: str, changes: Mapping[str, Any], subresource: str = "") -> Request:
    """Return the request that applies a JSON merge patch."""
    where = path(resource, name, namespace, subresource)
    return _with_body("PATCH", where, msgspec.json.encode(changes), MERGE_PATCH)


def delete(resource: Resource, name: str, namespace: str = "", *, uid: str = "",
           grace_period_seconds: int | None = None, propagation_policy: str = "") -> Request:
    """Return the request that deletes an object, with DeleteOptions for whatever is asked beyond that."""
    options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
    if uid:
        options["preconditions"] = {"uid": uid}
    if grace_period_seconds is not None:
        options["gracePeriodSeconds"] = grace_period_seconds
    if propagation_policy:
        options["propagationPolicy"] = propagation_policy
    return _with_body("DELETE", path(resource, name, namespace), msgspec.json.encode(options))


def bind(pods: Resource, name: str, namespace: str, node: str, uid: str = "") -> Request:
    """Return the request that binds a pod to a node."""
    binding = core.Binding(api_version="v1", kind="Binding",
                           metadata=meta.ObjectMeta(name=name, namespace=namespace, uid=uid),
                           target=meta.ObjectReference(api_version="v1", kind="Node", name=node))
    return _with_body("POST", path(pods, name, namespace, "binding"), msgspec.json.encode(binding))


def encode(resource: Resource, obj: meta.Object) -> bytes:
    """Return an object as JSON that says its version and kind."""
    return msgspec.json.encode(msgspec.structs.replace(obj, api_version=resource.api_version, kind=resource.kind))


def error(code: int, body: bytes, headers: Mapping[str, str] | None = None) -> errors.ApiError:
    """Return the error of an answer: that of its Status, or one made of the code and the text of a proxy in between."""
    try:
        status = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        status = None
    if isinstance(status, dict) and status.get("kind") == "Status":
        return of_status(status | {"code": status.get("code") or code})
    text = body.decode(errors="replace").strip()[:500]
    found = of_code(code, text or f"the server answered with code {code}")
    if headers and "Retry-After" in headers:
        found.details = {"retryAfterSeconds": headers["Retry-After"]}
    return found


def of_status(status: dict[str, Any]) -> errors.ApiError:
    """Return the error of a Status, also when it tells its reason only by its code (Gone, a missing reason)."""
    known = errors.from_status(status)
    if type(known) is not errors.ApiError:
        return known
    code = status.get("code")
    return of_code(code if isinstance(code, int) else 500, str(status.get("message", "")), status.get("details"))


def of_code(code: int, message: str, details: dict[str, Any] | None = None) -> errors.ApiError:
    """Return the error family of an HTTP code."""
    kind = _BY_CODE.get(code)
    return kind(message, details=details) if kind else errors.ApiError(message, details=details, code=code)


_KINDS: tuple[type[errors.ApiError], ...] = (
    errors.BadRequest, errors.Unauthorized, errors.Forbidden, errors.NotFound, errors.MethodNotAllowed,
    errors.NotAcceptable, errors.Conflict, errors.Expired, errors.TooLarge, errors.UnsupportedMediaType,
    errors.Invalid, errors.TooManyRequests, errors.Unavailable)
_BY_CODE = {**{kind.code: kind for kind in _KINDS}, 502: errors.Unavailable, 504: errors.Unavailable}


def _with_body(method: str, where: str, body: bytes, content_type: str = JSON) -> Request:
    return Request(method=method, path=where, headers={"Content-Type": content_type}, body=body)


def _namespace(resource: Resource, obj: meta.Object) -> str:
    if resource.namespaced and not obj.metadata.namespace:
        raise ValueError(f'{resource.group_resource} "{obj.metadata.name}" needs a namespace')
    return obj.metadata.namespace


def _selectors(labels: str, fields: str) -> tuple[tuple[str, str], ...]:
    given = (("labelSelector", labels), ("fieldSelector", fields))
    return tuple((name, value) for name, value in given if value)
