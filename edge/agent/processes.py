"""Decides whose processes and shared memory a container sees: its own, another container's, the pod's or the node's.

The process namespace of a pod (`shareProcessNamespace`) is held by a small container that only waits, as in Kubernetes:
its containers may come and go. It is found again by its name, which no container of a pod can have. See
https://kubernetes.io/docs/tasks/configure-pod-container/share-process-namespace/.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from edge.agent import environment, grouping
from edge.agent.actions import Action, Emit, RemoveContainer, ShareMemory, StartPause
from edge.agent.surroundings import Surroundings
from edge.agent.view import View
from edge.api import core
from edge.runtime.containers import Container, ContainerSpec, Mount, State

PAUSE = "POD"
OWNER = "edge.processes.owner"
"""Label: the id of the container whose process namespace a container is in."""
PROGRAM = ("/pause", "-P")
"""What the pause container runs: the node's own program is mounted there."""
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a place in the container


def split(containers: Iterable[Container]) -> tuple[Container | None, tuple[Container, ...]]:
    """Return what holds the pod's process namespace, and the containers of the pod itself."""
    every = tuple(containers)
    pauses = [each for each in every if each.name == PAUSE]
    return pauses[0] if pauses else None, tuple(each for each in every if each.name != PAUSE)


def shares_processes(spec: core.PodSpec) -> bool:
    """Return whether the pod's containers see each other's processes, and not the node's."""
    return bool(spec.share_process_namespace) and not spec.host_pid


def shares_memory(spec: core.PodSpec) -> bool:
    """Return whether there are several containers that share an IPC namespace; one alone has the engine's."""
    return len(spec.init_containers) + len(spec.containers) > 1 and not spec.host_ipc


def memory_dir(uid: str, around: Surroundings) -> str:
    """Return where the pod's IPC namespace and /dev/shm are. No volume's name has an underscore."""
    return f"{around.secret_dir(uid)}/_ipc"


def begin(view: View) -> tuple[Action, ...]:
    """Return what has to be made before containers can start; what runs without it goes on."""
    running = any(container.state is State.RUNNING for container in view.containers)
    actions: list[Action] = []
    if shares_memory(view.pod.spec) and not view.has_shared_memory and not running:
        actions.append(ShareMemory(memory_dir(view.uid, view.around)))
    pause = view.pause
    if shares_processes(view.pod.spec) and not running and (pause is None or pause.state is not State.RUNNING):
        if pause is not None and pause.state is State.EXITED:
            actions.append(Emit(f"SandboxChanged/{pause.id}", "SandboxChanged",
                                "Pod sandbox changed, it will be killed and re-created."))
        actions.append(StartPause(_pause(view)))
    return tuple(actions)


def end(view: View) -> tuple[Action, ...]:
    """Return what has to be taken away when no container of the pod is left."""
    return (RemoveContainer(view.pause.id, PAUSE, view.pause.attempt),) if view.pause is not None else ()


def shared(view: View, container: core.Container, made: ContainerSpec) -> ContainerSpec:
    """Return a container's spec with what it shares.

    Raises:
        UnresolvedError: the container it shall look into does not run.
    """
    owner = _owner(view, container)
    if owner is not None:
        made = replace(made, pid_namespace=f"/proc/{owner.pid}/ns/pid", labels={**made.labels, OWNER: owner.id})
    if not view.has_shared_memory:
        return made
    place = memory_dir(view.uid, view.around)
    own = Mount(source=f"{place}/shm", destination=SHARED_MEMORY)
    taken = any(mount.destination.rstrip("/") == SHARED_MEMORY for mount in made.mounts)
    return replace(made, ipc_namespace=f"{place}/ipc", mounts=made.mounts if taken else (*made.mounts, own))


def is_in_place(view: View, container: core.Container, made: Container) -> bool:
    """Return whether a container that was not started yet was made for the process namespace that is there now."""
    try:
        owner = _owner(view, container)
    except environment.UnresolvedError:
        return False
    return made.labels.get(OWNER, "") == ("" if owner is None else owner.id)


def _owner(view: View, container: core.Container) -> Container | None:
    spec = view.pod.spec
    if spec.host_pid:
        return None
    if shares_processes(spec):
        if view.pause is None or view.pause.state is not State.RUNNING:
            raise environment.UnresolvedError("the pod's process namespace is not there")
        return view.pause
    name = container.target_container_name if isinstance(container, core.EphemeralContainer) else ""
    target = view.latest(name) if name else None
    if name and (target is None or target.state is not State.RUNNING or not target.pid):
        raise environment.UnresolvedError(f"unable to find target container {name}")
    return target


def _pause(view: View) -> ContainerSpec:
    metadata, run_dir = view.pod.metadata, view.around.run_dir
    return ContainerSpec(
        pod_uid=view.uid, pod_name=metadata.name, namespace=metadata.namespace, name=PAUSE, attempt=0, spec_hash="",
        image="", image_id="", rootfs=f"{run_dir}/pause", command=PROGRAM,
        netns_path=view.sandbox.netns_path if view.sandbox else "", cgroup_parent=grouping.parent(view),
        oom_score=grouping.pause_score(view),
        read_only_root=True, no_new_privileges=True, capabilities_drop=("ALL",))
