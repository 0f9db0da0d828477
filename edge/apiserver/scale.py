"""The `scale` subresource: how many pods a controller should have, apart from everything else it says."""

from __future__ import annotations

from typing import Any

import msgspec

from edge.api import autoscaling, errors, meta, scheme


def of(resource: scheme.Resource, obj: meta.Object) -> autoscaling.Scale:
    """Return the Scale of a Deployment or ReplicaSet."""
    spec: Any = getattr(obj, "spec", None)
    status: Any = getattr(obj, "status", None)
    metadata = meta.ObjectMeta(name=obj.metadata.name, namespace=obj.metadata.namespace, uid=obj.metadata.uid,
                               resource_version=obj.metadata.resource_version,
                               creation_timestamp=obj.metadata.creation_timestamp)
    return autoscaling.Scale(
        api_version="autoscaling/v1", kind="Scale", metadata=metadata,
        spec=autoscaling.ScaleSpec(replicas=1 if spec.replicas is None else spec.replicas),
        status=autoscaling.ScaleStatus(replicas=status.replicas or 0, selector=selector_text(spec.selector)))


def applied(obj: meta.Object, scale: autoscaling.Scale) -> meta.Object:
    """Return the controller with the number the Scale asks for, and the revision it was read at."""
    if scale.spec.replicas < 0:
        cause = errors.Cause(reason="FieldValueInvalid", field="spec.replicas",
                             message=f"Invalid value: {scale.spec.replicas}: must be greater than or equal to 0")
        raise errors.invalid("autoscaling", "Scale", obj.metadata.name, (cause,))
    spec: Any = getattr(obj, "spec", None)
    metadata = msgspec.structs.replace(obj.metadata, resource_version=scale.metadata.resource_version)
    return msgspec.structs.replace(obj, metadata=metadata,
                                   spec=msgspec.structs.replace(spec, replicas=scale.spec.replicas))


def selector_text(selector: meta.LabelSelector | None) -> str:
    """Return a selector as a query writes it: `app=web,tier in (a,b)`."""
    if selector is None:
        return ""
    terms = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    for term in selector.match_expressions:
        values = f"({','.join(sorted(term.values))})"
        terms.append({"In": f"{term.key} in {values}", "NotIn": f"{term.key} notin {values}",
                      "Exists": term.key, "DoesNotExist": f"!{term.key}"}.get(term.operator, term.key))
    return ",".join(terms)
