"""What a node may do over HTTP: read itself and what the pods bound to it use, and renew its certificate.

What a node reports comes over the bus, where the bridge decides what it may claim; so this is narrower than in
Kubernetes. https://kubernetes.io/docs/reference/access-authn-authz/node/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edge.api import core, meta
from edge.apiserver.authenticate import NODES_GROUP, User
from edge.apiserver.decision import NO, Decision
from edge.apiserver.paths import ResourceRequest

LEASES = "kube-node-lease"
_PREFIX = "system:node:"
_YES = Decision(True)

PodsIn = Callable[[str], Iterable[core.Pod]]
"""Returns the pods of a namespace."""
OnePod = Callable[[str, str], core.Pod | None]
"""Returns the pod (namespace, name), or None."""


def node_of(user: User) -> str:
    """Return the name of the node a user is, or "" when it is none."""
    if NODES_GROUP not in user.groups or not user.name.startswith(_PREFIX):
        return ""
    return user.name.removeprefix(_PREFIX)


class NodeAuthorizer:
    """Answers for nodes."""

    def __init__(self, pod: OnePod, pods_in: PodsIn) -> None:
        self._pod = pod
        self._pods_in = pods_in

    def allowed(self, node: str, request: ResourceRequest) -> Decision:
        """Return whether the node may make the request; what is not allowed here, a role may still allow."""
        match (request.group, request.resource):
            case ("", "nodes"):
                return _node(node, request)
            case ("", "pods"):
                return self._of_pods(node, request)
            case ("", "secrets" | "configmaps" | "persistentvolumeclaims"):
                return self._used(node, request)
            case ("", "serviceaccounts"):
                return self._account(node, request)
            case ("coordination.k8s.io", "leases"):
                return _lease(node, request)
            case ("certificates.k8s.io", "certificatesigningrequests"):
                return _YES if not request.subresource and request.verb in ("create", "get") else NO
        return NO

    def _of_pods(self, node: str, request: ResourceRequest) -> Decision:
        if request.subresource or request.verb not in ("get", "list", "watch"):
            return NO
        if request.verb != "get" and request.options.exactly("spec.nodeName") == node:
            return _YES
        if not request.name:
            return Decision(False, "can only list/watch pods with spec.nodeName field selector")
        pod = self._pod(request.namespace, request.name)
        return _YES if pod is not None and pod.spec.node_name == node else _unrelated(node)

    def _used(self, node: str, request: ResourceRequest) -> Decision:
        """Let a node get what its pods name: their volumes, their environment, their credentials."""
        if request.verb != "get":
            return Decision(False, "can only get individual resources of this type")
        if request.subresource:
            return Decision(False, "cannot get subresource")
        wanted = (request.resource, request.name)
        found = any(wanted in used_by(pod) for pod in self._pods_in(request.namespace) if pod.spec.node_name == node)
        return _YES if found else _unrelated(node)

    def _account(self, node: str, request: ResourceRequest) -> Decision:
        reads = request.verb == "get" and not request.subresource
        if not reads and (request.verb != "create" or not request.name):
            return Decision(False, "can only create tokens for individual service accounts")
        if not reads and request.subresource != "token":
            return Decision(False, "can only create token subresource of serviceaccount")
        found = any(pod.spec.node_name == node and pod.spec.service_account_name == request.name
                    for pod in self._pods_in(request.namespace))
        return _YES if found else _unrelated(node)


def used_by(pod: core.Pod) -> set[tuple[str, str]]:
    """Return (resource, name) of what a pod uses in its namespace: ConfigMaps, Secrets, claims."""
    found: set[tuple[str, str]] = {("secrets", each.name) for each in pod.spec.image_pull_secrets}
    for container in (*pod.spec.init_containers, *pod.spec.containers, *pod.spec.ephemeral_containers):
        found |= _references(container.env, container.env_from)
    return found | _references(pod.spec.volumes)


_RESOURCES = {"config_map": "configmaps", "config_map_ref": "configmaps", "config_map_key_ref": "configmaps",
              "secret": "secrets", "secret_ref": "secrets", "secret_key_ref": "secrets",
              "node_publish_secret_ref": "secrets", "persistent_volume_claim": "persistentvolumeclaims"}


def _references(*values: object) -> set[tuple[str, str]]:
    """Return the references inside values, known by the fields they stand in, so that a new volume type is found."""
    found: set[tuple[str, str]] = set()
    for value in values:
        if isinstance(value, tuple):
            found |= _references(*value)
        elif isinstance(value, meta.Struct):
            for name in value.__struct_fields__:
                below = getattr(value, name)
                if name in _RESOURCES and isinstance(below, meta.Struct):
                    found.add((_RESOURCES[name], _name(below)))
                found |= _references(below)
    return found - {("configmaps", ""), ("secrets", ""), ("persistentvolumeclaims", "")}


def _name(reference: meta.Struct) -> str:
    for field in ("name", "secret_name", "claim_name"):
        if found := getattr(reference, field, ""):
            return str(found)
    return ""


def _node(node: str, request: ResourceRequest) -> Decision:
    if request.verb == "get" and request.subresource in ("", "status") and request.name == node:
        return _YES
    if request.subresource or request.verb not in ("get", "list", "watch"):
        return NO
    if request.name == node:
        return _YES
    if not request.name:
        return Decision(False, f"node '{node}' cannot read all nodes, only its own Node object")
    return Decision(False, f"node '{node}' cannot read '{request.name}', only its own Node object")


def _lease(node: str, request: ResourceRequest) -> Decision:
    if request.subresource or request.verb not in ("get", "create", "update", "patch", "delete"):
        return Decision(False, "can only get, create, update, patch, or delete a node lease")
    if request.namespace != LEASES:
        return Decision(False, f'can only access leases in the "{LEASES}" system namespace')
    if request.verb != "create" and request.name != node:
        return Decision(False, "can only access node lease with the same name as the requesting node")
    return _YES


def _unrelated(node: str) -> Decision:
    return Decision(False, f"no relationship found between node '{node}' and this object")
