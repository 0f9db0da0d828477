"""Says who is asking: the subject of a verified client certificate, or the owner of a bearer token.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
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
VerifyToken = Callable[[str, tuple[str, ...]], Mapping[str, Any] | None]
"""Returns the claims of a service account token for any of the audiences, if its signature and times hold, or None."""
AccountUid = Callable[[str, str], str]
"""Returns the uid of the service account (namespace, name), or "" when there is none."""
BoundUid = Callable[[str, str, str], str]
"""Returns the uid of what a token may be bound to (`pod`, `secret` or `node`, namespace, name), or ""."""
API_AUDIENCES = ("https://kubernetes.default.svc.cluster.local",)
"""Whom a token has to be for to be good here."""
_EXTRA = "authentication.kubernetes.io/"
_IN_PROTOCOL = "base64url.bearer.authorization.k8s.io."
"""How a browser, which cannot set the header, shows a token when it opens a WebSocket: as one of the protocols."""


def _no_claims(token: str, audiences: tuple[str, ...]) -> Mapping[str, Any] | None:
    return None


def _no_secret(token_id: str) -> Mapping[str, str] | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookups:
    """What a token is checked against."""

    bootstrap_secret: BootstrapSecret = _no_secret
    verify: VerifyToken = _no_claims
    account_uid: AccountUid | None = None
    bound_uid: BoundUid | None = None
    static_tokens: Mapping[str, User] = field(default_factory=dict)


def with_verify(lookups: Lookups, verify: VerifyToken) -> Lookups:
    """Return the same with another way to verify service account tokens."""
    return replace(lookups, verify=verify)


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose a token is, and which of the audiences asked for it is for."""

    user: User
    audiences: tuple[str, ...]


def authorization(header: str, protocols: Iterable[str]) -> str:
    """Return the Authorization of a request: its header, or the token among the protocols that a WebSocket offers.

    Raises errors.Unauthorized for more than one token there, or a broken or lonely one.
    """
    offered = [name.strip() for line in protocols for name in line.split(",")]
    tokens = [name.removeprefix(_IN_PROTOCOL) for name in offered if name.startswith(_IN_PROTOCOL)]
    if not tokens:
        return header
    try:
        token = base64.b64decode(tokens[0] + "=" * (-len(tokens[0]) % 4), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error) as error:
        raise errors.Unauthorized("Unauthorized") from error
    if len(tokens) > 1 or len(offered) == 1:  # one that is no token has to be left, to be answered with
        raise errors.Unauthorized("Unauthorized")
    return f"Bearer {token}"


def shown_header(name: str, value: str) -> str:
    """Return what others may see of a header: of the protocols of a WebSocket those that are no token."""
    return plain_protocols(value) if name.lower() == "sec-websocket-protocol" else value


def plain_protocols(line: str) -> str:
    """Return a Sec-WebSocket-Protocol header without the token that may be in it."""
    return ", ".join(name.strip() for name in line.split(",") if not name.strip().startswith(_IN_PROTOCOL))


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
        holder = of_token(token, lookups, now)
        if holder is None:
            raise errors.Unauthorized("Unauthorized")
        return holder.user
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


def of_token(token: str, lookups: Lookups, now: datetime,
             audiences: tuple[str, ...] = API_AUDIENCES) -> Holder | None:
    """Return whose a token is, or None for one that is not good for any of the audiences."""
    user = _plain(token, lookups, now)
    meant: Any = API_AUDIENCES  # tokens that name no audience are for this API
    if user is None and token.count(".") == 2:
        claims = lookups.verify(token, audiences) or {}
        user, meant = _service_account(claims, lookups), claims.get("aud", API_AUDIENCES)
    heard = tuple(each for each in audiences if each == meant or (not isinstance(meant, str) and each in meant))
    return Holder(user, heard) if user is not None and heard else None


def _plain(token: str, lookups: Lookups, now: datetime) -> User | None:
    for known, user in lookups.static_tokens.items():
        if hmac.compare_digest(known.encode(), token.encode()):
            return user
    match = _BOOTSTRAP_TOKEN.fullmatch(token)
    return _bootstrap(match[1], match[2], lookups.bootstrap_secret(match[1]), now) if match else None


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


def _service_account(claims: Mapping[str, Any], lookups: Lookups) -> User | None:
    """Return the account of the claims, as long as it is there, and what the token is bound to as well."""
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
    extra: dict[str, tuple[str, ...]] = {}
    if claims.get("jti"):
        extra[f"{_EXTRA}credential-id"] = (f"JTI={claims['jti']}",)
    for kind, bound_name, bound_uid in _bound(private):
        # A pod's token also says where the pod was; only one made for a node ends with it.
        ends_with_it = kind != "node" or "pod" not in private
        if ends_with_it and lookups.bound_uid is not None \
                and (not bound_uid or lookups.bound_uid(kind, namespace, bound_name) != bound_uid):
            return None
        if kind != "secret":
            extra |= {f"{_EXTRA}{kind}-name": (bound_name,), f"{_EXTRA}{kind}-uid": (bound_uid,)}
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED_GROUP)
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid, extra)


def _bound(private: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return kind, name and uid of everything a token is bound to."""
    entries = [(kind, private.get(kind)) for kind in ("node", "pod", "secret")]
    return [(kind, str(entry["name"]), str(entry.get("uid", ""))) for kind, entry in entries
            if isinstance(entry, Mapping) and entry.get("name")]


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
