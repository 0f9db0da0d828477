"""Says who may do what: masters everything, nodes what they need, everyone else what roles give them.

The first that allows a request decides; when nobody does, the reasons of all go into the refusal.
https://kubernetes.io/docs/reference/access-authn-authz/authorization/
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from edge.api import errors, rbac
from edge.apiserver.authenticate import MASTERS_GROUP, User
from edge.apiserver.decision import NO, Decision
from edge.apiserver.node_authorizer import NodeAuthorizer, node_of
from edge.apiserver.paths import ResourceRequest
from edge.apiserver.rbac import Index

__all__ = ["Authorizer", "Decision", "forbidden", "forbidden_path", "named"]

ALWAYS_OPEN = ("/healthz", "/livez", "/readyz", "/edge/v1/ca")
"""Paths for everybody: who has no credentials yet has to find the authority, and probes have none at all."""
OPEN_POSTS = ("/edge/v1/renew",)
"""Likewise, for sending: a node whose certificate has expired shows its key there."""
_YES = Decision(True)
_EVERYTHING = (rbac.PolicyRule(verbs=("*",), api_groups=("*",), resources=("*",)),
               rbac.PolicyRule(verbs=("*",), non_resource_urls=("*",)))


@dataclass(frozen=True, slots=True)
class Authorizer:
    """Answers for the whole server. `rules` returns the index of all roles and bindings as they are now."""

    rules: Callable[[], Index]
    nodes: NodeAuthorizer

    def allowed(self, user: User, request: ResourceRequest) -> Decision:
        """Return whether the user may make the request."""
        if MASTERS_GROUP in user.groups:
            return _YES
        request = named(request)
        node = node_of(user)
        first = self.nodes.allowed(node, request) if node else NO
        if first.allowed:
            return first
        second = self.rules().allowed(user, request)
        if second.allowed or not first.reason:
            return second
        return Decision(False, "\n".join(reason for reason in (first.reason, second.reason) if reason))

    def allowed_path(self, user: User, verb: str, path: str) -> Decision:
        """Return whether the user may use a path that is no resource, such as `/version`."""
        if MASTERS_GROUP in user.groups:
            return _YES
        if verb == "get" and any(path == known or path.startswith(f"{known}/") for known in ALWAYS_OPEN):
            return _YES
        if verb == "post" and path in OPEN_POSTS:
            return _YES
        return self.rules().allowed_path(user, verb, path)

    def rules_of(self, user: User, namespace: str) -> tuple[tuple[rbac.PolicyRule, ...], str]:
        """Return every rule the user has in a namespace, and why there may be more than these."""
        if MASTERS_GROUP in user.groups:
            return _EVERYTHING, ""
        found, problem = self.rules().rules_of(user, namespace)
        if node_of(user):
            problem = ", ".join(filter(None, ("node authorizer does not support user rule resolution", problem)))
        return found, problem


def named(request: ResourceRequest) -> ResourceRequest:
    """Return the request with the name its field selector restricts it to, so that rules about names apply."""
    if request.name or not request.options.field_selector \
            or request.verb not in ("list", "watch", "deletecollection"):
        return request
    name = request.options.exactly("metadata.name")
    return replace(request, name=name) if name and "/" not in name and "%" not in name else request


def forbidden(user: User, request: ResourceRequest, reason: str = "") -> errors.Forbidden:
    """Return the 403 in Kubernetes' words."""
    plural = f"{request.resource}.{request.group}" if request.group else request.resource
    target = f'{plural} "{request.name}"' if request.name else plural
    resource = f"{request.resource}/{request.subresource}" if request.subresource else request.resource
    scope = f'in the namespace "{request.namespace}"' if request.namespace else "at the cluster scope"
    text = (f'{target} is forbidden: User "{user.name}" cannot {request.verb} resource "{resource}" '
            f'in API group "{request.group}" {scope}')
    details = {"name": request.name, "group": request.group, "kind": request.resource}
    return errors.Forbidden(f"{text}: {reason}" if reason else text,
                            details={key: value for key, value in details.items() if value})


def forbidden_path(user: User, verb: str, path: str, reason: str = "") -> errors.Forbidden:
    """Return the 403 for a path that is no resource."""
    text = f'forbidden: User "{user.name}" cannot {verb} path "{path}"'
    return errors.Forbidden(f"{text}: {reason}" if reason else text, details={})
