"""What is kept of a request for the audit log: who did what to which object, when, from where, and how it ended.

Events are at level Metadata: no bodies, no tokens, no credentials.
https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from edge.apiserver.authenticate import User
from edge.apiserver.decision import Decision
from edge.apiserver.paths import ResourceRequest

HEADER = "Audit-Id"
LONGEST_ID = 64
MOST_ANNOTATIONS = 64
_LONGEST_TEXT = 1024
"""Of a user agent or a message; a client may send far more."""
_READS = ("get", "list", "watch", "head", "options")
_INSIDE = ("exec", "attach", "portforward", "proxy")
"""Reads by their method, but what they open can change anything."""
_QUESTIONS = ("authorization.k8s.io", "authentication.k8s.io")
_AUTHORIZATION = "authorization.k8s.io"


@dataclass(slots=True)
class Trail:
    """What becomes known of one request while it is answered."""

    id: str
    received: datetime
    user: User | None = None
    """Who asked; None until, or unless, that is known."""
    acting: User | None = None
    """Whom the request is made as, when that is somebody else."""
    asked: ResourceRequest | None = None
    decision: Decision | None = None
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Connection:
    """The outside of a request."""

    method: str
    path: str
    """With its query, as it was sent."""
    address: str = ""
    forwarded: str = ""
    """The header X-Forwarded-For."""
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a request was answered."""

    code: int
    now: datetime
    reason: str = ""
    message: str = ""


CURRENT: ContextVar[Trail | None] = ContextVar("audit", default=None)


def annotate(key: str, value: str) -> None:
    """Keep something with the event of the request that is being answered; what came first stays."""
    trail = CURRENT.get()
    if trail is not None and len(trail.annotations) < MOST_ANNOTATIONS:
        trail.annotations.setdefault(key, value)


def headers() -> dict[str, str]:
    """Return the header that tells a client the id of its request, for answers that are begun early."""
    trail = CURRENT.get()
    return {} if trail is None else {HEADER: trail.id}


def request_id(sent: str) -> str:
    """Return the Audit-ID a client sent, or "" when it sent none that can be used."""
    text = sent[:LONGEST_ID]
    return text if text.isascii() and text.replace("-", "").replace("_", "").replace(".", "").isalnum() else ""


def verb(trail: Trail, method: str) -> str:
    """Return the verb of a request: that of the resource, else the method."""
    return trail.asked.verb if trail.asked is not None else method.lower()


def wanted(trail: Trail, method: str, code: int, *, mutating_only: bool) -> bool:
    """Return whether a request is written down: all of them, or those that change something or were refused."""
    if not mutating_only or code in (401, 403):
        return True
    asked = trail.asked
    if asked is None:
        return method not in ("GET", "HEAD", "OPTIONS")
    if asked.subresource in _INSIDE:
        return True
    return asked.verb not in _READS and asked.group not in _QUESTIONS


def event(trail: Trail, connection: Connection, ending: Ending) -> dict[str, Any]:
    """Return the audit event of a request that was answered."""
    found: dict[str, Any] = {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": trail.id,
        "stage": "ResponseComplete", "requestURI": _shown_path(trail, connection.path),
        "verb": verb(trail, connection.method), "user": {} if trail.user is None else _user(trail.user),
    }
    if trail.acting is not None:
        found["impersonatedUser"] = _user(trail.acting)
    found |= {"sourceIPs": _sources(connection), "userAgent": connection.user_agent[:_LONGEST_TEXT]}
    if trail.asked is not None:
        found["objectRef"] = _reference(trail.asked)
    return found | {
        "responseStatus": _status(ending), "requestReceivedTimestamp": _time(trail.received),
        "stageTimestamp": _time(ending.now), "annotations": _annotations(trail)}


def _user(user: User) -> dict[str, Any]:
    info = {"username": user.name, "uid": user.uid, "groups": list(user.groups), "extra": dict(user.extra)}
    return {key: value for key, value in info.items() if value}


def _shown_path(trail: Trail, path: str) -> str:
    """Return the path without what clients of a proxied program put into its query: it may be a token."""
    if trail.asked is None or trail.asked.subresource != "proxy":
        return path
    return urlunsplit(urlsplit(path)._replace(query=""))


def _sources(connection: Connection) -> list[str]:
    forwarded = [part.strip()[:64] for part in connection.forwarded.split(",", 16)[:16] if part.strip()]
    return [*forwarded, *([connection.address] if connection.address and connection.address not in forwarded else [])]


def _reference(asked: ResourceRequest) -> dict[str, str]:
    found = {"resource": asked.resource, "namespace": asked.namespace, "name": asked.name, "apiGroup": asked.group,
             "apiVersion": asked.version, "subresource": asked.subresource}
    return {key: value for key, value in found.items() if value}


def _status(ending: Ending) -> dict[str, Any]:
    status: dict[str, Any] = {"metadata": {}}
    if not ending.code:  # the client had gone before it could be told
        return status
    if ending.code >= 400:
        status |= {"status": "Failure"}
        if ending.message:
            status["message"] = ending.message[:_LONGEST_TEXT]
        if ending.reason:
            status["reason"] = ending.reason
    return status | {"code": ending.code}


def _annotations(trail: Trail) -> Mapping[str, str]:
    if trail.decision is None:
        return trail.annotations
    return {f"{_AUTHORIZATION}/decision": "allow" if trail.decision.allowed else "forbid",
            f"{_AUTHORIZATION}/reason": trail.decision.reason, **trail.annotations}


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
