"""What stands between a container and its next start, and the words for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.agent import memory, starting
from edge.agent.actions import CreateContainer, Emit, FindImage, PullImage, StartContainer
from edge.agent.backoff import Backoff
from edge.agent.memory import Failure, Memory, Pull
from edge.agent.starting import Step
from edge.api import core, meta
from edge.runtime.containers import State
from tests.fakes.view import IMAGE, container, made, view

WEB = container()
NOBODY = core.SecurityContext(run_as_non_root=True, run_as_user=0)


def events(step: Step) -> list[tuple[str, str]]:
    return [(action.reason, action.message) for action in step.actions if isinstance(action, Emit)]


def kinds(step: Step) -> list[type]:
    return [type(action) for action in step.actions if not isinstance(action, Emit)]


@pytest.mark.parametrize(("image", "policy", "expected"), [
    ("busybox", "", "Always"), ("busybox:latest", "", "Always"), ("busybox:1", "", "IfNotPresent"),
    ("host:5000/busybox", "", "Always"), ("host:5000/busybox:1", "", "IfNotPresent"),
    ("busybox@sha256:ab", "", "IfNotPresent"), ("busybox", "Never", "Never")])
def test_the_pull_policy_follows_the_tag(image: str, policy: str, expected: str) -> None:
    assert starting.pull_policy(container(image=image, image_pull_policy=policy)) == expected


def test_an_image_is_looked_for_then_pulled_then_used() -> None:
    nothing = Memory()
    assert kinds(starting.step(view(memory=nothing), WEB)) == [FindImage]
    absent = memory.found(nothing, "busybox:1", None)
    step = starting.step(view(memory=absent), WEB)
    assert kinds(step) == [PullImage]
    assert events(step) == [("Pulling", 'Pulling image "busybox:1"')]
    flying = memory.pull_began(absent, "web", 0)
    assert starting.step(view(memory=flying), WEB) == Step()
    there = memory.pulled(flying, "web", 0, "busybox:1", IMAGE)
    step = starting.step(view(memory=there), WEB)
    assert kinds(step) == [CreateContainer]
    assert events(step) == []


def test_always_pulls_for_each_attempt() -> None:
    always = container(image_pull_policy="Always")
    assert kinds(starting.step(view(), always)) == [PullImage]
    done = Memory(pulls={"web": Pull(0, done=True)}, images={"busybox:1": IMAGE})
    assert kinds(starting.step(view(memory=done), always)) == [CreateContainer]
    again = view(made(WEB, State.EXITED, code=1), memory=done)
    assert kinds(starting.step(again, always)) == [PullImage]


def test_never_says_that_the_image_is_missing() -> None:
    step = starting.step(view(memory=Memory(images={"busybox:1": None})), container(image_pull_policy="Never"))
    assert step.reason == "ErrImageNeverPull"
    assert step.message == 'Container image "busybox:1" is not present with pull policy of Never'


def test_a_failed_pull_is_shown_then_backs_off_then_is_tried_again() -> None:
    failed = memory.pull_failed(Memory(images={"busybox:1": None}), "web", 0, "ErrImagePull", "no such host", 1000.0)
    shown = starting.step(view(memory=failed), WEB)
    assert (shown.reason, shown.message, shown.requeue_after) == ("ErrImagePull", "no such host", 2.0)
    waiting = starting.step(view(memory=failed, monotonic=1004), WEB)
    assert (waiting.reason, waiting.requeue_after) == ("ImagePullBackOff", 6.0)
    assert waiting.message == 'Back-off pulling image "busybox:1": ErrImagePull: no such host'
    assert ("BackOff", 'Back-off pulling image "busybox:1"') in events(waiting)
    assert kinds(starting.step(view(memory=failed, monotonic=1010), WEB)) == [PullImage]
    wrong = memory.pull_failed(Memory(images={"busybox:1": None}), "web", 0, "InvalidImageName", "bad", 1000.0)
    assert starting.step(view(memory=wrong, monotonic=5000), WEB).reason == "InvalidImageName"


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
    assert action.spec.log_path == "/var/log/pods/default_web_uid-1/web/5.log"


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
    assert pull.credentials is not None
    assert pull.credentials.password == "hunter2"
    assert "hunter2" not in repr(step)
    env = starting.step(view(), container(env=(core.EnvVar(name="P", value="hunter2"),)))
    assert "hunter2" not in repr(env)


def test_a_creation_that_fails_again_and_again_is_tried_every_ten_seconds() -> None:
    remembered = Memory()
    for _ in range(5):
        remembered = memory.create_failed(remembered, "web", "no space left", 1000.0)
    remembered = memory.found(remembered, "busybox:1", IMAGE)
    assert starting.step(view(memory=remembered), WEB).requeue_after == 10.0
