"""What a pod's worker does next, from what is wanted and what is there."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from edge.agent import actions, memory, plan
from edge.agent.actions import Emit, Plan
from edge.agent.backoff import Backoff
from edge.agent.memory import Memory
from edge.agent.probes import Health
from edge.api import core
from edge.runtime.containers import State
from tests.fakes.view import IMAGE, NOW, container, made, view

WEB, INIT, SIDE = container(), container("prepare"), container("side", restart_policy="Always")
HOOK = core.LifecycleHandler(exec=core.ExecAction(command=("true",)))
FOUND = Memory(images={"busybox:1": IMAGE})


def kinds(made_plan: Plan) -> list[str]:
    """Return what a plan does, without its events: the kind of each action and the container it is about."""
    found = []
    for action in made_plan.actions:
        if isinstance(action, Emit):
            continue
        about = getattr(action, "container_id", "") or getattr(getattr(action, "spec", None), "name", "")
        found.append(f"{type(action).__name__} {about}".strip())
    return found


def pod(*init: core.Container, app: core.Container = WEB, policy: str = "Always", **more: object) -> core.PodSpec:
    return core.PodSpec(init_containers=init, containers=(app,), restart_policy=policy, **more)  # type: ignore[arg-type]


def replace_containers(spec: core.PodSpec, *containers: core.Container) -> core.PodSpec:
    return msgspec.structs.replace(spec, containers=containers)


def test_a_new_pod_gets_a_network_files_and_its_containers_in_that_order() -> None:
    assert kinds(plan.plan(view(sandbox=False, files=False))) == ["AttachNetwork"]
    assert kinds(plan.plan(view(files=False))) == ["WriteVolumes"]
    assert kinds(plan.plan(view())) == ["CreateContainer web"]
    assert kinds(plan.plan(view(made(WEB, State.CREATED)))) == ["StartContainer web-0"]
    assert plan.plan(view(made(WEB))) == Plan()


def test_without_a_pod_subnet_a_pod_waits_unless_it_is_on_the_hosts_network() -> None:
    assert plan.plan(view(sandbox=False, network_ready=False)) == Plan()
    host = pod(host_network=True)
    assert kinds(plan.plan(view(spec=host, sandbox=False, network_ready=False))) == ["CreateContainer web"]


def test_files_are_looked_at_again_when_what_they_are_made_from_changes() -> None:
    old = replace(FOUND, files_key=view().files_key)
    around = replace(view().around, host_resolv_conf="nameserver 10.0.0.1\n")
    for changed in (view(made(WEB), memory=old, files=False, revision="2"),
                    view(made(WEB), memory=old, files=False, around=around)):
        assert kinds(plan.plan(changed)) == ["WriteVolumes"]
    assert kinds(plan.plan(view(made(WEB), memory=old, files=False))) == []
    assert kinds(plan.plan(view(made(WEB), has_files=False))) == ["WriteVolumes"]


def test_a_namespace_that_was_taken_away_restarts_the_pod() -> None:
    assert kinds(plan.plan(view(made(WEB), sandbox=False))) == ["KillContainer web-0"]
    cut = made(WEB, State.EXITED, code=255)
    spec = pod(INIT)
    begun = view(made(INIT, State.EXITED), cut, spec=spec, sandbox=False)
    assert kinds(plan.plan(begun)) == ["RemoveContainer prepare-0"]
    assert kinds(plan.plan(view(cut, spec=spec, sandbox=False))) == ["AttachNetwork"]


def test_init_containers_run_one_after_the_other_and_sidecars_stay_beside() -> None:
    spec = pod(INIT, SIDE)
    assert kinds(plan.plan(view(spec=spec, shared_memory=True))) == ["CreateContainer prepare"]
    assert kinds(plan.plan(view(made(INIT), spec=spec))) == []
    done = made(INIT, State.EXITED)
    assert kinds(plan.plan(view(done, spec=spec, shared_memory=True))) == ["CreateContainer side"]
    waiting = view(done, made(SIDE), spec=spec, health={"side-0": Health(started=False, ready=False)})
    assert kinds(plan.plan(waiting)) == []
    assert kinds(plan.plan(view(done, made(SIDE), spec=spec))) == ["CreateContainer web"]
    # An app that runs is not stopped because its init container's record is gone.
    assert kinds(plan.plan(view(made(SIDE), made(WEB), spec=spec))) == []


@pytest.mark.parametrize(("policy", "code", "again"), [
    ("Always", 0, True), ("Always", 1, True), ("OnFailure", 0, False), ("OnFailure", 1, True), ("Never", 1, False)])
def test_the_restart_policy_decides_what_runs_again(policy: str, code: int, again: bool) -> None:
    ended = view(made(WEB, State.EXITED, code=code), spec=pod(policy=policy))
    assert kinds(plan.plan(ended)) == (["CreateContainer web"] if again else ["DetachNetwork", "EmptyVolumes"])


def test_a_failed_init_container_ends_a_pod_that_never_restarts() -> None:
    failed = made(INIT, State.EXITED, code=1)
    assert kinds(plan.plan(view(failed, spec=pod(INIT, policy="Never")))) == ["DetachNetwork", "EmptyVolumes"]
    assert kinds(plan.plan(view(failed, spec=pod(INIT), shared_memory=True))) == ["CreateContainer prepare"]


def test_what_still_runs_of_a_finished_pod_is_stopped_before_its_address_goes() -> None:
    failed = replace(FOUND, failed=("DeadlineExceeded", "too long"))
    assert kinds(plan.plan(view(made(WEB), memory=failed))) == ["KillContainer web-0"]
    assert kinds(plan.plan(view(made(WEB, State.EXITED), memory=failed))) == ["DetachNetwork", "EmptyVolumes"]
    assert kinds(plan.plan(view(made(WEB, State.EXITED), memory=replace(failed, emptied=True), sandbox=False))) == []
    told = core.PodStatus(phase="Succeeded")
    assert kinds(plan.plan(view(previous=told, sandbox=False, has_files=False, files=False))) == []


def test_back_off_holds_a_crashing_container() -> None:
    ended = made(WEB, State.EXITED, code=1)
    held = replace(FOUND, restarts={"web": Backoff(20.0, 990.0)}, exits={"web-0": 995.0})
    found = plan.plan(view(ended, memory=held))
    assert kinds(found) == []
    assert found.requeue_after == pytest.approx(15)
    assert kinds(plan.plan(view(ended, memory=held, monotonic=1016))) == ["CreateContainer web"]
    # A new definition has not failed yet.
    new = pod(app=container(image="busybox:2"))
    other = replace(held, images={"busybox:2": IMAGE})
    assert kinds(plan.plan(view(ended, spec=new, memory=other))) == ["CreateContainer web"]


def test_only_the_newest_two_attempts_are_kept_and_strangers_go() -> None:
    old = [made(WEB, State.EXITED, attempt=number) for number in range(3)]
    assert kinds(plan.plan(view(*old, made(WEB, attempt=3)))) == ["RemoveContainer web-1", "RemoveContainer web-0"]
    renamed = made(container("before"), State.EXITED)
    assert kinds(plan.plan(view(renamed, made(WEB)))) == ["RemoveContainer before-0"]


def test_a_running_container_is_stopped_for_a_reason_only() -> None:
    new = pod(app=container(image="busybox:2"))
    assert kinds(plan.plan(view(made(WEB), spec=new))) == ["KillContainer web-0"]
    sick = {"web-0": Health(broken="liveness")}
    assert kinds(plan.plan(view(made(WEB), health=sick))) == ["KillContainer web-0"]
    hooked = pod(app=container(lifecycle=core.Lifecycle(post_start=HOOK)))
    due = replace(FOUND, post_start={"web-0": "wanted"})
    assert kinds(plan.plan(view(made(WEB), spec=hooked, memory=due))) == ["RunHook web-0"]
    broken = replace(FOUND, post_start={"web-0": "failed: exit code 1"})
    assert kinds(plan.plan(view(made(WEB), spec=hooked, memory=broken))) == ["KillContainer web-0"]


def test_a_state_nobody_knows_is_looked_at_again() -> None:
    assert plan.plan(view(made(WEB, State.UNKNOWN))) == Plan((), 1.0)


def test_the_deadline_of_a_pod_counts_from_its_start() -> None:
    spec = pod(active_deadline_seconds=60)
    known = memory.began(Memory(), "2029-12-31T23:59:30Z", NOW, 100.0)
    assert plan.deadline(view(spec=spec, memory=known, monotonic=100.0)) == 30
    assert plan.deadline(view(spec=spec, memory=known, monotonic=131.0)) == -1
    assert plan.deadline(view(spec=spec)) is None
    assert plan.deadline(view(memory=known)) is None
    assert plan.plan(view(made(WEB), spec=spec, memory=known, monotonic=100.0)).requeue_after == 30


def test_a_pod_that_began_in_the_future_began_now() -> None:
    assert memory.began(Memory(), "2080-01-01T00:00:00Z", NOW, 100.0).began_at == 100.0
    assert memory.began(Memory(), None, NOW, 100.0).began_at is None
    assert memory.began(Memory(began_at=3.0), "2029-01-01T00:00:00Z", NOW, 100.0).began_at == 3.0


def test_an_event_is_said_once() -> None:
    first = plan.plan(view())
    said = [action.key for action in first.actions if isinstance(action, Emit)]
    again = plan.plan(view(memory=replace(FOUND, said=frozenset(said))))
    assert len(said) == 1
    assert not [action for action in again.actions if isinstance(action, Emit)]


def test_a_volume_that_cannot_be_made_yet_is_said_and_a_running_pod_goes_on() -> None:
    missing = core.PodSpec(containers=(WEB,), restart_policy="Always", volumes=(
        core.Volume(name="c", config_map=core.ConfigMapVolumeSource(name="conf")),))
    found = plan.plan(view(spec=missing, files=False))
    assert [action.message for action in found.actions if isinstance(action, Emit)] == [
        'MountVolume.SetUp failed for volume "c" : configmap "conf" not found']
    assert kinds(found) == []
    two = replace_containers(missing, WEB, container("two"))
    assert kinds(plan.plan(view(made(WEB), spec=two, files=False))) == ["CreateContainer two"]


def test_images_that_came_are_looked_for_again() -> None:
    failed = memory.pull_failed(memory.pull_began(Memory(images={"busybox:1": None}), "web", 0), "web", 0,
                                "ErrImagePull", "no", 999.0)
    assert kinds(plan.plan(view(memory=failed))) == []
    assert kinds(plan.plan(view(memory=memory.images_changed(failed)))) == ["FindImage"]
    assert isinstance(plan.plan(view(memory=memory.images_changed(failed))).actions[0], actions.FindImage)
