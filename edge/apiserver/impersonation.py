"""Lets one user act as another, as far as the verb `impersonate` is allowed to him.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import unquote

from edge.api import errors
from edge.apiserver import authorize
from edge.apiserver.authenticate import ANONYMOUS, AUTHENTICATED_GROUP, UNAUTHENTICATED_GROUP, User
from edge.apiserver.decision import Decision
from edge.apiserver.paths import ResourceRequest

_USER, _GROUP, _UID, _EXTRA = "impersonate-user", "impersonate-group", "impersonate-uid", "impersonate-extra-"
_AUTHENTICATION = "authentication.k8s.io"
Allowed = Callable[[User, ResourceRequest], Decision]


def acting(user: User, headers: Iterable[tuple[str, str]], allowed: Allowed) -> User:
    """Return who a request is made as: the user himself, or whom its Impersonate- headers name.

    Raises:
        errors.BadRequest: for a group, uid or extra without a user.
        errors.Forbidden: when one of the headers is not allowed to him.
    """
    sent = [(name.lower(), value) for name, value in headers if name[:12].lower() == "impersonate-"]
    if not sent:
        return user
    name = next((value for header, value in sent if header == _USER), "")
    groups = [value for header, value in sent if header == _GROUP]
    uid = next((value for header, value in sent if header == _UID), "")
    extra: dict[str, list[str]] = {}
    for header, value in sent:
        if header.startswith(_EXTRA):
            extra.setdefault(unquote(header.removeprefix(_EXTRA)).lower(), []).append(value)
    if not name:
        if groups or uid or extra:
            raise errors.BadRequest(f"requested {_listed(groups, uid, extra)} without impersonating a user")
        return user
    for question in _questions(name, groups, uid, extra):
        decision = allowed(user, question)
        if not decision.allowed:
            raise authorize.forbidden(user, question, decision.reason)
    return User(name, _all_groups(name, groups), uid, {key: tuple(values) for key, values in extra.items()})


def account_of(name: str) -> tuple[str, str] | None:
    """Return namespace and name of the service account a user name stands for, or None."""
    parts = name.split(":")
    if len(parts) != 4 or parts[:2] != ["system", "serviceaccount"] or not parts[2] or not parts[3]:
        return None
    return parts[2], parts[3]


def account_groups(namespace: str) -> tuple[str, str]:
    """Return the groups every service account of a namespace is in."""
    return "system:serviceaccounts", f"system:serviceaccounts:{namespace}"


def _questions(name: str, groups: list[str], uid: str, extra: dict[str, list[str]]) -> Iterable[ResourceRequest]:
    """Yield what has to be allowed, one by one."""
    account = account_of(name)
    if account is None:
        yield _question("users", name)
    else:
        yield _question("serviceaccounts", account[1], namespace=account[0])
    for group in groups:
        yield _question("groups", group)
    for key, values in extra.items():
        for value in values:
            yield _question("userextras", value, group=_AUTHENTICATION, subresource=key)
    if uid:
        yield _question("uids", uid, group=_AUTHENTICATION)


def _question(resource: str, name: str, *, group: str = "", subresource: str = "",
              namespace: str = "") -> ResourceRequest:
    return ResourceRequest(verb="impersonate", group=group, version="v1", resource=resource, name=name,
                           subresource=subresource, namespace=namespace)


def _all_groups(name: str, groups: list[str]) -> tuple[str, ...]:
    """Return the groups asked for, with those that everybody of the kind is in."""
    account = account_of(name)
    found = tuple(groups) or (account_groups(account[0]) if account else ())
    known = UNAUTHENTICATED_GROUP if name == ANONYMOUS.name else AUTHENTICATED_GROUP
    present = (known,) if name == ANONYMOUS.name else (AUTHENTICATED_GROUP, UNAUTHENTICATED_GROUP)
    return found if any(group in present for group in found) else (*found, known)


def _listed(groups: list[str], uid: str, extra: dict[str, list[str]]) -> str:
    parts = [f"Group {group}" for group in groups]
    parts += [f"UserExtra {key}={value}" for key, values in extra.items() for value in values]
    return f"[{', '.join([*parts, *([f'UID {uid}'] if uid else [])])}]"
