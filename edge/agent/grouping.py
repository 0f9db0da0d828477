"""Decides which control group a pod gets on this node, and what each of its containers is held to within it."""

from __future__ import annotations

from dataclasses import dataclass

from edge.agent import cgroups, qos
from edge.agent.actions import MakeGroup
from edge.agent.view import View
from edge.api import core

PAUSE_SCORE = -998


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a container is held to beside its own limits."""

    cgroup_parent: str = ""
    pids_limit: int = 0
    oom_score: int = 0
    oom_group: bool = False


def make(view: View) -> MakeGroup | None:
    """Return the making of the pod's group, where pods have one and this one has not been looked at yet."""
    around = view.around
    if not around.pods_have_groups or view.memory.group_made:
        return None
    return MakeGroup(cgroups.pod_group(view.pod, around.pod_pids_limit))


def held(view: View, container: core.Container) -> Held:
    """Return what one container of the pod is held to."""
    around, tree = view.around, view.around.cgroup_tree
    score = max(qos.oom_score(view.pod, container, around.memory_capacity_bytes), around.least_oom_score)
    if not around.pods_have_groups or tree is None:
        return Held(cgroup_parent=parent(view), oom_score=score)
    # As from the kubelet: where the kernel can, a container dies as a whole.
    return Held(cgroup_parent=parent(view), oom_score=score, pids_limit=around.pod_pids_limit,
                oom_group=tree.version == 2)


def parent(view: View) -> str:
    """Return the control group that the engine makes the containers' groups in."""
    around, tree = view.around, view.around.cgroup_tree
    if not around.pods_have_groups or tree is None:
        return around.cgroup_parent
    return cgroups.branch(tree, qos.qos_class(view.pod.spec), view.uid)


def pause_score(view: View) -> int:
    """Return how ready the kernel is to kill what holds a pod's namespaces: hardly."""
    return max(PAUSE_SCORE, view.around.least_oom_score)
