"""Kind <-> group and version <-> path <-> type: the registry of everything the API serves.

A further kind is one module with a `RESOURCES` tuple, and one entry in `_MODULES`.
"""

from __future__ import annotations

from typing import Any

from edge.api import (
    admissionregistration,
    apiextensions,
    apiregistration,
    apps,
    authentication,
    authorization,
    autoscalers,
    batch,
    certificates,
    components,
    configuration,
    conversion,
    coordination,
    custom,
    discovery,
    disruption_budgets,
    events,
    meta,
    metrics,
    networking,
    nodes,
    persistent_volumes,
    pods,
    quotas,
    rbac,
    replication,
    runtime_classes,
    scheduling,
    services,
    statefulsets,
    storage,
)
from edge.api.resource import Resource

__all__ = ["Resource", "convert_in", "convert_out", "find", "of_kind", "of_type", "resources", "to_stored",
           "to_version"]

_MODULES: tuple[tuple[Resource, ...], ...] = (
    nodes.RESOURCES,
    pods.RESOURCES,
    services.RESOURCES,
    configuration.RESOURCES,
    events.RESOURCES,
    replication.RESOURCES,
    persistent_volumes.RESOURCES,
    quotas.RESOURCES,
    components.RESOURCES,
    apps.RESOURCES,
    statefulsets.RESOURCES,
    batch.RESOURCES,
    autoscalers.RESOURCES,
    disruption_budgets.RESOURCES,
    certificates.RESOURCES,
    coordination.RESOURCES,
    discovery.RESOURCES,
    networking.RESOURCES,
    storage.RESOURCES,
    scheduling.RESOURCES,
    runtime_classes.RESOURCES,
    admissionregistration.RESOURCES,
    apiregistration.RESOURCES,
    metrics.RESOURCES,
    apiextensions.RESOURCES,
    authentication.RESOURCES,
    authorization.RESOURCES,
    rbac.RESOURCES,
)

_ALL: tuple[Resource, ...] = tuple(resource for module in _MODULES for resource in module)
_BY_TYPE: dict[type[meta.Object], Resource] = {resource.type: resource for resource in _ALL}
_BY_PATH: dict[tuple[str, str], Resource] = {
    (api_version, resource.plural): resource
    for resource in _ALL for api_version in (resource.api_version, *resource.old_versions)
}
_BY_KIND: dict[tuple[str, str], Resource] = {
    (api_version, resource.kind): resource
    for resource in _ALL for api_version in (resource.api_version, *resource.old_versions)
}


def resources() -> tuple[Resource, ...]:
    """Return every resource, in the order discovery lists them."""
    return _ALL


def of_type(kind: type[meta.Object]) -> Resource:
    """Return the resource of a Struct type. Raises KeyError for a type that is not registered."""
    return _BY_TYPE[kind]


def find(group: str, version: str, plural: str) -> Resource | None:
    """Return the resource served at that path, or None. An old version finds the resource it converts to."""
    return _BY_PATH.get((f"{group}/{version}" if group else version, plural))


def of_kind(api_version: str, kind: str) -> Resource | None:
    """Return the resource of a manifest's `apiVersion` and `kind`, old versions included, or None."""
    return _BY_KIND.get((api_version, kind))


def convert_in(api_version: str, obj: dict[str, Any]) -> dict[str, Any]:
    """Return the object, sent as `api_version`, in its stored version (a new dict; the input is left alone)."""
    resource = of_kind(api_version, str(obj.get("kind", "")))
    return dict(obj) if resource is None else to_stored(resource, api_version, obj)


def convert_out(api_version: str, obj: dict[str, Any]) -> dict[str, Any]:
    """Return the stored object as `api_version` shows it."""
    resource = of_kind(api_version, str(obj.get("kind", "")))
    return dict(obj) if resource is None else to_version(resource, api_version, obj)


def to_stored(resource: Resource, api_version: str, obj: dict[str, Any]) -> dict[str, Any]:
    """Return an object of a resource, sent as `api_version`, in its stored version."""
    if isinstance(resource, custom.CustomResource):
        return {**obj, "apiVersion": resource.api_version}
    return conversion.to_stored(api_version, resource.api_version, obj)


def to_version(resource: Resource, api_version: str, obj: dict[str, Any]) -> dict[str, Any]:
    """Return a stored object of a resource as `api_version` shows it."""
    if isinstance(resource, custom.CustomResource):
        return {**obj, "apiVersion": api_version}
    if resource.api_version == api_version:
        return dict(obj)
    return conversion.from_stored(api_version, obj)
