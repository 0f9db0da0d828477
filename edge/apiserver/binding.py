"""The `binding` subresource: gives a pod its node, once."""

from __future__ import annotations

from datetime import datetime

import msgspec

from edge.api import core, errors, meta, times


def bound(pod: meta.Object, binding: core.Binding, now: datetime) -> core.Pod:
    """Return the pod bound to the binding's target.

    Raises:
        errors.BadRequest, errors.Invalid: for a binding that names no node.
        errors.Conflict: when the pod is bound already, is being deleted, or is another one than meant.
    """
    assert isinstance(pod, core.Pod)
    name, node = pod.metadata.name, binding.target.name
    if not node:
        cause = errors.Cause(reason="FieldValueRequired", field="target.name", message="Required value")
        raise errors.invalid("", "Binding", name, (cause,))
    if binding.target.kind not in ("", "Node"):
        cause = errors.Cause(reason="FieldValueNotSupported", field="target.kind",
                             message=f'Unsupported value: "{binding.target.kind}": supported values: "Node", ""')
        raise errors.invalid("", "Binding", name, (cause,))
    if binding.metadata.uid and binding.metadata.uid != pod.metadata.uid:
        raise _conflict(name, f"Precondition failed: UID in precondition: {binding.metadata.uid}, UID in object meta: "
                              f"{pod.metadata.uid}")
    if pod.metadata.deletion_timestamp is not None:
        raise _conflict(name, f"pod {name} is being deleted, cannot be assigned to a host")
    if pod.spec.node_name:
        raise _conflict(name, f'pod {name} is already assigned to node "{pod.spec.node_name}"')
    condition = meta.Condition(type="PodScheduled", status="True", last_transition_time=times.render(now))
    others = tuple(c for c in pod.status.conditions if c.type != "PodScheduled")
    annotations = {**pod.metadata.annotations, **binding.metadata.annotations}
    return msgspec.structs.replace(
        pod, metadata=msgspec.structs.replace(pod.metadata, annotations=annotations),
        spec=msgspec.structs.replace(pod.spec, node_name=node),
        status=msgspec.structs.replace(pod.status, conditions=(*others, condition)))


def _conflict(name: str, why: str) -> errors.Conflict:
    return errors.conflict("pods/binding", name, why)
