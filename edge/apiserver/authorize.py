"""Says who may do what: the masters everything, nodes and joining machines little, everyone else the harmless reads.

The node rule follows https://kubernetes.io/docs/reference/access-authn-authz/node/
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.api import errors
from edge.apiserver.authenticate import (
    AUTHENTICATED_GROUP,
    BOOTSTRAPPERS_GROUP,
    MASTERS_GROUP,
    NODES_GROUP,
    User,
)
from edge.apiserver.paths import ResourceRequest

PUBLIC_PATHS = ("/version", "/healthz", "/livez", "/readyz", "/edge/v1/ca")
AUTHENTICATED_PATHS = ("/api", "/apis", "/openapi", *PUBLIC_PATHS)
REVIEWS = {("authorization.k8s.io", "selfsubjectaccessreviews"), ("authorization.k8s.io", "selfsubjectrulesreviews"),
           ("authentication.k8s.io", "selfsubjectreviews")}
_REQUESTS = ("certificates.k8s.io", "certificatesigningrequests")

PodNode = Callable[[str, str], str]
"""Returns the node that the pod (namespace, name) is bound to, or "" when it is not or is not there."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request goes on, and which rule says so."""

    allowed: bool
    reason: str = ""


NO = Decision(False)


def _nowhere(namespace: str, name: str) -> str:
    return ""


def allowed(user: User, request: ResourceRequest, pod_node: PodNode = _nowhere) -> Decision:
    """Return whether the user may make the request."""
    if MASTERS_GROUP in user.groups:
        return Decision(True, "system:masters")
    resource = (request.group, request.resource)
    if AUTHENTICATED_GROUP in user.groups and resource in REVIEWS and request.verb == "create":
        return Decision(True, "self review")
    if NODES_GROUP in user.groups:
        return _node(user, request, pod_node)
    if BOOTSTRAPPERS_GROUP in user.groups and resource == _REQUESTS and not request.subresource \
            and request.verb in ("create", "get"):
        return Decision(True, "joining machine")
    return NO


def allowed_path(user: User, path: str) -> Decision:
    """Return whether the user may read a path that is no resource, such as `/version`."""
    if MASTERS_GROUP in user.groups:
        return Decision(True, "system:masters")
    open_paths = AUTHENTICATED_PATHS if AUTHENTICATED_GROUP in user.groups else PUBLIC_PATHS
    if any(path == known or path.startswith(known + "/") for known in open_paths):
        return Decision(True, "discovery")
    return NO


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


def forbidden_path(user: User, method: str, path: str) -> errors.Forbidden:
    """Return the 403 for a path that is no resource."""
    verb = {"GET": "get", "HEAD": "head"}.get(method, method.lower())
    return errors.Forbidden(f'forbidden: User "{user.name}" cannot {verb} path "{path}"', details={})


def _node(user: User, request: ResourceRequest, pod_node: PodNode) -> Decision:
    """A node reads itself and what is bound to it, and renews its certificate; what it reports goes over the bus."""
    node = user.name.removeprefix("system:node:")
    rule = Decision(True, "node rule")
    resource = (request.group, request.resource)
    if resource == _REQUESTS and not request.subresource and request.verb in ("create", "get"):
        return rule
    if resource == ("", "nodes") and request.name == node and request.subresource in ("", "status"):
        # What a node says of itself comes over the bus, where the bridge decides what it may claim.
        return rule if request.verb == "get" else NO
    if resource == ("", "pods") and not request.subresource:
        if request.verb == "get":
            return rule if pod_node(request.namespace, request.name) == node else NO
        own = f"spec.nodeName={node}" in request.options.field_selector.split(",")
        return rule if request.verb in ("list", "watch") and own else NO
    return NO
