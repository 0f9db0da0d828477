"""Which containers of a pod are started, stopped and left alone: sidecars, hooks, ephemeral containers, changes."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from edge.agent import initializing, keeping, plan
from edge.agent.actions import CreateContainer, Emit, KillContainer, RunHook, StartContainer
from edge.agent.memory import Memory
from edge.agent.probes import Health
from edge.agent.view import View
from edge.api import core
from edge.runtime.containers import Container, State
from tests.fakes.view import IMAGE, container, made, view

WEB, ONE, TWO = container(), container("one"), container("two")
SIDE, LAST = container("side", restart_policy="Always"), container("last", restart_policy="Always")
HOOK = core.LifecycleHandler(exec=core.ExecAction(command=("true",)))
HOOKED = container("hooked", lifecycle=core.Lifecycle(post_start=HOOK))
DEBUGGER = core.EphemeralContainer(name="debugger", image="busybox:1", image_pull_policy="IfNotPresent")
FOUND = Memory(images={"busybox:1": IMAGE})


def of(*containers: Container, init: tuple[core.Container, ...] = (), app: tuple[core.Container, ...] = (WEB,),
       added: tuple[core.EphemeralContainer, ...] = (), policy: str = "Always", **more: object) -> View:
    spec = core.PodSpec(init_containers=init, containers=app, ephemeral_containers=added, restart_policy=policy)
    return view(*containers, spec=spec, **more)  # type: ignore[arg-type]


def done(found: View) -> list[str]:
    """Return what is done to the containers, such as `create web`."""
    said = []
    for action in (each for due in keeping.containers(found) for each in due.actions):
        match action:
            case CreateContainer():
                said.append(f"create {action.spec.name}")
            case StartContainer():
                said.append(f"start {action.container}")
            case KillContainer():
                said.append(f"kill {action.container_id}")
            case RunHook():
                said.append(f"hook {action.container}")
    return said


def due(found: View) -> tuple[list[str], bool]:
    progress = initializing.progress(found)
    return [each.name for each in progress.due], progress.done


ENDED = State.EXITED
STARTING = {"side-0": Health(started=False, ready=False)}


@pytest.mark.parametrize(("found", "names", "ready"), [
    (of(init=(ONE, SIDE, TWO)), ["one"], False),
    (of(made(ONE), init=(ONE, SIDE, TWO)), ["one"], False),
    (of(made(ONE, ENDED), init=(ONE, SIDE, TWO)), ["side"], False),
    (of(made(ONE, ENDED, code=1), init=(ONE, SIDE, TWO)), ["one"], False),
    (of(made(ONE, ENDED), made(SIDE), init=(ONE, SIDE, TWO), health=STARTING), ["side"], False),
    (of(made(ONE, ENDED), made(SIDE), init=(ONE, SIDE, TWO)), ["side", "two"], False),
    # A sidecar that came up once is restarted beside what follows it, which does not wait for it again.
    (of(made(ONE, ENDED), made(SIDE, ENDED), made(TWO), init=(ONE, SIDE, TWO)), ["side", "two"], False),
    (of(made(ONE, ENDED), made(SIDE, ENDED), made(TWO, ENDED), init=(ONE, SIDE, TWO)), ["side"], True),
    (of(made(SIDE), init=(SIDE,), health=STARTING), ["side"], False),
    (of(made(SIDE), init=(SIDE,)), ["side"], True),
    # What ran once is not run again because its record is gone; a sidecar is.
    (of(made(WEB), init=(ONE, SIDE, TWO)), ["side"], True),
    (of(made(WEB), made(ONE, ENDED, code=1), init=(ONE, SIDE)), ["side"], True),
    (of(made(TWO, ENDED), init=(ONE, SIDE, TWO)), ["side"], True),
    (of(), [], True),
])
def test_how_far_init_containers_have_come(found: View, names: list[str], ready: bool) -> None:
    assert due(found) == (names, ready)


def test_a_sidecar_is_restarted_whatever_the_policy_and_beside_the_others() -> None:
    for policy in ("Never", "OnFailure", "Always"):
        found = of(made(SIDE, ENDED), made(WEB), init=(SIDE,), policy=policy)
        assert done(found) == ["create side"]


def test_sidecars_of_a_finished_pod_are_stopped() -> None:
    found = of(made(SIDE), made(WEB, ENDED), init=(SIDE,), policy="Never")
    assert [a.container_id for a in plan.plan(found).actions if isinstance(a, KillContainer)] == ["side-0"]


def test_a_sidecar_that_fails_its_probe_is_restarted() -> None:
    sick = of(made(SIDE), made(WEB), init=(SIDE,), health={"side-0": Health(broken="liveness")})
    assert done(sick) == ["kill side-0"]
    (said,) = (a.message for p in keeping.containers(sick) for a in p.actions if isinstance(a, Emit))
    assert said == "Init container side failed liveness probe"


@pytest.mark.parametrize(("policy", "words"), [
    ("Always", "Container web failed liveness probe, will be restarted"),
    ("Never", "Container web failed liveness probe")])
def test_a_failing_probe_says_whether_the_container_comes_back(policy: str, words: str) -> None:
    sick = of(made(WEB), policy=policy, health={"web-0": Health(broken="liveness")})
    assert [a.message for p in keeping.containers(sick) for a in p.actions if isinstance(a, Emit)] == [words]


def test_containers_behind_a_post_start_hook_wait_for_it() -> None:
    app = (HOOKED, WEB)
    assert done(of(app=app)) == ["create hooked"]
    assert done(of(made(HOOKED, State.CREATED), app=app)) == ["start hooked"]
    for word, expected in (("wanted", ["hook hooked"]), ("running", []), ("done", ["create web"]),
                           ("failed: no", ["kill hooked-0", "create web"])):
        assert done(of(made(HOOKED), app=app, memory=replace(FOUND, post_start={"hooked-0": word}))) == expected
    # One that cannot be made holds nobody back, and neither does one that has ended for good.
    missing = msgspec.structs.replace(HOOKED, image="none:1", image_pull_policy="Never")
    without = replace(FOUND, images={**FOUND.images, "none:1": None})
    assert done(of(app=(missing, WEB), memory=without)) == ["create web"]
    assert done(of(made(HOOKED, ENDED), app=app, policy="Never")) == ["create web"]
    # What runs already is looked after all the same.
    hooked = replace(FOUND, post_start={"hooked-0": "running"})
    assert done(of(made(HOOKED), made(WEB), app=app, memory=hooked, health={"web-0": Health(broken="liveness")})) == [
        "kill web-0"]


def test_init_containers_wait_for_the_hook_of_a_sidecar() -> None:
    side = container("side", restart_policy="Always", lifecycle=core.Lifecycle(post_start=HOOK))
    found = of(made(side), init=(side,), memory=replace(FOUND, post_start={"side-0": "running"}))
    assert due(found) == (["side"], False)


def test_an_ephemeral_container_runs_once() -> None:
    assert done(of(made(WEB), added=(DEBUGGER,))) == ["create debugger"]
    assert done(of(made(WEB), made(DEBUGGER, State.CREATED), added=(DEBUGGER,))) == ["start debugger"]
    for state in (State.RUNNING, ENDED):
        assert done(of(made(WEB), made(DEBUGGER, state, code=1), added=(DEBUGGER,))) == []
    told = core.PodStatus(ephemeral_container_statuses=(core.ContainerStatus(name="debugger", state=core.ContainerState(
        terminated=core.ContainerStateTerminated(exit_code=0))),))
    assert done(of(made(WEB), added=(DEBUGGER,), previous=told)) == []


def test_an_ephemeral_container_comes_also_to_a_pod_that_does_not_come_up_and_keeps_none_alive() -> None:
    assert done(of(made(ONE, ENDED, code=1), init=(ONE,), added=(DEBUGGER,))) == ["create debugger", "create one"]
    over = plan.plan(of(made(WEB, ENDED), made(DEBUGGER), added=(DEBUGGER,), policy="Never"))
    assert [a.container_id for a in over.actions if isinstance(a, KillContainer)] == ["debugger-0"]


def test_only_a_changed_image_restarts_a_container_and_only_that_one() -> None:
    changed = msgspec.structs.replace(WEB, image="busybox:2")
    found = of(made(WEB), made(TWO), app=(changed, TWO))
    assert done(found) == ["kill web-0"]
    spec = msgspec.structs.replace(found.pod.spec, containers=(WEB, TWO), active_deadline_seconds=100,
                                   tolerations=(core.Toleration(operator="Exists"),))
    same = view(made(WEB), made(TWO), spec=spec, revision="2")
    assert done(same) == []
    resized = msgspec.structs.replace(WEB, resources=core.ResourceRequirements(limits={"cpu": "1"}))
    assert done(of(made(WEB), app=(resized,))) == []
    # A changed sidecar is restarted, an init container that runs is not.
    assert done(of(made(SIDE), made(WEB), init=(msgspec.structs.replace(SIDE, image="busybox:2"),))) == ["kill side-0"]
    assert done(of(made(ONE), init=(msgspec.structs.replace(ONE, image="busybox:2"),))) == []


def test_restarts_are_counted_on_where_a_record_is_gone() -> None:
    told = core.PodStatus(container_statuses=(core.ContainerStatus(name="web", restart_count=4, container_id="podman://x"),))
    (action,) = (a for p in keeping.containers(of(previous=told)) for a in p.actions if isinstance(a, CreateContainer))
    assert action.spec.attempt == 5


def test_after_a_reboot_the_pod_starts_anew_also_on_the_hosts_network() -> None:
    spec = core.PodSpec(init_containers=(ONE,), containers=(WEB,), host_network=True, restart_policy="Always")
    cut = view(made(ONE, ENDED), made(WEB, ENDED, code=255), made(TWO, State.CREATED), spec=spec, sandbox=False)
    again = plan.plan(replace(cut, has_run_dir=False))
    assert [getattr(action, "container_id", "") for action in again.actions] == ["one-0", "two-0"]
    assert [action for action in plan.plan(replace(cut, has_run_dir=False, containers=())).actions
            if getattr(action, "container_id", "")] == []
