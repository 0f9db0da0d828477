"""The `scale` subresource: how many pods a controller should have, apart from everything else it says."""

from __future__ import annotations

from typing import Any

import msgspec

from edge.api import apiextensions, autoscaling, custom, errors, meta, scheme
from edge.apiserver import scale_custom


def of(resource: scheme.Resource, obj: meta.Object) -> autoscaling.Scale:
    """Return the Scale of a Deployment, StatefulSet, ReplicaSet or ReplicationController."""
    if isinstance(obj, custom.Custom):
        return scale_custom.of(_paths(resource), obj)
    spec: Any = getattr(obj, "spec", None)
    status: Any = getattr(obj, "status", None)
    metadata = meta.ObjectMeta(name=obj.metadata.name, namespace=obj.metadata.namespace, uid=obj.metadata.uid,
                               resource_version=obj.metadata.resource_version,
                               creation_timestamp=obj.metadata.creation_timestamp)
    return autoscaling.Scale(
        api_version="autoscaling/v1", kind="Scale", metadata=metadata,
        spec=autoscaling.ScaleSpec(replicas=1 if spec.replicas is None else spec.replicas),
        status=autoscaling.ScaleStatus(replicas=status.replicas or 0, selector=selector_text(spec.selector)))


def applied(resource: scheme.Resource, obj: meta.Object, scale: autoscaling.Scale) -> meta.Object:
    """Return the controller with the number the Scale asks for, and the revision it was read at."""
    if scale.spec.replicas < 0:
        cause = errors.Cause(reason="FieldValueInvalid", field="spec.replicas",
                             message=f"Invalid value: {scale.spec.replicas}: must be greater than or equal to 0")
        raise errors.invalid("autoscaling", "Scale", obj.metadata.name, (cause,))
    if isinstance(obj, custom.Custom):
        return scale_custom.applied(_paths(resource), obj, scale)
    spec: Any = getattr(obj, "spec", None)
    metadata = msgspec.structs.replace(obj.metadata, resource_version=scale.metadata.resource_version)
    return msgspec.structs.replace(obj, metadata=metadata,
                                   spec=msgspec.structs.replace(spec, replicas=scale.spec.replicas))


def replicas_path(resource: scheme.Resource) -> list[str]:
    """Return where in an object the number is that its Scale asks for: `spec`, `replicas`."""
    if isinstance(resource, custom.CustomResource):
        return _paths(resource).spec_replicas_path.removeprefix(".").split(".")
    return ["spec", "replicas"]


def _paths(resource: scheme.Resource) -> apiextensions.CustomResourceSubresourceScale:
    """Return where a custom resource keeps its numbers: as the stored version has it, or else the first that does."""
    assert isinstance(resource, custom.CustomResource)
    stored = resource.version_of("")
    versions = (*((stored,) if stored else ()), *resource.versions.values())
    found: apiextensions.CustomResourceSubresourceScale | None = next(
        (version.scale for version in versions if version.scale is not None), None)
    assert found is not None, "the subresource is not served without"
    return found


def selector_text(selector: meta.LabelSelector | dict[str, str] | None) -> str:
    """Return a selector as a query writes it: `app=web,tier in (a,b)`."""
    if selector is None:
        return ""
    if isinstance(selector, dict):  # a ReplicationController's
        return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    terms = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    for term in selector.match_expressions:
        values = f"({','.join(sorted(term.values))})"
        terms.append({"In": f"{term.key} in {values}", "NotIn": f"{term.key} notin {values}",
                      "Exists": term.key, "DoesNotExist": f"!{term.key}"}.get(term.operator, term.key))
    return ",".join(terms)
