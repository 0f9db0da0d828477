"""Decides how containers are stopped: preStop hook, SIGTERM, and SIGKILL when the grace has passed.

See https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination.
"""

from __future__ import annotations

from edge.agent.actions import (
    Action,
    DetachNetwork,
    Emit,
    ForgetPod,
    KillContainer,
    Plan,
    RemoveContainer,
    RemoveVolumes,
    RunHook,
)
from edge.agent.view import View, is_sidecar
from edge.api import core
from edge.runtime.containers import Container, State


def stop(view: View, container: Container, *, grace: float, restart: bool = False, message: str = "") -> Plan:
    """Return the next step in stopping one running container.

    Args:
        view: the pod.
        container: the running container.
        grace: seconds between the request and SIGKILL.
        restart: start it again whatever the restart policy says.
        message: of the Killing event.
    """
    begun = view.memory.stops.get(container.id)
    if begun is None:
        said = Emit(f"Killing/{container.id}", "Killing", message or f"Stopping container {container.name}",
                    field_path=field_path(view, container.name))
        hook = _pre_stop(view, container)
        if hook is not None and grace > 0:
            return Plan((said, RunHook("preStop", container.id, container.name, hook, grace, restart)), grace)
        signal = "SIGTERM" if grace > 0 else "SIGKILL"
        return Plan((said, KillContainer(container.id, signal, grace, restart)), max(grace, 1.0))
    left = begun.since + (grace if view.deleting else begun.grace_seconds) - view.monotonic
    if left <= 0:
        if begun.signal == "SIGKILL":
            return Plan()
        return Plan((KillContainer(container.id, "SIGKILL", begun.grace_seconds, begun.restart),))
    if not begun.signal and begun.hook != "running":
        return Plan((KillContainer(container.id, "SIGTERM", begun.grace_seconds, begun.restart),), left)
    return Plan((), left)


def _pre_stop(view: View, container: Container) -> core.LifecycleHandler | None:
    if view.desired is None:
        return None
    for each in (*view.pod.spec.containers, *view.pod.spec.init_containers):
        if each.name == container.name and each.lifecycle is not None:
            return each.lifecycle.pre_stop
    return None


def field_path(view: View, name: str) -> str:
    """Return the part of the pod an event is about, as Kubernetes writes it."""
    init = view.desired is not None and any(each.name == name for each in view.pod.spec.init_containers)
    return f"spec.{'initContainers' if init else 'containers'}{{{name}}}"


def joined(plans: list[Plan]) -> Plan:
    """Return all actions in order and the earliest time to look again."""
    waits = [plan.requeue_after for plan in plans if plan.requeue_after is not None]
    return Plan(tuple(action for plan in plans for action in plan.actions), min(waits) if waits else None)


def stop_all(view: View, grace: float) -> Plan:
    """Return the next steps in stopping what runs: the containers together, sidecars when those are gone."""
    running = [container for container in view.containers if container.state is State.RUNNING]
    sidecars = {each.name for each in view.pod.spec.init_containers if is_sidecar(each)} if view.desired else set()
    first = [container for container in running if container.name not in sidecars]
    return joined([stop(view, container, grace=grace) for container in first or running])


def terminate(view: View) -> Plan:
    """Return the next steps towards nothing of the pod being left."""
    if view.memory.forgotten:
        return Plan()
    if any(container.state is State.RUNNING for container in view.containers):
        return stop_all(view, view.grace_seconds)
    actions: list[Action] = [RemoveContainer(c.id, c.name, c.attempt) for c in view.containers]
    if view.sandbox is not None:
        actions.append(DetachNetwork())
    if view.has_files:
        actions.append(RemoveVolumes())
    return Plan((*actions, ForgetPod()))
