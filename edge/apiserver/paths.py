"""Reads what a request asks for out of its method, path and query.

https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote

from edge.api import errors, fields

NAMESPACE_SUBRESOURCES = ("status", "finalize")
_NUMBER = re.compile(r"[-+]?[0-9]{1,18}")
_ENDLESS = ("log", "exec", "attach", "portforward")
"""Subresources whose answers are streams."""
_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The query of a request, for whichever verb it is. Absent values are empty, None or False."""

    label_selector: str = ""
    field_selector: str = ""
    limit: int = 0
    continue_token: str = ""
    resource_version: str = ""
    resource_version_match: str = ""
    timeout_seconds: int | None = None
    bookmarks: bool = False
    send_initial_events: bool | None = None
    dry_run: bool = False
    field_validation: str = ""
    field_manager: str = ""
    force: bool = False
    grace_period_seconds: int | None = None
    propagation_policy: str = ""
    orphan_dependents: bool | None = None

    def exactly(self, field: str) -> str:
        """Return the value the field selector restricts a field to, or "" when it does not."""
        try:
            return fields.parse(self.field_selector).exact(field) or "" if self.field_selector else ""
        except errors.BadRequest:
            return ""  # said when the selector is used


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRequest:
    """One verb on one resource. `rest` is what follows `/proxy/`, still percent-encoded."""

    verb: str
    group: str
    version: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    rest: str = ""
    options: Options = Options()
    query: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def api_version(self) -> str:
        """The version the caller speaks, as manifests write it."""
        return f"{self.group}/{self.version}" if self.group else self.version


def parse(method: str, path: str, query: str = "", *, deep: bool = False) -> ResourceRequest | None:
    """Return the request, or None when the path names no resource.

    `deep` takes what follows a subresource as a part of it, as other servers may have it.

    Raises:
        errors.BadRequest: for a query that does not parse.
        errors.MethodNotAllowed: for a method the API does not know.
    """
    split = _group_version(path)
    if split is None:
        return None
    group, version, rest = split
    watched = len(rest) > 1 and rest[0] == "watch"
    namespace, resource, name, subresource, tail = _resource(rest[1:] if watched else rest, deep=deep)
    if not resource:
        return None
    verb = _VERBS.get(method)
    if verb is None:
        raise errors.MethodNotAllowed("the server does not allow this method on the requested resource")
    values = parse_qs(query, keep_blank_values=True) if query else {}
    if not name:
        verb = {"get": "list", "delete": "deletecollection"}.get(verb, verb)
    if (verb == "list" and _flag(values, "watch")) or (verb in ("get", "list") and watched and not subresource):
        verb = "watch"
    elif watched:
        raise errors.MethodNotAllowed("the server does not allow this method on the requested resource", details={})
    if method == "HEAD" and (verb == "watch" or subresource in _ENDLESS):
        # Nothing may follow such a head: a client would take it for the answer of its next request.
        raise errors.MethodNotAllowed("the server does not allow this method on the requested resource")
    streamed = subresource == "proxy" or subresource in _ENDLESS
    options = Options() if streamed or not values else read_options(values)
    return ResourceRequest(verb=verb, group=group, version=version, resource=resource, subresource=subresource,
                           namespace=namespace, name=name, rest=tail, query=values, options=options)


def read_options(values: Mapping[str, list[str]]) -> Options:
    """Return the query's options; those of writes are judged by the verb. Raises errors.BadRequest for no number."""
    return Options(
        label_selector=_text(values, "labelSelector"), field_selector=_text(values, "fieldSelector"),
        limit=_number(values, "limit") or 0, continue_token=_text(values, "continue"),
        resource_version=_text(values, "resourceVersion"),
        resource_version_match=_text(values, "resourceVersionMatch"),
        timeout_seconds=_number(values, "timeoutSeconds"), bookmarks=_flag(values, "allowWatchBookmarks"),
        send_initial_events=_flag(values, "sendInitialEvents") if "sendInitialEvents" in values else None,
        dry_run="dryRun" in values, field_validation=_text(values, "fieldValidation"),
        field_manager=_text(values, "fieldManager"), force=_flag(values, "force"),
        grace_period_seconds=_number(values, "gracePeriodSeconds"),
        propagation_policy=_text(values, "propagationPolicy"),
        orphan_dependents=_flag(values, "orphanDependents") if "orphanDependents" in values else None)


def _group_version(path: str) -> tuple[str, str, list[str]] | None:
    """Split `/api/v1/...` and `/apis/<group>/<version>/...`; the segments stay percent-encoded."""
    segments = path.removeprefix("/").split("/")
    if segments[-1] == "" and "proxy" not in segments:
        segments.pop()
    if segments and segments[0] == "api" and len(segments) > 2:
        return "", unquote(segments[1]), segments[2:]
    if segments and segments[0] == "apis" and len(segments) > 3:
        return unquote(segments[1]), unquote(segments[2]), segments[3:]
    return None


def _resource(segments: list[str], *, deep: bool = False) -> tuple[str, str, str, str, str]:
    """Return namespace, resource, name, subresource and the rest."""
    namespace = ""
    if "" in segments[:segments.index("proxy") if "proxy" in segments else None]:
        return "", "", "", "", ""  # a client that forgot the namespace does not mean all of them
    about_namespace = len(segments) < 3 or (len(segments) == 3 and segments[2] in NAMESPACE_SUBRESOURCES)
    if segments[0] == "namespaces" and not about_namespace:
        namespace, segments = unquote(segments[1]), segments[2:]
    elif segments[0] == "namespaces" and len(segments) > 1:
        namespace = unquote(segments[1])
    parts = [unquote(segment) for segment in segments[:3]] + ["", "", ""]
    tail = "/".join(segments[3:])
    # A slash that was written as %2F is part of a name, and no name has one.
    if (tail and parts[2] != "proxy" and not deep) or any("/" in part for part in (namespace, *parts)):
        return "", "", "", "", ""
    return namespace, parts[0], parts[1], parts[2], tail


def _text(values: Mapping[str, list[str]], name: str) -> str:
    found = values.get(name)
    return found[0] if found else ""


def _flag(values: Mapping[str, list[str]], name: str) -> bool:
    found = values.get(name)
    return bool(found) and found is not None and found[0].lower() not in ("0", "false")


def _number(values: Mapping[str, list[str]], name: str) -> int | None:
    text = _text(values, name)
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise errors.BadRequest(f'unable to parse query parameter "{name}": "{text}" is not a number')
    return int(text)
