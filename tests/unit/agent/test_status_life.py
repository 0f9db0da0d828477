"""What a pod's status says of sidecars, ephemeral containers, hooks, and of what was lost."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from edge.agent import status
from edge.agent.memory import Memory
from edge.agent.probes import Health
from edge.agent.view import View
from edge.api import core
from edge.runtime.containers import State
from tests.fakes.view import container, made, view

WEB, SIDE = container(), container("side", restart_policy="Always")
DELETED = ("2030-01-01T00:00:00Z", 30)


def conditions(found: View) -> dict[str, str]:
    return {each.type: each.status for each in status.pod_status(found).conditions}


def why(state: core.ContainerState) -> str:
    if state.running is not None:
        return "running"
    shown = state.waiting or state.terminated
    return shown.reason if shown is not None else ""


def test_sidecars_keep_a_pod_running_and_how_they_end_does_not_count() -> None:
    spec = core.PodSpec(init_containers=(SIDE,), containers=(WEB,), restart_policy="Never")
    assert status.pod_status(view(made(SIDE), made(WEB, State.EXITED), spec=spec)).phase == "Running"
    over = view(made(SIDE, State.EXITED, code=137), made(WEB, State.EXITED), spec=spec)
    assert status.pod_status(over).phase == "Succeeded"


def test_a_pod_waits_for_its_sidecars_only_before_its_containers_began() -> None:
    spec = core.PodSpec(init_containers=(SIDE,), containers=(WEB,), restart_policy="Always")
    slow = {"side-0": Health(started=False, ready=False)}
    assert status.pod_status(view(made(SIDE), spec=spec, health=slow)).phase == "Pending"
    assert conditions(view(made(SIDE), spec=spec, health=slow))["Initialized"] == "False"
    begun = view(made(SIDE, attempt=1), made(WEB), spec=spec, health={"side-1": Health(started=False, ready=False)})
    assert status.pod_status(begun).phase == "Running"
    assert conditions(begun)["Initialized"] == "True"


def test_a_container_does_not_count_as_running_before_its_post_start_hook_has_ended() -> None:
    hook = core.LifecycleHandler(exec=core.ExecAction(command=("true",)))
    spec = core.PodSpec(containers=(container(lifecycle=core.Lifecycle(post_start=hook)),), restart_policy="Always")
    for word, shown in (("wanted", "ContainerCreating"), ("running", "ContainerCreating"), ("done", "running")):
        found = status.pod_status(view(made(WEB), spec=spec, memory=Memory(post_start={"web-0": word})))
        assert why(found.container_statuses[0].state) == shown


def test_ephemeral_containers_have_a_status_and_change_nothing_else() -> None:
    debugger = core.EphemeralContainer(name="debugger", image="busybox:1", image_pull_policy="IfNotPresent")
    spec = core.PodSpec(containers=(WEB,), ephemeral_containers=(debugger,), restart_policy="Always")
    found = status.pod_status(view(made(WEB), made(debugger, State.EXITED, code=3), spec=spec))
    (shown,) = found.ephemeral_container_statuses
    assert (why(shown.state), shown.ready, shown.restart_count) == ("Error", False, 0)
    assert found.phase == "Running"
    assert conditions(view(made(WEB), made(debugger, State.EXITED, code=3), spec=spec))["Ready"] == "True"
    gone = status.pod_status(view(made(WEB), spec=spec, previous=found))
    assert why(gone.ephemeral_container_statuses[0].state) == "Error"


def test_a_container_that_cannot_be_found_any_more_was_lost() -> None:
    told = status.pod_status(view(made(WEB, attempt=2)))
    found = status.pod_status(view(previous=told))
    assert found.phase == "Running"
    ended = found.container_statuses[0].last_state.terminated
    assert ended is not None
    assert (ended.exit_code, ended.reason) == (137, "ContainerStatusUnknown")
    gone = status.pod_status(view(previous=told, deleting=True, deletion=DELETED))
    assert (gone.phase, why(gone.container_statuses[0].state)) == ("Failed", "ContainerStatusUnknown")


def test_last_words_of_all_containers_together_are_bounded() -> None:
    two = container("two")
    spec = core.PodSpec(containers=(WEB, two), restart_policy="Never")
    long = Memory(messages={"web-0": "x" * 20_000, "two-0": "short"})
    found = status.pod_status(view(made(WEB, State.EXITED, code=1), made(two, State.EXITED), spec=spec, memory=long))
    sizes = [len(each.state.terminated.message) for each in found.container_statuses if each.state.terminated]
    assert sizes == [6144, 5]


def test_a_finished_pod_that_the_server_tells_of_stays_so() -> None:
    ended = core.PodStatus(phase="Failed", reason="Evicted", message="low", start_time="2029-01-01T00:00:00Z")
    found = view(made(WEB, State.EXITED))
    assert found.desired is not None
    told = replace(found, desired=msgspec.structs.replace(
        found.desired, pod=msgspec.structs.replace(found.pod, status=ended)))
    shown = status.pod_status(told)
    assert (shown.phase, shown.reason, shown.message, shown.start_time) == (
        "Failed", "Evicted", "low", "2029-01-01T00:00:00Z")
