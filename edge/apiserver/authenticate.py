"""Says who is asking: the subject of a verified client certificate, or the owner of a bearer token.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from edge.api import errors

NODES_GROUP = "system:nodes"
MASTERS_GROUP = "system:masters"
BOOTSTRAPPERS_GROUP = "system:bootstrappers"
AUTHENTICATED_GROUP, UNAUTHENTICATED_GROUP = "system:authenticated", "system:unauthenticated"
_BOOTSTRAP_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")


@dataclass(frozen=True, slots=True)
class User:
    """Who makes a request."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


ANONYMOUS = User("system:anonymous", (UNAUTHENTICATED_GROUP,))

BootstrapSecret = Callable[[str], Mapping[str, str] | None]
"""Returns the (base64) data of the Secret `bootstrap-token-<id>`, or None."""
VerifyToken = Callable[[str], Mapping[str, Any] | None]
"""Returns the claims of a service account token whose signature and times hold, or None."""
AccountUid = Callable[[str, str], str]
"""Returns the uid of the service account (namespace, name), or "" when there is none."""
PodUid = Callable[[str, str], str]
"""Returns the uid of the pod (namespace, name), or "" when there is none."""


def _no_claims(token: str) -> Mapping[str, Any] | None:
    return None


def _no_secret(token_id: str) -> Mapping[str, str] | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookups:
    """What a token is checked against."""

    bootstrap_secret: BootstrapSecret = _no_secret
    verify: VerifyToken = _no_claims
    account_uid: AccountUid | None = None
    pod_uid: PodUid | None = None
    static_tokens: Mapping[str, User] = field(default_factory=dict)


def authenticate(certificate: Mapping[str, Any] | None, authorization: str, lookups: Lookups, now: datetime) -> User:
    """Return the user behind a connection's certificate (as `ssl.getpeercert()` gives it) and Authorization header.

    Raises:
        errors.Unauthorized: when credentials were given but are not valid.
    """
    if authorization:
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise errors.Unauthorized("Unauthorized")
        user = _of_token(token, lookups, now)
        if user is None:
            raise errors.Unauthorized("Unauthorized")
        return user
    if certificate:
        return of_certificate(certificate)
    return ANONYMOUS


def of_certificate(certificate: Mapping[str, Any]) -> User:
    """Return the user a verified certificate names: CN is the user, every O a group; a node's CN gets its prefix.

    Raises:
        errors.Unauthorized: for a certificate without a common name.
    """
    name, groups = "", []
    for part in certificate.get("subject", ()):
        for key, value in part:
            if key == "commonName":
                name = value
            elif key == "organizationName":
                groups.append(value)
    if not name:
        raise errors.Unauthorized("Unauthorized")
    if NODES_GROUP in groups and not name.startswith("system:node:"):
        name = f"system:node:{name}"
    return User(name, (*groups, AUTHENTICATED_GROUP))


def with_groups(user: User, name: str, groups: tuple[str, ...]) -> User:
    """Return the user that an impersonation header asks to be."""
    found = groups
    if name.startswith("system:serviceaccount:") and not groups:
        found = ("system:serviceaccounts", f"system:serviceaccounts:{name.split(':')[2]}")
    known = UNAUTHENTICATED_GROUP if name == ANONYMOUS.name else AUTHENTICATED_GROUP
    return replace(user, name=name, groups=(*found, known), uid="", extra={})


def _of_token(token: str, lookups: Lookups, now: datetime) -> User | None:
    for known, user in lookups.static_tokens.items():
        if hmac.compare_digest(known.encode(), token.encode()):
            return user
    match = _BOOTSTRAP_TOKEN.fullmatch(token)
    if match:
        return _bootstrap(match[1], match[2], lookups.bootstrap_secret(match[1]), now)
    if token.count(".") == 2:
        return _service_account(lookups.verify(token), lookups)
    return None


def _bootstrap(token_id: str, secret: str, data: Mapping[str, str] | None, now: datetime) -> User | None:
    """Check a bootstrap token against its Secret, as kubeadm lays it out."""
    if data is None:
        return None
    values = {key: _decoded(value) for key, value in data.items()}
    if not hmac.compare_digest(values.get("token-secret", "").encode(), secret.encode()) or not secret:
        return None
    if values.get("token-id") != token_id or values.get("usage-bootstrap-authentication") != "true":
        return None
    expiration = values.get("expiration", "")
    if expiration and not _later(expiration, now):
        return None
    extra = tuple(group for group in values.get("auth-extra-groups", "").split(",")
                  if group.startswith("system:bootstrappers:"))
    return User(f"system:bootstrap:{token_id}", (BOOTSTRAPPERS_GROUP, *extra, AUTHENTICATED_GROUP))


def _service_account(claims: Mapping[str, Any] | None, lookups: Lookups) -> User | None:
    """Return the account of the claims, as long as it is there, and the pod too that the token was made for."""
    if claims is None:
        return None
    parts = str(claims.get("sub", "")).split(":")
    if len(parts) != 4 or parts[:2] != ["system", "serviceaccount"]:
        return None
    namespace, name = parts[2], parts[3]
    private = claims.get("kubernetes.io", {})
    uid = str(private.get("serviceaccount", {}).get("uid", ""))
    if lookups.account_uid is not None:
        now_uid = lookups.account_uid(namespace, name)
        if not now_uid or (uid and uid != now_uid):
            return None
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED_GROUP)
    extra: dict[str, tuple[str, ...]] = {}
    pod = private.get("pod", {})
    if pod.get("name"):
        if lookups.pod_uid is not None and lookups.pod_uid(namespace, str(pod["name"])) != str(pod.get("uid", "")):
            return None
        extra["authentication.kubernetes.io/pod-name"] = (str(pod["name"]),)
        extra["authentication.kubernetes.io/pod-uid"] = (str(pod.get("uid", "")),)
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid, extra)


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _later(expiration: str, now: datetime) -> bool:
    try:
        return datetime.fromisoformat(expiration) > now
    except (ValueError, TypeError):
        return False
