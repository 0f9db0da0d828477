"""Decides a pod's status from what is observed: phase, conditions, addresses, and the state of each container.

See https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/.
"""

from __future__ import annotations

import msgspec

from edge.agent import container_status, qos
from edge.agent.conditions import dated
from edge.agent.container_status import RUNTIME, Statuses
from edge.agent.view import FINISHED, View, every, final_phase, is_sidecar
from edge.api import core, meta, times
from edge.runtime.containers import State

__all__ = ["RUNTIME", "pod_status"]


def pod_status(view: View) -> core.PodStatus:
    """Return the status of a pod whose desired state is known."""
    pod, spec, now = view.pod, view.pod.spec, times.render(view.now)
    previous = view.previous or core.PodStatus()
    if _is_rejected(view):
        # What was never made has no status; `kubectl get` would show that of a container instead of the reason.
        spec = msgspec.structs.replace(spec, init_containers=(), containers=(), ephemeral_containers=())
    init = container_status.statuses(view, spec.init_containers, previous.init_container_statuses, init=True)
    app = container_status.statuses(view, spec.containers, previous.container_statuses)
    added = container_status.statuses(view, spec.ephemeral_containers, previous.ephemeral_container_statuses)
    phase = _phase(view, init, app)
    reason, message = _reason(view) if phase in FINISHED else ("", "")
    address = view.address or (previous.pod_ip if phase in FINISHED or view.deleting else "")
    init, app, added = (container_status.shortened(each, len(every(spec))) for each in (init, app, added))
    return core.PodStatus(
        phase=phase, reason=reason, message=message, conditions=_conditions(view, init, app, phase, now),
        host_ip=view.around.node_address,
        host_ips=(core.HostIP(ip=view.around.node_address),) if view.around.node_address else (),
        pod_ip=address, pod_ips=(core.PodIP(ip=address),) if address else (),
        start_time=previous.start_time or pod.status.start_time or now, qos_class=qos.qos_class(pod.spec),
        init_container_statuses=init, container_statuses=app, ephemeral_container_statuses=added)


def _is_rejected(view: View) -> bool:
    """Return whether the node has not taken the pod, as far as the last status tells after a new start."""
    before = view.previous
    return view.memory.rejected or (before is not None and before.phase == "Failed" and not before.container_statuses
                                    and not view.containers)


def _reason(view: View) -> tuple[str, str]:
    """Return why the pod as a whole has failed; what was told once stays."""
    for told in (view.previous, view.pod.status):
        if told is not None and told.phase in FINISHED:
            return told.reason, told.message
    return view.memory.failed or ("", "")


def _phase(view: View, init: Statuses, app: Statuses) -> str:
    for told in (view.previous, view.pod.status):
        if told is not None and told.phase in FINISHED:
            return told.phase
    running = any(container.state is State.RUNNING for container in view.containers)
    # As from the kubelet: over is only what runs no more, also where the node itself ends it.
    if not view.deleting and not running and (final := final_phase(view)):
        return final
    if view.deleting and not running:
        # Nothing of it will run again: a pod that goes ends in one of these two, whatever its restart policy.
        return "Succeeded" if all(s.state.terminated is not None and s.state.terminated.exit_code == 0
                                  for s in app) else "Failed"
    return _living_phase(view, init, app)


def _living_phase(view: View, init: Statuses, app: Statuses) -> str:
    sidecars = {each.name for each in view.pod.spec.init_containers if is_sidecar(each)}
    if any(status.name not in sidecars and _is_pending(status) for status in init):
        return "Pending"
    if not _has_begun(app) and any(status.name in sidecars and not _has_come_up(status) for status in init):
        return "Pending"
    waiting = [status for status in (*app, *(each for each in init if each.name in sidecars))
               if status.state.waiting is not None and status.last_state.terminated is None]
    return "Pending" if waiting else "Running"


def _is_pending(status: core.ContainerStatus) -> bool:
    """Return whether an init container has not ended yet, for the first time."""
    return status.state.running is not None or (
        status.state.waiting is not None and status.last_state.terminated is None)


def _has_come_up(status: core.ContainerStatus) -> bool:
    """Return whether a sidecar holds nothing back: it runs and has started, or has ended before."""
    if status.state.running is not None:
        return bool(status.started)
    return status.state.terminated is not None or status.last_state.terminated is not None


def _has_begun(app: Statuses) -> bool:
    """Return whether any of the pod's containers has started some time."""
    return any(status.state.running or status.state.terminated or status.last_state.terminated for status in app)


def _conditions(view: View, init: Statuses, app: Statuses, phase: str, now: str) -> tuple[meta.Condition, ...]:
    sidecars = {each.name for each in view.pod.spec.init_containers if is_sidecar(each)}
    done = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase, "")
    unready = [s.name for s in (*(each for each in init if each.name in sidecars), *app) if not s.ready]
    containers = _condition("ContainersReady", not unready and not done, done or "ContainersNotReady",
                            "" if done else f"containers with unready status: [{' '.join(unready)}]")
    network = view.sandbox is not None or (bool(view.pod.spec.host_network) and bool(view.containers) and not done)
    made = [_condition("PodReadyToStartContainers", network, "", ""), _initialized(init, app, sidecars, done),
            _readiness(view, containers), containers, _condition("PodScheduled", True, "", "")]
    if view.memory.failed is not None and view.memory.failed_grace_seconds is not None and phase == "Failed":
        # The node ended it for its own sake.
        made.append(meta.Condition(type="DisruptionTarget", status="True", reason="TerminationByKubelet",
                                   message=view.memory.failed[1]))
    before = view.previous.conditions if view.previous is not None else ()
    return tuple(dated(condition, before, now) for condition in made)


def _initialized(init: Statuses, app: Statuses, sidecars: set[str], done: str) -> meta.Condition:
    if done == "PodCompleted":
        return meta.Condition(type="Initialized", status="True", reason=done)
    missing = [] if _has_begun(app) else [s.name for s in init if not (s.started if s.name in sidecars else s.ready)]
    return _condition("Initialized", not missing, "ContainersNotInitialized",
                      f"containers with incomplete status: [{' '.join(missing)}]")


def _readiness(view: View, containers: meta.Condition) -> meta.Condition:
    if containers.status != "True":
        return msgspec.structs.replace(containers, type="Ready")
    given = {condition.type: condition.status for condition in view.pod.status.conditions}
    problems = []
    for name in (gate.condition_type for gate in view.pod.spec.readiness_gates):
        if name not in given:
            problems.append(f'corresponding condition of pod readiness gate "{name}" does not exist.')
        elif given[name] != "True":
            problems.append(f'the status of pod readiness gate "{name}" is not "True", but {given[name]}')
    return _condition("Ready", not problems, "ReadinessGatesNotReady", ", ".join(problems))


def _condition(kind: str, holds: bool, reason: str, message: str) -> meta.Condition:
    if holds:
        return meta.Condition(type=kind, status="True")
    return meta.Condition(type=kind, status="False", reason=reason, message=message)
