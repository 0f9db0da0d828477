"""Decides what a pod's status says of each container: its state, how the one before ended, and whether it is ready.

See https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-states.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from edge.agent import initializing, mounts, starting
from edge.agent.probes import Health
from edge.agent.view import View, final_phase, in_post_start, is_ephemeral, is_sidecar, will_restart
from edge.api import core
from edge.runtime.containers import Container, State

RUNTIME = "podman://"
# What all the last words in one status may take.
MOST_MESSAGE_BYTES = 12 * 1024
LOST_EXIT_CODE = 137
NOT_FOUND = "The container could not be located when the pod was terminated"
NOT_FOUND_BEFORE = "The container could not be located when the pod was deleted.  The container used to be Running"

Statuses = tuple[core.ContainerStatus, ...]


def statuses(view: View, containers: Iterable[core.Container], previous: Statuses, *, init: bool = False) -> Statuses:
    """Return the status of each of these containers.

    Once its containers are being removed a pod that goes keeps the statuses it had, so that the last word about each
    container is how it ended.
    """
    return tuple(_container(view, each, previous, init=init) for each in containers)


def shortened(found: Statuses, count: int) -> Statuses:
    """Return statuses whose messages are cut to their share, where the pod has that many containers."""
    most = MOST_MESSAGE_BYTES // max(count, 1)
    return tuple(msgspec.structs.replace(status, state=_cut(status.state, most),
                                         last_state=_cut(status.last_state, most)) for status in found)


def _cut(state: core.ContainerState, most: int) -> core.ContainerState:
    ended = state.terminated
    if ended is None or len(ended.message.encode()) <= most:
        return state
    message = ended.message.encode()[:most].decode(errors="ignore")
    return core.ContainerState(terminated=msgspec.structs.replace(ended, message=message))


def _container(view: View, container: core.Container, previous: Statuses, *, init: bool) -> core.ContainerStatus:
    attempts = view.attempts(container.name)
    before = next((status for status in previous if status.name == container.name), None)
    if not attempts:
        return _missing(view, container, before, init=init)
    latest = attempts[0]
    last = _terminated(view, attempts[1]) if len(attempts) > 1 else core.ContainerState()
    state, last = _state(view, container, latest, last, init=init)
    health = view.health.get(latest.id, Health())
    running = state.running is not None
    if init and not is_sidecar(container):
        ready = latest.state is State.EXITED and latest.exit_code == 0
    else:
        ready = running and health.ready and not is_ephemeral(container)
    return core.ContainerStatus(
        name=container.name, state=state, last_state=last, ready=ready, restart_count=latest.attempt,
        image=latest.image or container.image, image_id=latest.image_id, container_id=RUNTIME + latest.id,
        started=running and health.started, volume_mounts=mounts.shown(container))


def _missing(view: View, container: core.Container, before: core.ContainerStatus | None, *,
             init: bool) -> core.ContainerStatus:
    """Return the status of a container of which nothing is there: it was never made, or is gone."""
    if before is not None and before.state.terminated is not None:
        return msgspec.structs.replace(before, ready=init and before.ready, started=False)
    reason, message = _waiting(view, container)
    waiting = core.ContainerState(waiting=core.ContainerStateWaiting(reason=reason, message=message))
    status = core.ContainerStatus(name=container.name, image=container.image, state=waiting, started=False)
    if before is None:
        return status
    if view.deleting and before.state.running is not None:
        ended = core.ContainerState(terminated=core.ContainerStateTerminated(
            exit_code=LOST_EXIT_CODE, reason="ContainerStatusUnknown", message=NOT_FOUND))
        return msgspec.structs.replace(before, state=ended, ready=False, started=False)
    status = msgspec.structs.replace(status, restart_count=before.restart_count, last_state=before.last_state)
    if before.state.running is None:
        return status
    lost = core.ContainerStateTerminated(exit_code=LOST_EXIT_CODE, reason="ContainerStatusUnknown",
                                         message=NOT_FOUND_BEFORE)
    return msgspec.structs.replace(status, last_state=core.ContainerState(terminated=lost))


def _state(view: View, container: core.Container, latest: Container, last: core.ContainerState, *,
           init: bool) -> tuple[core.ContainerState, core.ContainerState]:
    """Return the state and the last state; one that waits for its restart shows how it ended as the last state."""
    if latest.state is State.RUNNING and (view.deleting or not in_post_start(view, container, latest)):
        running = core.ContainerStateRunning(started_at=latest.started_at or None)
        return core.ContainerState(running=running), last
    if latest.state is State.EXITED:
        ended = _terminated(view, latest)
        if view.deleting or final_phase(view) or not will_restart(view, container, latest, init=init):
            return ended, last
        step = starting.step(view, container)
        if not step.reason:
            return ended, last
        return core.ContainerState(waiting=core.ContainerStateWaiting(reason=step.reason, message=step.message)), ended
    if latest.state is State.UNKNOWN:
        waiting = core.ContainerStateWaiting(reason="ContainerStatusUnknown", message=latest.error)
    else:
        waiting = core.ContainerStateWaiting(reason=_creating(view))
    return core.ContainerState(waiting=waiting), last


def _terminated(view: View, container: Container) -> core.ContainerState:
    if container.state is not State.EXITED:
        return core.ContainerState()
    code = container.exit_code
    if container.oom_killed:
        reason = "OOMKilled"
    elif container.id in view.memory.start_errors:
        reason = "StartError"
    else:
        reason = "Completed" if code == 0 else "Unknown" if code == 255 and not container.finished_at else "Error"
    # What never started has no times in the engine.
    made = container.created_at if reason == "StartError" else ""
    return core.ContainerState(terminated=core.ContainerStateTerminated(
        exit_code=code, reason=reason, message=view.memory.messages.get(container.id, "") or container.error,
        started_at=container.started_at or made or None, finished_at=container.finished_at or made or None,
        container_id=RUNTIME + container.id))


def _waiting(view: View, container: core.Container) -> tuple[str, str]:
    """Return why a container that was never made waits."""
    creating = _creating(view)
    networked = view.pod.spec.host_network or view.sandbox is not None
    if view.deleting or final_phase(view) or not networked or view.memory.files_key == "" or (
            not is_ephemeral(container) and initializing.waits(view, container)):
        return creating, ""
    step = starting.step(view, container)
    return step.reason or creating, step.message


def _creating(view: View) -> str:
    return "PodInitializing" if view.pod.spec.init_containers else "ContainerCreating"
