"""Role-based access control: what the roles and bindings of the cluster let a user do.

An index is built once from all of them and kept until one of them changes. Bindings are filed by subject, rules by
resource, so that a question costs a few dictionary look-ups however many bindings there are.
https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from edge.api import rbac
from edge.apiserver.authenticate import User
from edge.apiserver.decision import Decision
from edge.apiserver.paths import ResourceRequest

ALL = "*"
_ACCOUNT = "system:serviceaccount"
Subject = tuple[str, str]
"""Kind (User or Group) and name; a service account is a user."""
RoleKey = tuple[str, str]
"""Namespace (empty for a ClusterRole) and name."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One subject of one binding."""

    binding: str
    """`ClusterRoleBinding "x"`, as reasons name it."""
    role: RoleKey
    subject: str
    """`Group "z"`, as reasons name it."""

    @property
    def reason(self) -> str:
        """Why a request is allowed."""
        namespace, name = self.role
        return f"RBAC: allowed by {self.binding} of {_kind(namespace)} {_quoted(name)} to {self.subject}"


@dataclass(frozen=True, slots=True)
class Access:
    """The verbs of one rule, and the objects they are restricted to (None: all)."""

    verbs: frozenset[str]
    names: frozenset[str] | None

    def allows(self, verb: str, name: str) -> bool:
        """Return whether the verb may be used on the object of that name."""
        return (verb in self.verbs or ALL in self.verbs) and (self.names is None or name in self.names)


@dataclass(frozen=True, slots=True)
class PathAccess:
    """The verbs of one rule on paths that are no resource."""

    verbs: frozenset[str]
    paths: frozenset[str]
    prefixes: tuple[str, ...]

    def allows(self, verb: str, path: str) -> bool:
        """Return whether the verb may be used on the path."""
        return (verb in self.verbs or ALL in self.verbs) and (path in self.paths or path.startswith(self.prefixes))


@dataclass(frozen=True, slots=True)
class Compiled:
    """The rules of a role, filed by group and resource."""

    resources: dict[tuple[str, str], tuple[Access, ...]] = field(default_factory=dict)
    paths: tuple[PathAccess, ...] = ()

    def allows(self, request: ResourceRequest) -> bool:
        """Return whether one of the rules allows the request."""
        resource = request.resource
        wanted: tuple[str, ...] = (resource, ALL)
        if request.subresource:
            wanted = (f"{resource}/{request.subresource}", ALL, f"*/{request.subresource}")
        for group in (request.group, ALL):
            for each in wanted:
                for access in self.resources.get((group, each), ()):
                    if access.allows(request.verb, request.name):
                        return True
        return False

    def allows_path(self, verb: str, path: str) -> bool:
        """Return whether one of the rules allows the path."""
        return any(access.allows(verb, path) for access in self.paths)


class Index:
    """All roles and bindings, ready to be asked."""

    def __init__(self, roles: Iterable[rbac.Role] = (), cluster_roles: Iterable[rbac.ClusterRole] = (),
                 bindings: Iterable[rbac.RoleBinding] = (),
                 cluster_bindings: Iterable[rbac.ClusterRoleBinding] = ()) -> None:
        self._rules: dict[RoleKey, tuple[rbac.PolicyRule, ...]] = {}
        for role in roles:
            self._rules[role.metadata.namespace, role.metadata.name] = role.rules
        for cluster_role in cluster_roles:
            self._rules["", cluster_role.metadata.name] = cluster_role.rules
        self._compiled: dict[RoleKey, Compiled] = {}
        self._granted: dict[str, dict[Subject, list[Grant]]] = {}
        for cluster_binding in cluster_bindings:
            self._file(cluster_binding)
        for binding in bindings:
            self._file(binding)

    def allowed(self, user: User, request: ResourceRequest) -> Decision:
        """Return whether the user may make the request."""
        missing: dict[str, None] = {}
        for grant in self._grants(user, request.namespace):
            role = self._role(grant.role)
            if role is None:
                missing[_not_found(grant.role)] = None
            elif role.allows(request):
                return Decision(True, grant.reason)
        return Decision(False, _problem(missing))

    def allowed_path(self, user: User, verb: str, path: str) -> Decision:
        """Return whether the user may use a path that is no resource."""
        missing: dict[str, None] = {}
        for grant in self._grants(user, ""):
            role = self._role(grant.role)
            if role is None:
                missing[_not_found(grant.role)] = None
            elif role.allows_path(verb, path):
                return Decision(True, grant.reason)
        return Decision(False, _problem(missing))

    def rules_of(self, user: User, namespace: str) -> tuple[tuple[rbac.PolicyRule, ...], str]:
        """Return every rule the user has in a namespace (empty: cluster-wide), and what could not be found."""
        seen: dict[RoleKey, None] = {grant.role: None for grant in self._grants(user, namespace)}
        found: list[rbac.PolicyRule] = []
        missing: dict[str, None] = {}
        for role in seen:
            rules = self._rules.get(role)
            if rules is None:
                missing[_not_found(role)] = None
            else:
                found.extend(rules)
        return tuple(found), _together(missing)

    def role_rules(self, ref: rbac.RoleRef, namespace: str) -> tuple[rbac.PolicyRule, ...] | None:
        """Return what a binding in that namespace would give, or None when there is no such role."""
        return self._rules.get((namespace if ref.kind == rbac.ROLE else "", ref.name))

    def _file(self, binding: rbac.RoleBinding | rbac.ClusterRoleBinding) -> None:
        ref, namespace = binding.role_ref, binding.metadata.namespace
        name, kind = binding.metadata.name, "RoleBinding" if namespace else "ClusterRoleBinding"
        shown = f"{kind} {_quoted(f'{name}/{namespace}' if namespace else name)}"
        role = (namespace if ref.kind == rbac.ROLE else "", ref.name)
        at = self._granted.setdefault(namespace, {})
        for subject in binding.subjects:
            if (key := subject_key(subject, namespace)) is not None:
                at.setdefault(key, []).append(Grant(shown, role, _described(subject, namespace)))

    def _grants(self, user: User, namespace: str) -> Iterator[Grant]:
        """Yield what the user has: everywhere first, then in the namespace."""
        for where in ("", namespace) if namespace else ("",):
            by_subject = self._granted.get(where)
            if by_subject:
                yield from by_subject.get((rbac.USER, user.name), ())
                for group in user.groups:
                    yield from by_subject.get((rbac.USER_GROUP, group), ())

    def _role(self, key: RoleKey) -> Compiled | None:
        found = self._compiled.get(key)
        if found is None:
            rules = self._rules.get(key)
            if rules is None:
                return None
            found = self._compiled[key] = compiled(rules)
        return found


def subject_key(subject: rbac.Subject, namespace: str) -> Subject | None:
    """Return what a subject of a binding in that namespace is filed under; None for one that is nobody."""
    if subject.kind != rbac.SERVICE_ACCOUNT:
        return (subject.kind, subject.name)
    home = subject.namespace or namespace
    return (rbac.USER, f"{_ACCOUNT}:{home}:{subject.name}") if home else None


def compiled(rules: Iterable[rbac.PolicyRule]) -> Compiled:
    """Return rules in the form that is quick to ask."""
    resources: dict[tuple[str, str], tuple[Access, ...]] = {}
    paths: list[PathAccess] = []
    for rule in rules:
        verbs = frozenset(rule.verbs)
        if rule.non_resource_urls:
            urls = rule.non_resource_urls
            paths.append(PathAccess(verbs, frozenset(urls),
                                    tuple(url.rstrip(ALL) for url in urls if url.endswith(ALL))))
        access = Access(verbs, frozenset(rule.resource_names) if rule.resource_names else None)
        for group in rule.api_groups:
            for resource in rule.resources:
                resources[group, resource] = (*resources.get((group, resource), ()), access)
    return Compiled(resources, tuple(paths))


def _described(subject: rbac.Subject, namespace: str) -> str:
    name = subject.name
    if subject.kind == rbac.SERVICE_ACCOUNT:
        name = f"{name}/{subject.namespace or namespace}"
    return f"{subject.kind} {_quoted(name)}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _kind(namespace: str) -> str:
    return rbac.ROLE if namespace else rbac.CLUSTER_ROLE


def _not_found(role: RoleKey) -> str:
    return f"{_kind(role[0]).lower()}.{rbac.GROUP} {_quoted(role[1])} not found"


def _together(problems: Iterable[str]) -> str:
    found = list(problems)
    return found[0] if len(found) == 1 else f"[{', '.join(found)}]" if found else ""


def _problem(missing: Iterable[str]) -> str:
    text = _together(missing)
    return f"RBAC: {text}" if text else ""
