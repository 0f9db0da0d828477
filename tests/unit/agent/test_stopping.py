"""How containers are stopped: hook, SIGTERM, SIGKILL, and nothing left at the end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.agent import plan, stopping
from edge.agent.actions import Emit, KillContainer, Plan, RemoveContainer, RunHook
from edge.agent.memory import Memory, Stop
from edge.agent.view import View
from edge.api import core
from edge.runtime.containers import STOP_SIGNAL, State
from tests.fakes.view import container, made, view

DELETED = ("2030-01-01T00:00:00Z", 30)
HOOK = core.LifecycleHandler(exec=core.ExecAction(command=("bye",)))
HOOKED = core.PodSpec(containers=(container(lifecycle=core.Lifecycle(pre_stop=HOOK)),))
SIDECAR = core.PodSpec(init_containers=(container("side", restart_policy="Always"),), containers=(container(),))
TWO_SIDECARS = core.PodSpec(
    init_containers=(container("one", restart_policy="Always"), container("two", restart_policy="Always")),
    containers=(container(),))


def stopping_view(stop: Stop | None, *, seconds: float = 0.0, spec: core.PodSpec | None = None,
                  deletion: tuple[str, int] = DELETED) -> View:
    """Return a pod that goes, so many seconds after its stop began at 1000."""
    memory = Memory(stops={"web-0": stop} if stop else {}, ending_since=1000.0)
    return view(made(container()), spec=spec, deleting=True, deletion=deletion, memory=memory, files=False,
                monotonic=1000.0 + seconds)


def does(found: Plan) -> list[str]:
    return [action.signal if isinstance(action, KillContainer) else type(action).__name__
            for action in found.actions if not isinstance(action, Emit)]


BEGUN = Stop(1000.0, 30.0, signal=STOP_SIGNAL, signalled_at=1000.0)


@pytest.mark.parametrize(("found", "expected", "again"), [
    (stopping_view(None), [STOP_SIGNAL], 30.0),
    (stopping_view(BEGUN, seconds=10), [], 20.0),
    (stopping_view(BEGUN, seconds=30), ["SIGKILL"], None),
    (stopping_view(replace(BEGUN, signal="SIGKILL"), seconds=31), [], None),
    # What has no grace gets a moment all the same, as from the kubelet.
    (stopping_view(None, deletion=("2030-01-01T00:00:00Z", 0)), [STOP_SIGNAL], 2.0),
    (stopping_view(BEGUN, seconds=1, deletion=("2030-01-01T00:00:00Z", 0)), [], 1.0),
    (stopping_view(BEGUN, seconds=2, deletion=("2030-01-01T00:00:00Z", 0)), ["SIGKILL"], None),
    # A second, more impatient deletion counts.
    (stopping_view(BEGUN, seconds=10, deletion=("2030-01-01T00:00:00Z", 5)), ["SIGKILL"], None),
    (stopping_view(None, spec=HOOKED), ["RunHook"], 30.0),
    (stopping_view(Stop(1000.0, 30.0, hook="running"), seconds=10, spec=HOOKED), [], 20.0),
    (stopping_view(Stop(1000.0, 30.0, hook="done"), seconds=10, spec=HOOKED), [STOP_SIGNAL], 20.0),
    # A hook that takes all of the grace leaves a moment to stop.
    (stopping_view(Stop(1000.0, 30.0, hook="running"), seconds=30, spec=HOOKED), [STOP_SIGNAL], 2.0),
    (stopping_view(replace(BEGUN, hook="running", signalled_at=1030.0), seconds=31, spec=HOOKED), [], 1.0),
    (stopping_view(replace(BEGUN, hook="running", signalled_at=1030.0), seconds=32, spec=HOOKED), ["SIGKILL"], None),
    (stopping_view(None, spec=HOOKED, deletion=("2030-01-01T00:00:00Z", 0)), [STOP_SIGNAL], 2.0),
])
def test_the_steps_of_a_stop(found: View, expected: list[str], again: float | None) -> None:
    step = plan.plan(found)
    assert does(step) == expected
    assert step.requeue_after == again


def test_sidecars_are_stopped_when_the_others_are_gone() -> None:
    side, web = made(container("side")), made(container())
    both = plan.plan(view(side, web, spec=SIDECAR, deleting=True, deletion=DELETED))
    assert [a.container_id for a in both.actions if isinstance(a, KillContainer)] == ["web-0"]
    one = plan.plan(view(side, replace(web, state=State.EXITED), spec=SIDECAR, deleting=True, deletion=DELETED))
    assert [a.container_id for a in one.actions if isinstance(a, KillContainer)] == ["side-0"]


def killed(found: Plan) -> list[str]:
    return [f"{a.container_id} {a.signal}" for a in found.actions if isinstance(a, KillContainer)]


def test_sidecars_are_stopped_one_after_the_other_the_last_first_within_one_grace() -> None:
    one, two, web = made(container("one")), made(container("two")), made(container())
    begun = Memory(ending_since=990.0)
    going = view(one, two, web, spec=TWO_SIDECARS, deleting=True, deletion=DELETED, memory=begun)
    first = plan.plan(going)
    assert killed(first) == [f"web-0 {STOP_SIGNAL}"]
    assert [a.message for a in first.actions if isinstance(a, Emit)] == [
        "Stopping container web", "Stopping container two", "Stopping container one"]
    assert killed(plan.plan(replace(going, containers=(one, two)))) == [f"two-0 {STOP_SIGNAL}"]
    assert killed(plan.plan(replace(going, containers=(one,)))) == [f"one-0 {STOP_SIGNAL}"]
    # When the grace is over they are told all the same, and get a moment.
    stubborn = replace(begun, stops={"web-0": Stop(990.0, 30.0, signal="SIGKILL", signalled_at=990.0)})
    late = replace(going, monotonic=1020.0, memory=stubborn)
    assert killed(plan.plan(replace(late, monotonic=1019.0))) == []
    assert killed(plan.plan(late)) == [f"two-0 {STOP_SIGNAL}", f"one-0 {STOP_SIGNAL}"]


def test_hooks_of_sidecars_run_at_once_and_the_signal_waits_for_its_turn() -> None:
    hooked = container("side", restart_policy="Always", lifecycle=core.Lifecycle(pre_stop=HOOK))
    spec = core.PodSpec(init_containers=(hooked,), containers=(container(),))
    side, web = made(hooked), made(container())
    going = view(side, web, spec=spec, deleting=True, deletion=DELETED, memory=Memory(ending_since=1000.0))
    assert does(plan.plan(going)) == [STOP_SIGNAL, "RunHook"]
    done = Memory(ending_since=1000.0, stops={"side-0": Stop(1000.0, 30.0, hook="done"), "web-0": BEGUN})
    assert does(plan.plan(replace(going, memory=done, monotonic=1001.0))) == []
    assert killed(plan.plan(replace(going, memory=done, containers=(side,)))) == [f"side-0 {STOP_SIGNAL}"]


def test_the_pause_of_a_shared_process_namespace_goes_last() -> None:
    ended, pause = made(container(), State.EXITED), made(container("POD"))
    found = plan.plan(replace(view(ended, deleting=True), pause=pause))
    assert [a.container_id for a in found.actions if isinstance(a, RemoveContainer)] == ["web-0", "POD-0"]
    running = plan.plan(replace(view(made(container()), deleting=True, deletion=DELETED), pause=pause))
    assert killed(running) == [f"web-0 {STOP_SIGNAL}"]


def test_what_is_left_goes_in_order_and_the_pod_is_forgotten_last() -> None:
    ended = made(container(), State.EXITED)
    assert does(plan.plan(view(ended, deleting=True))) == [
        "RemoveContainer", "DetachNetwork", "RemoveVolumes", "ForgetPod"]
    assert does(plan.plan(replace(view(ended, deleting=True), has_group=True))) == [
        "RemoveContainer", "DetachNetwork", "RemoveGroup", "RemoveVolumes", "ForgetPod"]
    assert does(plan.plan(view(deleting=True, sandbox=False, has_files=False))) == ["ForgetPod"]
    done = Memory(forgotten=True)
    assert plan.plan(view(deleting=True, memory=done)) == Plan()


def test_an_orphan_is_stopped_without_its_spec() -> None:
    orphan = view(made(container()), known=False, deleting=True, files=False)
    assert does(plan.plan(orphan)) == [STOP_SIGNAL]
    assert plan.plan(orphan).requeue_after == 30.0
    assert plan.plan(replace(orphan, unlisted=True)).requeue_after == 2.0


def test_a_hook_knows_its_grace_and_whether_the_container_comes_back() -> None:
    found = stopping.stop(view(made(container()), spec=HOOKED), made(container()), grace=7, restart=True)
    hook = next(action for action in found.actions if isinstance(action, RunHook))
    assert (hook.kind, hook.grace_seconds, hook.restart, hook.handler) == ("preStop", 7, True, HOOK)


def test_the_part_of_the_pod_an_event_is_about() -> None:
    assert stopping.field_path(view(spec=SIDECAR), "side") == "spec.initContainers{side}"
    assert stopping.field_path(view(spec=SIDECAR), "web") == "spec.containers{web}"
