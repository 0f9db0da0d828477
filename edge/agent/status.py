"""Decides a pod's status from what is observed: phase, conditions and the state of each container.

See https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/.
"""

from __future__ import annotations

import msgspec

from edge.agent import starting
from edge.agent.probes import Health
from edge.agent.view import View, final_phase, is_sidecar, will_restart
from edge.api import core, meta, times
from edge.runtime.containers import Container, State

RUNTIME = "podman://"


def pod_status(view: View) -> core.PodStatus:
    """Return the status of a pod whose desired state is known.

    Once its containers are being removed a pod that goes keeps the statuses it had, so that the last word about each
    container is how it ended.
    """
    pod, spec, now = view.pod, view.pod.spec, times.render(view.now)
    previous = view.previous or core.PodStatus()
    init = tuple(_container(view, each, previous.init_container_statuses, init=True) for each in spec.init_containers)
    app = tuple(_container(view, each, previous.container_statuses) for each in spec.containers)
    phase = _phase(view, init, app)
    reason, message = view.memory.failed or ("", "")
    address = view.address or (previous.pod_ip if phase in ("Succeeded", "Failed") or view.deleting else "")
    return core.PodStatus(
        phase=phase, reason=reason, message=message, conditions=_conditions(view, init, app, phase, now),
        host_ip=view.around.node_address,
        host_ips=(core.HostIP(ip=view.around.node_address),) if view.around.node_address else (),
        pod_ip=address, pod_ips=(core.PodIP(ip=address),) if address else (),
        start_time=previous.start_time or pod.status.start_time or now, qos_class=qos_class(spec),
        init_container_statuses=init, container_statuses=app)


def qos_class(spec: core.PodSpec) -> str:
    """Return Guaranteed, Burstable or BestEffort, by the requests and limits for CPU and memory."""
    asked = limited = 0
    guaranteed = True
    for container in (*spec.init_containers, *spec.containers):
        requests, limits = container.resources.requests, container.resources.limits
        for name in ("cpu", "memory"):
            asked += name in requests
            limited += name in limits
            guaranteed = guaranteed and name in limits and requests.get(name, limits[name]) == limits[name]
    if not asked and not limited:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _container(view: View, container: core.Container, previous: tuple[core.ContainerStatus, ...], *,
               init: bool = False) -> core.ContainerStatus:
    attempts = view.attempts(container.name)
    before = next((status for status in previous if status.name == container.name), None)
    if not attempts:
        if before is not None and (view.deleting or before.state.terminated is not None):
            return msgspec.structs.replace(before, ready=init and before.ready, started=False)
        reason, message = _waiting(view, container, init=init)
        waiting = core.ContainerState(waiting=core.ContainerStateWaiting(reason=reason, message=message))
        return core.ContainerStatus(name=container.name, image=container.image, state=waiting, started=False)
    latest = attempts[0]
    last = _terminated(view, attempts[1]) if len(attempts) > 1 else core.ContainerState()
    state, last = _state(view, container, latest, last, init=init)
    health = view.health.get(latest.id, Health())
    running = latest.state is State.RUNNING
    if init and not is_sidecar(container):
        ready = latest.state is State.EXITED and latest.exit_code == 0
    else:
        ready = running and health.ready and not view.deleting
    return core.ContainerStatus(
        name=container.name, state=state, last_state=last, ready=ready, restart_count=latest.attempt,
        image=latest.image or container.image, image_id=latest.image_id, container_id=RUNTIME + latest.id,
        started=running and health.started)


def _state(view: View, container: core.Container, latest: Container, last: core.ContainerState, *,
           init: bool) -> tuple[core.ContainerState, core.ContainerState]:
    """Return the state and the last state; one that waits for its restart shows how it ended as the last state."""
    if latest.state is State.RUNNING:
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


def _waiting(view: View, container: core.Container, *, init: bool) -> tuple[str, str]:
    """Return why a container that was never made waits."""
    creating = _creating(view)
    networked = view.pod.spec.host_network or view.sandbox is not None
    if view.deleting or not networked or view.memory.files_key == "" or _behind_init(view, container, init=init):
        return creating, ""
    step = starting.step(view, container)
    return step.reason or creating, step.message


def _creating(view: View) -> str:
    return "PodInitializing" if view.pod.spec.init_containers else "ContainerCreating"


def _behind_init(view: View, container: core.Container, *, init: bool) -> bool:
    for earlier in view.pod.spec.init_containers:
        if init and earlier.name == container.name:
            return False
        latest = view.latest(earlier.name)
        if latest is None:
            return True
        done = latest.state is State.RUNNING if is_sidecar(earlier) else \
            latest.state is State.EXITED and latest.exit_code == 0
        if not done:
            return True
    return False


def _phase(view: View, init: tuple[core.ContainerStatus, ...], app: tuple[core.ContainerStatus, ...]) -> str:
    if view.previous is not None and view.previous.phase in ("Succeeded", "Failed"):
        return view.previous.phase
    if not view.deleting and (final := final_phase(view)):
        return final
    if view.deleting:
        return _ending_phase(view, app)
    sidecars = {each.name for each in view.pod.spec.init_containers if is_sidecar(each)}
    if any(not status.ready for status in init if status.name not in sidecars) and not any(
            status.state.running for status in app):
        return "Pending"
    begun = [status for status in app if status.state.running or status.state.terminated
             or status.last_state.terminated]
    return "Running" if len(begun) == len(app) else "Pending"


def _ending_phase(view: View, app: tuple[core.ContainerStatus, ...]) -> str:
    """A pod that was told to go ends Succeeded or Failed only when all its containers have ended."""
    ended = [status.state.terminated for status in app]
    if all(each is not None for each in ended) and (view.pod.spec.restart_policy or "Always") != "Always":
        return "Succeeded" if all(each is not None and each.exit_code == 0 for each in ended) else "Failed"
    return view.previous.phase if view.previous is not None and view.previous.phase else "Pending"


def _conditions(view: View, init: tuple[core.ContainerStatus, ...], app: tuple[core.ContainerStatus, ...], phase: str,
                now: str) -> tuple[meta.Condition, ...]:
    sidecars = {each.name for each in view.pod.spec.init_containers if is_sidecar(each)}
    not_done = [s.name for s in init if not (s.started if s.name in sidecars else s.ready)]
    unready = [s.name for s in app if not s.ready] + [s.name for s in init if s.name in sidecars and not s.ready]
    done = "PodCompleted" if phase == "Succeeded" else "PodFailed" if phase == "Failed" else ""
    if any(status.state.running or status.state.terminated or status.last_state.terminated for status in app):
        not_done = []
    initialized = _condition("Initialized", not not_done, "ContainersNotInitialized",
                             f"containers with incomplete status: [{' '.join(not_done)}]")
    text = f"containers with unready status: [{' '.join(unready)}]"
    containers = _condition("ContainersReady", not unready and not done, done or "ContainersNotReady",
                            "" if done else text)
    ready = _readiness(view, containers)
    if done == "PodCompleted" and not not_done:
        initialized = meta.Condition(type="Initialized", status="True", reason=done)
    network = view.pod.spec.host_network or view.sandbox is not None
    made = (_condition("PodReadyToStartContainers", bool(network), "", ""), initialized, ready, containers,
            _condition("PodScheduled", True, "", ""))
    return tuple(_dated(condition, view.previous, now) for condition in made)


def _readiness(view: View, containers: meta.Condition) -> meta.Condition:
    if containers.status != "True":
        return msgspec.structs.replace(containers, type="Ready")
    given = {condition.type: condition.status for condition in view.pod.status.conditions}
    missing = [gate.condition_type for gate in view.pod.spec.readiness_gates
               if given.get(gate.condition_type) != "True"]
    return _condition("Ready", not missing, "ReadinessGatesNotReady",
                      "; ".join(f'corresponding condition of pod readiness gate "{gate}" does not exist.'
                                for gate in missing))


def _condition(kind: str, holds: bool, reason: str, message: str) -> meta.Condition:
    if holds:
        return meta.Condition(type=kind, status="True")
    return meta.Condition(type=kind, status="False", reason=reason, message=message)


def _dated(condition: meta.Condition, previous: core.PodStatus | None, now: str) -> meta.Condition:
    """Keep the time of the last change while the status stays the same."""
    for before in previous.conditions if previous is not None else ():
        if before.type == condition.type and before.status == condition.status and before.last_transition_time:
            return msgspec.structs.replace(condition, last_transition_time=before.last_transition_time)
    return msgspec.structs.replace(condition, last_transition_time=now)
