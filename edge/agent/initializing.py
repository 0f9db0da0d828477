"""Decides how far the init containers of a pod have come: which of them are to be looked at now, and whether all ran.

As the kubelet does, this goes by the last one that left a trace: what stands before it has been initialized, also when
its record is gone. See https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.agent.view import View, is_sidecar, is_started
from edge.api import core
from edge.runtime.containers import Container, State


@dataclass(frozen=True, slots=True)
class Progress:
    """`due` are kept running, watched or started, in order; `done` says that the pod's containers may run."""

    due: tuple[core.Container, ...] = ()
    done: bool = True


def progress(view: View) -> Progress:
    """Return how far the pod's init containers have come."""
    init = view.pod.spec.init_containers
    if not init:
        return Progress()
    due: list[core.Container] = []
    done = passed = _has_begun(view)
    for index in range(len(init) - 1, -1, -1):
        container = init[index]
        latest = view.latest(container.name)
        if latest is None:
            if passed and is_sidecar(container):
                due.append(container)
            continue
        if passed and not is_sidecar(container):
            continue
        if not passed and _is_complete(view, container, latest):
            if index == len(init) - 1:
                done = True
            else:
                due.append(init[index + 1])
        if is_sidecar(container) or not _is_complete(view, container, latest):
            due.append(container)
        passed = True
    if not passed:
        due.append(init[0])
    return Progress(tuple(reversed(due)), done)


def waits(view: View, container: core.Container) -> bool:
    """Return whether a container that was never made is behind init containers that have not come up."""
    found = progress(view)
    names = {each.name for each in found.due}
    if container.name in {each.name for each in view.pod.spec.init_containers}:
        return container.name not in names
    return not found.done


def _has_begun(view: View) -> bool:
    """Return whether one of the pod's containers runs: then all init containers came up some time."""
    names = {container.name for container in view.pod.spec.containers}
    return any(each.name in names and each.state is not State.EXITED for each in view.containers)


def _is_complete(view: View, container: core.Container, latest: Container) -> bool:
    """Return whether the next init container may start."""
    if is_sidecar(container):
        return latest.state is State.RUNNING and is_started(view, container, latest)
    return latest.state is State.EXITED and latest.exit_code == 0
