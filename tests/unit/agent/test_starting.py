"""What stands between a container and its next start, and the words for it."""

from __future__ import annotations

from dataclasses import replace

from edge.agent import memory, starting
from edge.agent.actions import CreateContainer, Emit, PullImage, StartContainer, Step
from edge.agent.backoff import Backoff
from edge.agent.memory import Failure, Memory
from edge.api import core, meta
from edge.runtime.containers import State
from tests.fakes.view import IMAGE, container, made, view

WEB = container()
NOBODY = core.SecurityContext(run_as_non_root=True, run_as_user=0)


def events(step: Step) -> list[tuple[str, str]]:
    return [(action.reason, action.message) for action in step.actions if isinstance(action, Emit)]


def kinds(step: Step) -> list[type]:
    return [type(action) for action in step.actions if not isinstance(action, Emit)]


def test_a_created_container_is_started_and_one_of_another_spec_made_anew() -> None:
    assert kinds(starting.step(view(made(WEB, State.CREATED)), WEB)) == [StartContainer]
    other = made(container(image="busybox:0"), State.CREATED)
    step = starting.step(view(other), WEB)
    action = next(action for action in step.actions if isinstance(action, CreateContainer))
    assert action.spec.attempt == 0


def test_the_next_attempt_knows_when_the_one_before_failed() -> None:
    remembered = Memory(images={"busybox:1": IMAGE}, exits={"web-4": 999.0})
    step = starting.step(view(made(WEB, State.EXITED, attempt=4, code=1), memory=remembered), WEB)
    action = next(action for action in step.actions if isinstance(action, CreateContainer))
    assert (action.spec.attempt, action.failed_at) == (5, 999.0)
    assert action.spec.log_path == "/run/edge/logs/uid-1/web/5.log"


def test_crash_loop_back_off_in_kubernetes_words() -> None:
    held = Memory(restarts={"web": Backoff(80.0, 990.0)}, exits={"web-0": 995.0})
    step = starting.step(view(made(WEB, State.EXITED, code=1), memory=held), WEB)
    assert step.reason == "CrashLoopBackOff"
    assert step.message == "back-off 1m20s restarting failed container=web pod=web_default(uid-1)"
    assert step.requeue_after == 75.0


def test_what_cannot_be_resolved_is_a_config_error() -> None:
    missing = container(env=(core.EnvVar(name="K", value_from=core.EnvVarSource(
        secret_key_ref=core.SecretKeySelector(name="s", key="k"))),))
    step = starting.step(view(spec=core.PodSpec(containers=(missing,))), missing)
    assert (step.reason, step.message) == ("CreateContainerConfigError", 'secret "s" not found')
    root = starting.step(view(), container(security_context=NOBODY))
    assert root.reason == "CreateContainerConfigError"
    assert "breaks non-root policy" in root.message


def test_a_creation_the_engine_refused_backs_off() -> None:
    refused = Memory(images={"busybox:1": IMAGE}, failures={
        "web": Failure("CreateContainerError", "no space left", 995.0, Backoff(10.0, 995.0))})
    step = starting.step(view(memory=refused), WEB)
    assert (step.reason, step.message, step.requeue_after) == ("CreateContainerError", "no space left", 5.0)
    assert kinds(starting.step(view(memory=refused, monotonic=1006), WEB)) == [CreateContainer]


def test_credentials_and_environment_are_not_shown() -> None:
    login = core.Secret(type="kubernetes.io/dockerconfigjson", string_data={
        ".dockerconfigjson": '{"auths":{"host:1":{"username":"u","password":"hunter2"}}}'})
    base = view(spec=core.PodSpec(containers=(WEB,), image_pull_secrets=(meta.LocalObjectReference(name="login"),)),
                memory=Memory(images={"host:1/web:1": None}))
    assert base.desired is not None
    given = replace(base, desired=type(base.desired)(revision="1", pod=base.pod, secrets={"login": login}))
    step = starting.step(given, container(image="host:1/web:1"))
    pull = next(action for action in step.actions if isinstance(action, PullImage))
    assert [each.password for each in pull.credentials] == ["hunter2"]
    assert "hunter2" not in repr(step)
    env = starting.step(view(), container(env=(core.EnvVar(name="P", value="hunter2"),)))
    assert "hunter2" not in repr(env)


def test_a_creation_that_fails_again_and_again_is_tried_every_ten_seconds() -> None:
    remembered = Memory()
    for _ in range(5):
        remembered = memory.create_failed(remembered, "web", "no space left", 1000.0)
    remembered = memory.found(remembered, "busybox:1", IMAGE)
    assert starting.step(view(memory=remembered), WEB).requeue_after == 10.0


def test_what_an_image_says_of_itself_is_not_taken_for_the_nodes_word() -> None:
    (create,) = (action for action in starting.step(view(), WEB).actions if isinstance(action, CreateContainer))
    assert create.spec.labels == {"edge.devices": "", "edge.processes.owner": ""}
