"""Decides what the agent does next for one pod: what is wanted against what is observed, as the kubelet does.

Applying a plan and planning again yields nothing; a plan that was cut off anywhere is taken up from what is then true.
"""

from __future__ import annotations

from edge.agent import admission, device_allocation, grouping, keeping, layout, names, processes, security, stopping
from edge.agent.actions import (
    Action,
    AdmitPod,
    AttachNetwork,
    DetachNetwork,
    Emit,
    EmptyVolumes,
    Plan,
    RejectPod,
    RemoveContainer,
    RemoveGroup,
    WriteVolumes,
)
from edge.agent.view import EVICTED, View, failed_as, final_phase
from edge.runtime.containers import State


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
    if view.facts is not None:
        refused = admission.refusal(view.pod, view.facts)
        return Plan((AdmitPod() if refused is None else RejectPod(*refused),))
    group = grouping.make(view)
    if group is not None:
        return Plan((group,))
    running = any(container.state is State.RUNNING for container in view.containers)
    anew = _start_anew(view, running)
    if anew is not None:
        return anew
    files = _write_volumes(view)
    if files is not None and (not running or any(isinstance(action, WriteVolumes) for action in files.actions)):
        return files
    shared = processes.begin(view)
    if shared:
        return Plan(shared)
    left = deadline(view)
    limit = [] if left is None else [Plan((), max(0.1, left))]
    return stopping.joined([*([files] if files else []), keeping.old(view), _unplugged(view),
                            *keeping.containers(view), *limit])


def _start_anew(view: View, running: bool) -> Plan | None:
    """Return what is to do where the pod has no network, or was there before the node was started anew."""
    networked = bool(view.pod.spec.host_network) or view.sandbox is not None
    if networked and view.has_run_dir:
        return None
    if running and not networked:
        # The namespace was taken away under the containers: they cannot be reached any more.
        changed = Emit(f"SandboxChanged/{'/'.join(sorted(c.id for c in view.containers))}", "SandboxChanged",
                       "Pod sandbox changed, it will be killed and re-created.")
        return stopping.joined([Plan((changed,)), stopping.stop_all(view, view.grace_seconds)])
    stale = () if running else _stale(view)
    if stale:
        return Plan(stale)
    return None if networked else _attach(view)


def _attach(view: View) -> Plan:
    handler = view.desired.runtime_handler if view.desired is not None else ""
    if handler and handler not in view.around.policy.runtime_handlers:
        text = f'Failed to create pod sandbox: failed to get sandbox runtime: no runtime for "{handler}" is configured'
        return Plan((Emit(f"Runtime/{handler}", "FailedCreatePodSandBox", text, "Warning"),))
    if problem := names.problem(view.pod, view.around):
        text = f"Failed to create pod sandbox: {problem}"
        return Plan((Emit("Hostname", "FailedCreatePodSandBox", text, "Warning"),))
    return Plan((AttachNetwork(security.network_sysctls(view.pod.spec)),)) if view.network_ready else Plan()


def _unplugged(view: View) -> Plan:
    """Say which devices have gone away under containers that run."""
    return Plan(tuple(
        Emit(f"DeviceLost/{container.id}/{resource}/{unit}", "DeviceLost", f"Device {unit} ({resource}) of container "
             f"{container.name} is gone", "Warning", stopping.field_path(view, container.name))
        for container in view.containers if container.state is State.RUNNING
        for resource, unit in device_allocation.lost(view.stock, container)))


def _finish(view: View) -> Plan:
    """Stop what is left and give the address back; containers stay for their logs."""
    if any(container.state is State.RUNNING for container in view.containers):
        return stopping.stop_all(view, view.grace_seconds)
    actions: list[Action] = []
    if failed_as(view) == EVICTED:
        # The node needs the room of all of it, logs included.
        actions += [RemoveContainer(c.id, c.name, c.attempt) for c in view.containers]
    actions += processes.end(view)
    if view.sandbox is not None:
        actions.append(DetachNetwork())
    if view.has_group:
        actions.append(RemoveGroup())
    if view.has_files and not view.memory.emptied:
        actions.append(EmptyVolumes())
    return Plan(tuple(actions))


def _stale(view: View) -> tuple[Action, ...]:
    """After a reboot the pod starts anew: its init containers run again, and what was only made is made again."""
    init = {container.name for container in view.pod.spec.init_containers}
    return tuple(RemoveContainer(c.id, c.name, c.attempt) for c in view.containers
                 if c.name in init or c.state is State.CREATED)


def _write_volumes(view: View) -> Plan | None:
    assert view.desired is not None
    if view.memory.files_key == view.files_key and view.has_files and view.has_run_dir:
        return None
    found = layout.layout(view.desired, view.address, view.around)
    said = tuple(Emit(f"FailedMount/{view.desired.revision}/{problem}", "FailedMount", problem, "Warning")
                 for problem in found.problems)
    if found.problems and not (view.memory.files_key and view.has_files):
        return Plan(said)
    said += tuple(Emit(f"DNS/{text}", "DNSConfigForming", text, "Warning")
                  for text in names.omitted(view.pod, view.around))
    # What was there once stays as it was last: a container may start again although its ConfigMap is gone.
    return Plan((*said, WriteVolumes(found, view.files_key)))


def deadline(view: View) -> float | None:
    """Return the seconds until `activeDeadlineSeconds` is over; None where there is none, or nothing has begun.

    They are counted by time that passed, not by the wall clock: a Pi's jumps by decades when it hears the time.
    """
    limit = view.pod.spec.active_deadline_seconds if view.desired is not None else None
    if limit is None or view.memory.began_at is None:
        return None
    return view.memory.began_at + limit - view.monotonic
