"""Priority: turns the name of a pod's priority class into a number, and lets only one class be everybody's default.

https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from edge.api import core, errors, meta, scheduling, scheme
from edge.apiserver.admit import Attributes, Operation, Plugin
from edge.apiserver.lookup import Lookup
from edge.apiserver.plugins import refusals

_NO_CLASS = scheduling.PriorityClass(value=0, preemption_policy="PreemptLowerPriority")
"""What holds where there is no default class."""


@dataclass(frozen=True, slots=True)
class Classes:
    """All priority classes; the system's are there even before they are stored."""

    by_name: Mapping[str, scheduling.PriorityClass]
    default: scheduling.PriorityClass | None


def classes(stored: Iterable[scheduling.PriorityClass]) -> Classes:
    """Return the classes by name, and the default; of several defaults the lowest counts."""
    stored = tuple(stored)
    known = {found.metadata.name: found for found in (*scheduling.system_priority_classes(), *stored)}
    defaults = sorted((found for found in stored if found.global_default),
                      key=lambda found: (found.value, found.metadata.name))
    return Classes(known, defaults[0] if defaults else None)


def refusal_of(pod: core.Pod, known: Classes) -> str:
    """Return why the pod's own priority cannot be; empty when it can."""
    name = pod.spec.priority_class_name
    if name and name not in known.by_name:
        return f"no PriorityClass with name {name} was found"
    chosen, spec = _class_of(pod, known), pod.spec
    if spec.priority is not None and spec.priority != chosen.value:
        return (f"the integer value of priority ({spec.priority}) must not be provided in pod spec; priority admission "
                f"controller computed {chosen.value} from the given PriorityClass name")
    if chosen.preemption_policy and spec.preemption_policy not in ("", chosen.preemption_policy):
        return (f"the string value of PreemptionPolicy ({spec.preemption_policy}) must not be provided in pod spec; "
                f"priority admission controller computed {chosen.preemption_policy} from the given PriorityClass name")
    return ""


def with_priority(pod: core.Pod, known: Classes) -> core.Pod:
    """Return the pod with what its class, or the default one, says."""
    chosen = _class_of(pod, known)
    return replace(pod, spec=replace(
        pod.spec, priority=chosen.value, priority_class_name=chosen.metadata.name,
        preemption_policy=chosen.preemption_policy or pod.spec.preemption_policy))


def _class_of(pod: core.Pod, known: Classes) -> scheduling.PriorityClass:
    name = pod.spec.priority_class_name
    return known.by_name[name] if name else known.default or _NO_CLASS


def kept(new: core.Pod, old: core.Pod) -> core.Pod:
    """Return a changed pod with the priority it has, where the change leaves it out."""
    spec = new.spec
    if spec.priority is not None and spec.preemption_policy:
        return new
    return replace(new, spec=replace(
        spec, priority=old.spec.priority if spec.priority is None else spec.priority,
        preemption_policy=spec.preemption_policy or old.spec.preemption_policy))


class Priority(Plugin):
    """Pods and PriorityClasses."""

    name = "Priority"

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def concerns(self, resource: scheme.Resource, operation: Operation, subresource: str) -> bool:
        return not subresource and operation in ("CREATE", "UPDATE") \
            and resource.type in (core.Pod, scheduling.PriorityClass)

    async def admit(self, request: Attributes) -> meta.Object | None:
        if not isinstance(request.obj, core.Pod):
            return request.obj
        if isinstance(request.old, core.Pod):
            return kept(request.obj, request.old)
        if refused := refusal_of(request.obj, self._classes()):
            raise refusals.early(request, refused)
        return with_priority(request.obj, self._classes())

    async def validate(self, request: Attributes) -> None:
        new, default = request.obj, self._classes().default
        if not isinstance(new, scheduling.PriorityClass) or not new.global_default or default is None:
            return
        if request.operation == "CREATE" or default.metadata.name != new.metadata.name:
            raise errors.forbidden(request.resource.group_resource, request.name,
                                   f"PriorityClass {default.metadata.name} is already marked as default. Only one "
                                   "default can exist")

    def _classes(self) -> Classes:
        return self._lookup.derived("priority classes", (scheduling.PriorityClass,),
                                    lambda: classes(self._lookup.all(scheduling.PriorityClass)))
