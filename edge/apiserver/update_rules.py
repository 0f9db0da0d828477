"""Says which kinds a PUT may create, and which it may only replace knowing their revision.

It differs from kind to kind for reasons of history; clients rely on both.
https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

from __future__ import annotations

from edge.api import custom, errors, meta, scheme

_CREATED = frozenset((
    "clusterrolebindings.rbac.authorization.k8s.io", "clusterroles.rbac.authorization.k8s.io", "endpoints", "events",
    "leases.coordination.k8s.io", "limitranges", "rolebindings.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io", "runtimeclasses.node.k8s.io", "services"))
_CONDITIONAL = frozenset((
    "apiservices.apiregistration.k8s.io", "csidrivers.storage.k8s.io", "csinodes.storage.k8s.io",
    "csistoragecapacities.storage.k8s.io", "customresourcedefinitions.apiextensions.k8s.io",
    "leases.coordination.k8s.io", "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "poddisruptionbudgets.policy", "runtimeclasses.node.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io", "volumeattachments.storage.k8s.io"))


def may_create(resource: scheme.Resource, subresource: str = "") -> bool:
    """Return whether a PUT to a name that is not there creates the object."""
    return not subresource and resource.group_resource in _CREATED


def check(resource: scheme.Resource, obj: meta.Object, namespace: str, name: str) -> None:
    """Judge what was sent to replace the object of that name.

    Raises:
        errors.BadRequest: when it is another one.
    """
    sent = obj.metadata
    if not sent.name:
        raise errors.BadRequest(f"the name of the object ({name} based on URL) was undeterminable: name must be "
                                "provided")
    if sent.name != name:
        raise errors.BadRequest(f"the name of the object ({sent.name}) does not match the name on the URL ({name})")
    if resource.namespaced and namespace and sent.namespace not in ("", namespace):
        raise errors.BadRequest(f"the namespace of the object ({sent.namespace}) does not match the namespace on the "
                                f"request ({namespace})")


def check_revision(resource: scheme.Resource, obj: meta.Object) -> None:
    """Raise errors.Invalid when the kind wants the revision that is replaced, and it is not said."""
    wanted = isinstance(resource, custom.CustomResource) or resource.group_resource in _CONDITIONAL
    if wanted and not obj.metadata.resource_version:
        raise errors.invalid(resource.group, resource.plural, obj.metadata.name, (errors.Cause(
            reason="FieldValueInvalid", field="metadata.resourceVersion",
            message="Invalid value: 0x0: must be specified for an update"),))
