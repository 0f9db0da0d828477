"""What a pod's status says of what is observed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.agent import status
from edge.agent.memory import Memory, Stop
from edge.agent.probes import Health
from edge.agent.view import View
from edge.api import core, meta
from edge.runtime.containers import State
from tests.fakes.view import IMAGE, container, made, view

WEB, INIT, SIDE = container(), container("prepare"), container("side", restart_policy="Always")
NEVER = core.PodSpec(containers=(WEB,), restart_policy="Never")
WITH_INIT = core.PodSpec(init_containers=(INIT,), containers=(WEB,), restart_policy="Always")
DELETED = ("2030-01-01T00:00:00Z", 30)


def conditions(found: View) -> dict[str, str]:
    return {each.type: each.status for each in status.pod_status(found).conditions}


def ready(found: View) -> tuple[str, str]:
    return next((each.reason, each.message) for each in status.pod_status(found).conditions if each.type == "Ready")


def why(state: core.ContainerState) -> str:
    if state.running is not None:
        return "running"
    shown = state.waiting or state.terminated
    return shown.reason if shown is not None else ""


@pytest.mark.parametrize(("found", "phase", "reason"), [
    (view(sandbox=False, files=False), "Pending", "ContainerCreating"),
    (view(), "Pending", "ContainerCreating"),
    (view(spec=WITH_INIT), "Pending", "PodInitializing"),
    (view(made(INIT), spec=WITH_INIT), "Pending", "PodInitializing"),
    (view(made(WEB, State.CREATED)), "Pending", "ContainerCreating"),
    (view(made(WEB)), "Running", "running"),
    (view(made(WEB, State.EXITED, code=1)), "Running", "Error"),
    (view(made(WEB, State.UNKNOWN)), "Pending", "ContainerStatusUnknown"),
    (view(made(WEB, State.EXITED), spec=NEVER), "Succeeded", "Completed"),
    (view(made(WEB, State.EXITED, code=3), spec=NEVER), "Failed", "Error"),
    (view(made(WEB, State.EXITED, code=137, oom_killed=True), spec=NEVER), "Failed", "OOMKilled"),
    (view(made(WEB, State.EXITED, code=128), spec=NEVER, memory=Memory(start_errors={"web-0": "no such file"})),
     "Failed", "StartError"),
    (view(replace(made(WEB, State.EXITED, code=255), finished_at=""), spec=NEVER), "Failed", "Unknown"),
    (view(memory=Memory(images={"busybox:1": None}), spec=core.PodSpec(containers=(
        container(image_pull_policy="Never"),))), "Pending", "ErrImageNeverPull"),
    (view(made(WEB), deleting=True, deletion=DELETED, previous=core.PodStatus(phase="Running")), "Running", "running"),
    (view(made(WEB, State.EXITED), spec=NEVER, deleting=True, deletion=DELETED), "Succeeded", "Completed"),
    (view(made(WEB, State.EXITED), deleting=True, deletion=DELETED, previous=core.PodStatus(phase="Running")),
     "Succeeded", "Completed"),
    (view(made(WEB, State.EXITED, code=143), deleting=True, deletion=DELETED), "Failed", "Error"),
    (view(deleting=True, deletion=DELETED, previous=core.PodStatus(phase="Pending")), "Failed", "ContainerCreating"),
])
def test_phase_and_state(found: View, phase: str, reason: str) -> None:
    made_status = status.pod_status(found)
    assert made_status.phase == phase
    assert why(made_status.container_statuses[0].state) == reason


def test_a_running_pod_is_ready_and_has_its_addresses() -> None:
    found = status.pod_status(view(made(WEB)))
    assert conditions(view(made(WEB))) == dict.fromkeys(
        ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"), "True")
    assert (found.pod_ip, found.host_ip, found.qos_class) == ("10.244.1.2", "10.0.0.2", "BestEffort")
    assert found.start_time == "2030-01-01T00:00:00Z"
    assert found.container_statuses[0].container_id == "podman://web-0"
    assert found.container_statuses[0].started
    assert found.container_statuses[0].ready


def test_probes_decide_about_ready_and_started() -> None:
    sick = view(made(WEB), health={"web-0": Health(started=True, ready=False)})
    assert conditions(sick)["Ready"] == conditions(sick)["ContainersReady"] == "False"
    slow = status.pod_status(view(made(WEB), health={"web-0": Health(started=False, ready=False)}))
    assert not slow.container_statuses[0].started
    # One that goes serves as long as it is ready, which services decide about.
    going = view(made(WEB), deleting=True, deletion=DELETED)
    assert conditions(going)["Ready"] == "True"
    assert conditions(replace(going, health={"web-0": Health(ready=False)}))["Ready"] == "False"


def test_readiness_gates_hold_ready_back() -> None:
    spec = core.PodSpec(containers=(WEB,), readiness_gates=(core.PodReadinessGate(condition_type="example/gate"),))
    assert ready(view(made(WEB), spec=spec)) == (
        "ReadinessGatesNotReady", 'corresponding condition of pod readiness gate "example/gate" does not exist.')
    unready = (meta.Condition(type="example/gate", status="False"),)
    assert ready(view(made(WEB), spec=spec, conditions=unready)) == (
        "ReadinessGatesNotReady", 'the status of pod readiness gate "example/gate" is not "True", but False')
    given = (meta.Condition(type="example/gate", status="True"),)
    assert conditions(view(made(WEB), spec=spec, conditions=given))["Ready"] == "True"


def test_a_restarted_container_shows_how_the_one_before_ended() -> None:
    found = status.pod_status(view(made(WEB, State.EXITED, code=3), made(WEB, attempt=1)))
    shown = found.container_statuses[0]
    assert (shown.restart_count, why(shown.state), why(shown.last_state)) == (1, "running", "Error")


def test_one_that_waits_for_its_restart_shows_its_end_as_the_last_state() -> None:
    stopped = Memory(images={"busybox:1": None}, stops={"web-0": Stop(1.0, 1.0, restart=True)})
    spec = core.PodSpec(containers=(container(image_pull_policy="Never"),))
    shown = status.pod_status(view(made(WEB, State.EXITED, code=9), memory=stopped, spec=spec)).container_statuses[0]
    assert (why(shown.state), why(shown.last_state)) == ("ErrImageNeverPull", "Error")


def test_times_of_conditions_stay_while_their_status_does() -> None:
    before = status.pod_status(view(made(WEB)))
    later = view(made(WEB), previous=before, now=view().now.replace(year=2031))
    assert status.pod_status(later) == before
    sick = replace(later, health={"web-0": Health(ready=False)})
    changed = {each.type: each.last_transition_time for each in status.pod_status(sick).conditions}
    assert changed["Ready"] == "2031-01-01T00:00:00Z"
    assert changed["Initialized"] == "2030-01-01T00:00:00Z"


def test_a_final_phase_is_final() -> None:
    told = core.PodStatus(phase="Succeeded", pod_ip="10.244.1.2", container_statuses=(core.ContainerStatus(
        name="web", state=core.ContainerState(terminated=core.ContainerStateTerminated(exit_code=0))),))
    found = status.pod_status(view(previous=told, sandbox=False))
    assert (found.phase, found.pod_ip) == ("Succeeded", "10.244.1.2")
    assert found.container_statuses[0].state.terminated is not None


def test_a_pod_as_a_whole_may_fail() -> None:
    late = replace(Memory(), failed=("DeadlineExceeded", "too long"))
    running = status.pod_status(view(made(WEB), memory=late))
    assert (running.phase, running.reason) == ("Running", "")
    found = status.pod_status(view(made(WEB, State.EXITED), memory=late))
    assert (found.phase, found.reason, found.message) == ("Failed", "DeadlineExceeded", "too long")


def test_a_pod_that_its_node_ends_says_so() -> None:
    evicted = replace(Memory(), failed=("Evicted", "The node was low on resource: memory. "), failed_grace_seconds=1.0)
    found = status.pod_status(view(made(WEB, State.EXITED, code=137), memory=evicted))
    assert (found.phase, found.reason) == ("Failed", "Evicted")
    said = next(each for each in found.conditions if each.type == "DisruptionTarget")
    assert (said.status, said.reason, said.message) == ("True", "TerminationByKubelet", found.message)


def test_a_container_whose_record_is_gone_keeps_its_last_word_while_the_pod_goes() -> None:
    told = status.pod_status(view(made(WEB, State.EXITED, code=4), spec=NEVER))
    gone = status.pod_status(view(spec=NEVER, previous=told, deleting=True, deletion=DELETED))
    assert why(gone.container_statuses[0].state) == "Error"


def test_last_words() -> None:
    said = Memory(images={"busybox:1": IMAGE}, messages={"web-0": "out of coffee"})
    found = status.pod_status(view(made(WEB, State.EXITED, code=1), spec=NEVER, memory=said))
    state = found.container_statuses[0].state
    assert state.terminated is not None
    assert state.terminated.message == "out of coffee"


def test_sidecars_count_for_ready_and_not_for_done() -> None:
    spec = core.PodSpec(init_containers=(SIDE,), containers=(WEB,), restart_policy="Never")
    both = view(made(SIDE), made(WEB), spec=spec)
    assert conditions(both)["Ready"] == "True"
    assert conditions(replace(both, health={"side-0": Health(ready=False)}))["Ready"] == "False"
    assert status.pod_status(view(made(SIDE), made(WEB, State.EXITED), spec=spec)).phase == "Running"
    done = view(made(SIDE, State.EXITED, code=137), made(WEB, State.EXITED), spec=spec)
    assert status.pod_status(done).phase == "Succeeded"


def test_on_the_hosts_network_the_address_is_the_nodes() -> None:
    spec = core.PodSpec(containers=(WEB,), host_network=True)
    found = status.pod_status(view(made(WEB), spec=spec, sandbox=False))
    assert found.pod_ip == found.host_ip == "10.0.0.2"
