"""Whose processes and shared memory a container sees."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.agent import environment, plan, processes
from edge.agent.actions import CreateContainer, Emit, RemoveContainer, ShareMemory, StartContainer, StartPause
from edge.agent.view import View
from edge.api import core
from edge.runtime.containers import ContainerSpec, Mount, State
from tests.fakes.view import container, made, view

WEB, TWO = container(), container("two")
PAUSE = replace(made(container(processes.PAUSE)), pid=77)
SHARED = core.PodSpec(containers=(WEB,), share_process_namespace=True, restart_policy="Always")
DEBUGGER = core.EphemeralContainer(name="debugger", image="busybox:1", image_pull_policy="IfNotPresent",
                                   target_container_name="web")
SPEC = ContainerSpec(pod_uid="uid-1", pod_name="web", namespace="default", name="web", attempt=0, spec_hash="h",
                     image="busybox:1", image_id="b1")


def looking(*containers: object, target: str = "web", **more: object) -> View:
    debugger = core.EphemeralContainer(name="debugger", image="busybox:1", image_pull_policy="IfNotPresent",
                                       target_container_name=target)
    spec = core.PodSpec(containers=(WEB,), ephemeral_containers=(debugger,), restart_policy="Always",
                        **more)  # type: ignore[arg-type]
    return view(*containers, spec=spec)  # type: ignore[arg-type]


def kinds(found: View) -> list[type]:
    return [type(action) for action in plan.plan(found).actions if not isinstance(action, Emit)]


def test_a_pod_that_shares_its_processes_gets_something_that_holds_them_first() -> None:
    first = plan.plan(view(spec=SHARED))
    (action,) = first.actions
    assert isinstance(action, StartPause)
    assert (action.spec.name, action.spec.rootfs, action.spec.netns_path) == (
        "POD", "/run/edge/pause", "/run/netns/edge-uid-1")
    held = plan.plan(replace(view(spec=SHARED), pause=PAUSE))
    (create,) = (action for action in held.actions if isinstance(action, CreateContainer))
    assert create.spec.pid_namespace == "/proc/77/ns/pid"
    assert create.spec.labels[processes.OWNER] == PAUSE.id


def test_what_holds_the_processes_is_made_again_when_it_has_ended() -> None:
    ended = replace(PAUSE, state=State.EXITED)
    said = plan.plan(replace(view(made(WEB, State.EXITED), spec=SHARED), pause=ended)).actions
    assert [type(action) for action in said] == [Emit, StartPause]
    # The kernel ends what was in it; until that is seen nothing is started.
    assert kinds(replace(view(made(WEB), spec=SHARED), pause=ended)) == []


def test_a_finished_pod_lets_go_of_it() -> None:
    never = core.PodSpec(containers=(WEB,), share_process_namespace=True, restart_policy="Never")
    found = plan.plan(replace(view(made(WEB, State.EXITED), spec=never), pause=PAUSE))
    assert [a.container_id for a in found.actions if isinstance(a, RemoveContainer)] == [PAUSE.id]


def test_what_was_made_for_other_processes_is_made_again() -> None:
    before = replace(made(WEB, State.CREATED), labels={processes.OWNER: "gone"})
    assert kinds(replace(view(before, spec=SHARED), pause=PAUSE)) == [CreateContainer]
    now = replace(before, labels={processes.OWNER: PAUSE.id})
    assert kinds(replace(view(now, spec=SHARED), pause=PAUSE)) == [StartContainer]


def test_an_ephemeral_container_sees_the_processes_of_its_target() -> None:
    target = replace(made(WEB), pid=12)
    found = processes.shared(looking(target), DEBUGGER, SPEC)
    assert (found.pid_namespace, found.labels) == ("/proc/12/ns/pid", {processes.OWNER: target.id})
    for none in (looking(), looking(made(WEB, State.EXITED)), looking(target, target="other")):
        spec = none.pod.spec.ephemeral_containers[0]
        words = f"unable to find target container {spec.target_container_name}"
        with pytest.raises(environment.UnresolvedError, match=words):
            processes.shared(none, spec, SPEC)
    whole = replace(looking(target, share_process_namespace=True), pause=PAUSE)
    assert processes.shared(whole, DEBUGGER, SPEC).pid_namespace == "/proc/77/ns/pid"
    assert not processes.shared(looking(target, host_pid=True), DEBUGGER, SPEC).pid_namespace


def test_several_containers_share_their_memory_and_one_alone_needs_nothing() -> None:
    two = core.PodSpec(containers=(WEB, TWO), restart_policy="Always")
    assert kinds(view(spec=two)) == [ShareMemory]
    assert kinds(view(spec=two, shared_memory=True)) == [CreateContainer, CreateContainer]
    assert kinds(view()) == [CreateContainer]
    assert not processes.shares_memory(core.PodSpec(containers=(WEB, TWO), host_ipc=True))
    # What runs already, made by an agent that did not share, goes on.
    assert kinds(view(made(WEB), spec=two)) == [CreateContainer]


def test_shared_memory_is_mounted_unless_the_container_has_its_own() -> None:
    found = processes.shared(view(shared_memory=True), WEB, SPEC)
    assert found.ipc_namespace == "/run/edge/pods/uid-1/_ipc/ipc"
    assert found.mounts == (Mount(source="/run/edge/pods/uid-1/_ipc/shm", destination="/dev/shm"),)
    own = Mount(source="/somewhere", destination="/dev/shm/")
    assert processes.shared(view(shared_memory=True), WEB, replace(SPEC, mounts=(own,))).mounts == (own,)


def test_it_is_told_apart_from_the_containers_of_the_pod() -> None:
    web = made(WEB)
    assert processes.split((web, PAUSE)) == (PAUSE, (web,))
    assert processes.split((web,)) == (None, (web,))
