"""Decides what the agent does next for one pod: what is wanted against what is observed, as the kubelet does.

Applying a plan and planning again yields nothing; a plan that was cut off anywhere is taken up from what is then true.
"""

from __future__ import annotations

from datetime import timedelta

from edge.agent import environment, probes, starting, stopping, volumes
from edge.agent.actions import (
    Action,
    AttachNetwork,
    DetachNetwork,
    Emit,
    Plan,
    RemoveContainer,
    RunHook,
    WriteVolumes,
)
from edge.agent.view import View, final_phase, is_current, is_sidecar, will_restart
from edge.api import core, times
from edge.runtime.containers import Container, State

# Ended containers that are kept of each name, for `logs --previous` and the last state.
KEPT_ATTEMPTS = 2


def plan(view: View) -> Plan:
    """Return the next actions for a pod, without the events that were already sent."""
    return _unsaid(view, _plan(view))


def _unsaid(view: View, whole: Plan) -> Plan:
    keys: set[str] = set(view.memory.said)
    actions: list[Action] = []
    for action in whole.actions:
        if isinstance(action, Emit):
            if action.key in keys:
                continue
            keys.add(action.key)
        actions.append(action)
    return Plan(tuple(actions), whole.requeue_after)


def _plan(view: View) -> Plan:
    if view.deleting or view.desired is None:
        return stopping.terminate(view)
    if final_phase(view):
        return _finish(view)
    spec = view.pod.spec
    running = any(container.state is State.RUNNING for container in view.containers)
    if not spec.host_network and view.sandbox is None:
        if running:
            # The namespace was taken away under the containers: they cannot be reached any more.
            return stopping.stop_all(view, view.grace_seconds)
        stale = _stale_init(view)
        if stale:
            return Plan(stale)
        return Plan((AttachNetwork(),)) if view.network_ready else Plan()
    files = _write_volumes(view)
    if files is not None and (not running or any(isinstance(action, WriteVolumes) for action in files.actions)):
        return files
    began, init_done = _init(view)
    if init_done:
        began.extend(_app(view, container) for container in spec.containers)
    left = deadline(view)
    limit = [] if left is None else [Plan((), max(0.1, left))]
    return stopping.joined([*([files] if files else []), _old(view), *began, *limit])


def _finish(view: View) -> Plan:
    """Stop what is left and give the address back; containers stay for their logs."""
    if any(container.state is State.RUNNING for container in view.containers):
        return stopping.stop_all(view, view.grace_seconds)
    return Plan((DetachNetwork(),)) if view.sandbox is not None else Plan()


def _stale_init(view: View) -> tuple[Action, ...]:
    """After a reboot the pod starts anew, so its init containers have to run again."""
    init = {container.name for container in view.pod.spec.init_containers}
    return tuple(RemoveContainer(c.id, c.name, c.attempt) for c in view.containers if c.name in init)


def _write_volumes(view: View) -> Plan | None:
    assert view.desired is not None
    if view.memory.files_key == view.files_key and view.has_files:
        return None
    try:
        layout = volumes.layout(view.desired, view.address, view.around)
    except (volumes.NotReadyError, environment.UnresolvedError) as error:
        return Plan((Emit(f"FailedMount/{view.desired.revision}/{error}", "FailedMount", str(error), "Warning"),))
    return Plan((WriteVolumes(layout, view.files_key),))


def _init(view: View) -> tuple[list[Plan], bool]:
    """Return the plans of the init containers up to the first that is not done, and whether all are done."""
    plans: list[Plan] = []
    begun = any(c.state is State.RUNNING and c.name in {each.name for each in view.pod.spec.containers}
                for c in view.containers)
    for container in view.pod.spec.init_containers:
        latest = view.latest(container.name)
        if is_sidecar(container):
            plans.append(_app(view, container, init=True))
            if latest is None or latest.state is not State.RUNNING or not _started(view, latest):
                return plans, begun
        elif latest is not None and latest.state is State.EXITED and latest.exit_code == 0:
            continue
        elif begun:
            # Its container was pruned or failed long ago; what depends on it runs already.
            continue
        else:
            plans.append(_app(view, container, init=True))
            return plans, False
    return plans, True


def _started(view: View, container: Container) -> bool:
    health = view.health.get(container.id)
    return health is None or health.started


def _app(view: View, container: core.Container, *, init: bool = False) -> Plan:
    """Return the plan of one container: keep it, stop it for a reason, or bring it (back) up."""
    latest = view.latest(container.name)
    if latest is not None and latest.state is State.RUNNING:
        return _running(view, container, latest)
    if latest is not None and latest.state is State.UNKNOWN:
        return Plan((), 1.0)
    if latest is not None and latest.state is State.EXITED and not will_restart(view, container, latest, init=init):
        return Plan()
    step = starting.step(view, container)
    return Plan(step.actions, step.requeue_after)


def _running(view: View, container: core.Container, latest: Container) -> Plan:
    if latest.id in view.memory.stops:
        return stopping.stop(view, latest, grace=view.grace_seconds)
    if not is_current(container, latest):
        return stopping.stop(view, latest, grace=view.grace_seconds, restart=True,
                             message=f"Container {container.name} definition changed, will be restarted")
    health = view.health.get(latest.id, probes.Health())
    if health.broken:
        grace = probes.grace(container, health.broken, view.grace_seconds)
        return stopping.stop(view, latest, grace=grace,
                             message=f"Container {container.name} failed {health.broken} probe, will be restarted")
    hook = view.memory.post_start.get(latest.id, "")
    if hook.startswith("failed: "):
        return stopping.stop(view, latest, grace=view.grace_seconds, message="FailedPostStartHook")
    if hook == "wanted" and container.lifecycle is not None and container.lifecycle.post_start is not None:
        return Plan((RunHook("postStart", latest.id, container.name, container.lifecycle.post_start),))
    return Plan()


def _old(view: View) -> Plan:
    """Remove ended containers that are neither the newest of their name nor the one before, and unknown ones."""
    names = {each.name for each in (*view.pod.spec.init_containers, *view.pod.spec.containers)}
    seen: dict[str, int] = {}
    actions: list[Action] = []
    for container in sorted(view.containers, key=lambda each: each.attempt, reverse=True):
        seen[container.name] = seen.get(container.name, 0) + 1
        surplus = seen[container.name] > KEPT_ATTEMPTS and container.state is not State.RUNNING
        if surplus or container.name not in names:
            actions.append(RemoveContainer(container.id, container.name, container.attempt))
    return Plan(tuple(actions))


def deadline(view: View) -> float | None:
    """Return the seconds until `activeDeadlineSeconds` is over; None where there is none, or nothing has begun."""
    limit = view.pod.spec.active_deadline_seconds if view.desired is not None else None
    began = view.previous.start_time if view.previous is not None else None
    if limit is None or not began:
        return None
    return (times.parse(began) + timedelta(seconds=limit) - view.now).total_seconds()
