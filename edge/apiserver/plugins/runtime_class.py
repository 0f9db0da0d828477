"""RuntimeClass: gives a pod what its runtime needs, and the nodes that have it.

https://kubernetes.io/docs/concepts/containers/runtime-class/
"""

from __future__ import annotations

from msgspec.structs import replace

from edge.api import amounts, core, errors, meta, runtime_classes, scheme
from edge.apiserver.admit import Attributes, Operation, Plugin
from edge.apiserver.lookup import Lookup
from edge.apiserver.plugins import refusals

_MISMATCH = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
_NO_OVERHEAD = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"


def conflict(spec: core.PodSpec, found: runtime_classes.RuntimeClass) -> str:
    """Return why a pod cannot be of a class; empty when it can."""
    if found.overhead is not None and spec.overhead and not _same(spec, found.overhead):
        return _MISMATCH
    wanted = found.scheduling.node_selector if found.scheduling is not None else {}
    for key in sorted(wanted):
        if spec.node_selector.get(key, wanted[key]) != wanted[key]:
            return (f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {wanted[key]}; "
                    f"pod.spec.nodeSelector[{key}] = {spec.node_selector[key]}")
    return ""


def applied(spec: core.PodSpec, found: runtime_classes.RuntimeClass) -> core.PodSpec:
    """Return the pod's spec with the overhead of a class, and its nodes."""
    if found.overhead is not None:
        spec = replace(spec, overhead=dict(found.overhead.pod_fixed))
    if found.scheduling is None:
        return spec
    more = tuple(each for each in found.scheduling.tolerations if each not in spec.tolerations)
    return replace(spec, node_selector={**spec.node_selector, **found.scheduling.node_selector},
                   tolerations=spec.tolerations + more)


def refusal(spec: core.PodSpec, found: runtime_classes.RuntimeClass | None) -> str:
    """Return what is wrong with a pod's overhead in the end; empty when nothing is."""
    if found is None or found.overhead is None:
        return _NO_OVERHEAD if spec.overhead else ""
    return "" if _same(spec, found.overhead) else _MISMATCH


def _same(spec: core.PodSpec, overhead: runtime_classes.Overhead) -> bool:
    ours, theirs = amounts.read(spec.overhead), amounts.read(overhead.pod_fixed)
    return {name: each.nano for name, each in ours.items()} == {name: each.nano for name, each in theirs.items()}


class RuntimeClass(Plugin):
    """New pods that name a RuntimeClass, or claim an overhead."""

    name = "RuntimeClass"

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def concerns(self, resource: scheme.Resource, operation: Operation, subresource: str) -> bool:
        return resource.type is core.Pod and operation == "CREATE" and not subresource

    async def admit(self, request: Attributes) -> meta.Object | None:
        pod = request.obj
        if not isinstance(pod, core.Pod) or not pod.spec.runtime_class_name:
            return pod
        found = self._of(pod)
        if found is None:
            raise refusals.early(request, f'pod rejected: RuntimeClass "{pod.spec.runtime_class_name}" not found')
        if refused := conflict(pod.spec, found):
            raise refusals.early(request, refused)
        return replace(pod, spec=applied(pod.spec, found))

    async def validate(self, request: Attributes) -> None:
        pod = request.obj
        if isinstance(pod, core.Pod) and (pod.spec.overhead or pod.spec.runtime_class_name) \
                and (refused := refusal(pod.spec, self._of(pod))):
            raise errors.forbidden("pods", request.name, refused)

    def _of(self, pod: core.Pod) -> runtime_classes.RuntimeClass | None:
        name = pod.spec.runtime_class_name
        return self._lookup.one(runtime_classes.RuntimeClass, "", name) if name else None
