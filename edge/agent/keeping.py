"""Decides what is due for each container of a pod that runs: keep it, stop it for a reason, or bring it (back) up."""

from __future__ import annotations

from edge.agent import initializing, probes, starting, stopping
from edge.agent.actions import Action, Plan, RemoveContainer, RunHook
from edge.agent.view import View, every, in_post_start, is_current, is_sidecar, will_restart
from edge.api import core
from edge.runtime.containers import Container, State

# Ended containers that are kept of each name, for `logs --previous` and the last state.
KEPT_ATTEMPTS = 2


def containers(view: View) -> list[Plan]:
    """Return what is due for each container.

    They start in their order, and while one runs its postStart hook those behind it wait, as with the kubelet.
    Ephemeral ones come first, so that one can look at what does not come up.
    """
    plans = [_ephemeral(view, container) for container in view.pod.spec.ephemeral_containers]
    found, held = initializing.progress(view), False
    for container in (*found.due, *(view.pod.spec.containers if found.done else ())):
        latest = view.latest(container.name)
        if not held or (latest is not None and latest.state is State.RUNNING):
            plans.append(_one(view, container, latest))
        held = held or _holds(view, container, latest)
    return plans


def _holds(view: View, container: core.Container, latest: Container | None) -> bool:
    """Return whether the containers behind this one have to wait for its postStart hook."""
    if container.lifecycle is None or container.lifecycle.post_start is None:
        return False
    if latest is not None and latest.state is State.RUNNING:
        return in_post_start(view, container, latest)
    if latest is not None and latest.state is State.EXITED and not _restarts(view, container, latest):
        return False
    return not starting.step(view, container).reason


def _ephemeral(view: View, container: core.EphemeralContainer) -> Plan:
    """Start it once; one whose end was told is over, also when its record is gone."""
    latest = view.latest(container.name)
    told = view.previous.ephemeral_container_statuses if view.previous is not None else ()
    ended = any(each.name == container.name and each.state.terminated is not None for each in told)
    if (latest is None and not ended) or (latest is not None and latest.state is State.CREATED):
        return _started(view, container)
    return Plan()


def _one(view: View, container: core.Container, latest: Container | None) -> Plan:
    if latest is not None and latest.state is State.RUNNING:
        return _running(view, container, latest)
    if latest is not None and latest.state is State.UNKNOWN:
        return Plan((), 1.0)
    if latest is not None and latest.state is State.EXITED and not _restarts(view, container, latest):
        return Plan()
    return _started(view, container)


def _started(view: View, container: core.Container) -> Plan:
    step = starting.step(view, container)
    return Plan(step.actions, step.requeue_after)


def _is_init(view: View, container: core.Container) -> bool:
    return any(each.name == container.name for each in view.pod.spec.init_containers)


def _restarts(view: View, container: core.Container, latest: Container) -> bool:
    return will_restart(view, container, latest, init=_is_init(view, container))


def _running(view: View, container: core.Container, latest: Container) -> Plan:
    init = _is_init(view, container)
    whom, again = f"Init container {container.name}" if init else f"Container {container.name}", ", will be restarted"
    if latest.id in view.memory.stops:
        return stopping.stop(view, latest, grace=view.grace_seconds)
    if init and not is_sidecar(container):
        return Plan()
    if not is_current(container, latest):
        return stopping.stop(view, latest, grace=view.grace_seconds, restart=True,
                             message=f"{whom} definition changed{'' if init else again}")
    health = view.health.get(latest.id, probes.Health())
    if health.broken:
        grace = probes.grace(container, health.broken, view.grace_seconds)
        ends = init or view.pod.spec.restart_policy == "Never"
        return stopping.stop(view, latest, grace=grace,
                             message=f"{whom} failed {health.broken} probe{'' if ends else again}")
    hook = view.memory.post_start.get(latest.id, "")
    if hook.startswith("failed: "):
        return stopping.stop(view, latest, grace=view.grace_seconds, message="FailedPostStartHook")
    if hook == "wanted" and container.lifecycle is not None and container.lifecycle.post_start is not None:
        return Plan((RunHook("postStart", latest.id, container.name, container.lifecycle.post_start),))
    return Plan()


def old(view: View) -> Plan:
    """Remove ended containers that are neither the newest of their name nor the one before, and unknown ones."""
    names = {each.name for each in every(view.pod.spec)}
    seen: dict[str, int] = {}
    actions: list[Action] = []
    for container in sorted(view.containers, key=lambda each: each.attempt, reverse=True):
        seen[container.name] = seen.get(container.name, 0) + 1
        kept = 1 if view.memory.sparing else KEPT_ATTEMPTS
        surplus = seen[container.name] > kept and container.state is not State.RUNNING
        if surplus or container.name not in names:
            actions.append(RemoveContainer(container.id, container.name, container.attempt))
    return Plan(tuple(actions))
