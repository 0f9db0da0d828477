"""Decides how containers are stopped: preStop hook, the image's stop signal, and SIGKILL when the grace has passed.

Sidecars go after the pod's containers, the one that came last first; the grace is one for all of them. Whoever has been
told to stop gets a moment before it is killed. See
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination.
"""

from __future__ import annotations

from edge.agent import processes
from edge.agent.actions import (
    Action,
    DetachNetwork,
    Emit,
    ForgetPod,
    KillContainer,
    Plan,
    RemoveContainer,
    RemoveGroup,
    RemoveVolumes,
    RunHook,
)
from edge.agent.memory import Stop
from edge.agent.view import View, is_sidecar
from edge.api import core
from edge.runtime.containers import STOP_SIGNAL, Container, State

# What is told to stop gets this long, however much of its grace was used up before.
LEAST_GRACE_SECONDS = 2.0


def stop(view: View, container: Container, *, grace: float, restart: bool = False, message: str = "",
         waits: bool = False) -> Plan:
    """Return the next step in stopping one running container.

    Args:
        view: the pod.
        container: the running container.
        grace: seconds between the request and SIGKILL.
        restart: start it again whatever the restart policy says.
        message: of the Killing event.
        waits: others have to end first.
    """
    begun = view.memory.stops.get(container.id)
    if begun is None:
        said = Emit(f"Killing/{container.id}", "Killing", message or f"Stopping container {container.name}",
                    field_path=field_path(view, container.name))
        hook = _pre_stop(view, container)
        if hook is not None and grace > 0:
            return Plan((said, RunHook("preStop", container.id, container.name, hook, grace, restart)), grace)
        left = _left(view, Stop(view.monotonic, grace), grace)
        if waits and left > 0:
            return Plan((said,), left)
        return Plan((said, KillContainer(container.id, STOP_SIGNAL, grace, restart)), max(grace, LEAST_GRACE_SECONDS))
    if begun.signal == "SIGKILL":
        return Plan()
    left = _left(view, begun, grace)
    if begun.signal:
        left = max(left, begun.signalled_at + LEAST_GRACE_SECONDS - view.monotonic)
        if left <= 0:
            return Plan((KillContainer(container.id, "SIGKILL", begun.grace_seconds, begun.restart),))
    elif left <= 0 or (begun.hook != "running" and not waits):
        return Plan((KillContainer(container.id, STOP_SIGNAL, begun.grace_seconds, begun.restart),),
                    max(left, LEAST_GRACE_SECONDS))
    return Plan((), left)


def _left(view: View, begun: Stop, grace: float) -> float:
    """Return how much is left of a container's grace; when the whole pod stops, of the pod's."""
    if view.memory.ending_since is not None:
        return view.memory.ending_since + grace - view.monotonic
    return begun.since + (grace if view.deleting else begun.grace_seconds) - view.monotonic


def _pre_stop(view: View, container: Container) -> core.LifecycleHandler | None:
    spec = view.spec_of(container.name)
    return spec.lifecycle.pre_stop if spec is not None and spec.lifecycle is not None else None


def field_path(view: View, name: str) -> str:
    """Return the part of the pod an event is about, as Kubernetes writes it."""
    spec = view.pod.spec if view.desired is not None else core.PodSpec()
    return pod_field_path(spec, name)


def pod_field_path(spec: core.PodSpec, name: str) -> str:
    """Return the part of a pod with that spec that a container is."""
    for part, group in (("initContainers", spec.init_containers), ("ephemeralContainers", spec.ephemeral_containers)):
        if any(each.name == name for each in group):
            return f"spec.{part}{{{name}}}"
    return f"spec.containers{{{name}}}"


def joined(plans: list[Plan]) -> Plan:
    """Return all actions in order and the earliest time to look again."""
    waits = [plan.requeue_after for plan in plans if plan.requeue_after is not None]
    return Plan(tuple(action for plan in plans for action in plan.actions), min(waits) if waits else None)


def stop_all(view: View, grace: float) -> Plan:
    """Return the next steps in stopping what runs: the containers together, then the sidecars, the last one first."""
    running = {container.name: container for container in view.containers if container.state is State.RUNNING}
    init = view.pod.spec.init_containers if view.desired is not None else ()
    sidecars = [each.name for each in init if is_sidecar(each) and each.name in running]
    plans = [stop(view, container, grace=grace) for name, container in running.items() if name not in sidecars]
    before = bool(plans)
    for name in reversed(sidecars):
        plans.append(stop(view, running[name], grace=grace, waits=before))
        before = True
    return joined(plans)


def terminate(view: View) -> Plan:
    """Return the next steps towards nothing of the pod being left."""
    if view.memory.forgotten:
        return Plan()
    if any(container.state is State.RUNNING for container in view.containers):
        return stop_all(view, view.grace_seconds)
    actions: list[Action] = [RemoveContainer(c.id, c.name, c.attempt) for c in view.containers]
    actions += processes.end(view)
    if view.sandbox is not None:
        actions.append(DetachNetwork())
    if view.has_group:
        actions.append(RemoveGroup())
    if view.has_files:
        actions.append(RemoveVolumes())
    return Plan((*actions, ForgetPod()))
