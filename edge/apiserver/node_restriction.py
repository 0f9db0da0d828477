"""Keeps a node from writing what is not its own; what it may write at all, its authorizer has let through.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
"""

from __future__ import annotations

from edge.api import coordination, errors, meta, scheme
from edge.apiserver.admit import Attributes, Operation, Plugin
from edge.apiserver.node_authorizer import LEASES, node_of


class NodeRestriction(Plugin):
    """Judges what nodes write. Tokens for their pods are judged where they are made."""

    name = "NodeRestriction"

    def concerns(self, resource: scheme.Resource, operation: Operation, subresource: str) -> bool:
        """Return whether this is a write of a lease: the one kind whose name only shows in what is written."""
        return resource.type is coordination.Lease and operation == "CREATE"

    async def admit(self, request: Attributes) -> meta.Object | None:
        """Return the object as it is. Raises errors.Forbidden for a lease of another node."""
        node = node_of(request.write.user)
        if node and request.namespace == LEASES and request.name != node:
            raise errors.Forbidden(
                f'leases.coordination.k8s.io "{request.name}" is forbidden: can only access node lease with the same '
                "name as the requesting node",
                details={"name": request.name, "group": "coordination.k8s.io", "kind": "leases"})
        return request.obj
