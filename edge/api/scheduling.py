"""The scheduling.k8s.io group: PriorityClasses, by which pods say how important they are."""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc
from edge.api.resource import Resource

HIGHEST_USER_PRIORITY = 1_000_000_000
"""Most a class made by a person may have; what is above is the system's."""
SYSTEM_PREFIX = "system-"
CLUSTER_CRITICAL = "system-cluster-critical"
NODE_CRITICAL = "system-node-critical"


class PriorityClass(meta.Object):
    """Gives pods that name it their priority."""

    value: Annotated[int, doc("The priority; higher is more important. At most 1000000000. Cannot change.",
                              required=True)] = meta.written(int)
    global_default: Annotated[bool, doc("True gives it to pods that name no class; one class at most.")] = False
    description: Annotated[str, doc("For people: when to use the class.")] = ""
    preemption_policy: Annotated[str, doc(
        "PreemptLowerPriority (default), or Never to wait without pushing out others. Cannot change.")] = ""


RESOURCES = (
    Resource(group="scheduling.k8s.io", version="v1", kind="PriorityClass", plural="priorityclasses",
             type=PriorityClass, namespaced=False, short_names=("pc",),
             old_versions=("scheduling.k8s.io/v1beta1",)),
)


def system_priority_classes() -> tuple[PriorityClass, ...]:
    """Return the classes every cluster has, with their defaults."""
    return (
        _system(NODE_CRITICAL, 2 * HIGHEST_USER_PRIORITY + 1000,
                "For pods the system needs on the very node they are on."),
        _system(CLUSTER_CRITICAL, 2 * HIGHEST_USER_PRIORITY,
                "For pods the system needs; they may move to another node."),
    )


def _system(name: str, value: int, description: str) -> PriorityClass:
    return PriorityClass(api_version="scheduling.k8s.io/v1", kind="PriorityClass",
                         metadata=meta.ObjectMeta(name=name), value=value, description=description,
                         preemption_policy="PreemptLowerPriority")
