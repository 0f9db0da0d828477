"""How a container gets its image, and the words for it."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from edge.agent import memory, pulling, starting
from edge.agent.actions import CreateContainer, Emit, FindImage, PullImage, Step
from edge.agent.memory import Memory, Pull
from edge.api import core, meta
from edge.bus import messages
from edge.runtime.containers import Credentials, Image, State
from tests.fakes.view import AROUND, IMAGE, container, made, view

WEB = container()
ALWAYS = container(image_pull_policy="Always")
ABSENT = Memory(images={"busybox:1": None})


def events(step: Step) -> list[tuple[str, str]]:
    return [(action.reason, action.message) for action in step.actions if isinstance(action, Emit)]


def kinds(step: Step) -> list[type]:
    return [type(action) for action in step.actions if not isinstance(action, Emit)]


def pull_of(step: Step) -> PullImage:
    return next(action for action in step.actions if isinstance(action, PullImage))


@pytest.mark.parametrize(("image", "policy", "expected"), [
    ("busybox", "", "Always"), ("busybox:latest", "", "Always"), ("busybox:1", "", "IfNotPresent"),
    ("host:5000/busybox", "", "Always"), ("host:5000/busybox:1", "", "IfNotPresent"),
    ("busybox@sha256:ab", "", "IfNotPresent"), ("busybox:latest@sha256:ab", "", "IfNotPresent"),
    ("busybox", "Never", "Never")])
def test_the_pull_policy_follows_the_tag(image: str, policy: str, expected: str) -> None:
    assert pulling.pull_policy(container(image=image, image_pull_policy=policy)) == expected


def test_an_image_is_looked_for_then_pulled_then_used() -> None:
    nothing = Memory()
    assert kinds(starting.step(view(memory=nothing), WEB)) == [FindImage]
    absent = memory.found(nothing, "busybox:1", None)
    step = starting.step(view(memory=absent), WEB)
    assert kinds(step) == [PullImage]
    assert pull_of(step).look_first
    assert pull_of(step).field_path == "spec.containers{web}"
    assert events(step) == [("Pulling", 'Pulling image "busybox:1"')]
    flying = memory.pull_began(absent, "web", 0, "busybox:1")
    assert starting.step(view(memory=flying), WEB) == Step()
    there = memory.pulled(flying, "web", 0, "busybox:1", IMAGE)
    step = starting.step(view(memory=there), WEB)
    assert kinds(step) == [CreateContainer]
    assert events(step) == []


def test_an_image_that_is_here_is_said_to_be() -> None:
    assert events(starting.step(view(), WEB)) == [
        ("Pulled", 'Container image "busybox:1" already present on machine')]


def test_always_pulls_for_each_attempt() -> None:
    step = starting.step(view(), ALWAYS)
    assert kinds(step) == [PullImage]
    assert not pull_of(step).look_first
    done = Memory(pulls={"web": Pull(0, done=True, reference="busybox:1")}, images={"busybox:1": IMAGE})
    assert kinds(starting.step(view(memory=done), ALWAYS)) == [CreateContainer]
    again = view(made(WEB, State.EXITED, code=1), memory=done)
    assert kinds(starting.step(again, ALWAYS)) == [PullImage]


def test_an_image_that_was_pulled_and_removed_is_pulled_again() -> None:
    done = Memory(pulls={"web": Pull(0, done=True, reference="busybox:1")})
    assert kinds(starting.step(view(memory=done), ALWAYS)) == [FindImage]
    gone = memory.found(done, "busybox:1", None)
    assert kinds(starting.step(view(memory=gone), ALWAYS)) == [PullImage]


def test_never_says_that_the_image_is_missing() -> None:
    step = starting.step(view(memory=ABSENT), container(image_pull_policy="Never"))
    text = 'Container image "busybox:1" is not present with pull policy of Never'
    assert (step.reason, step.message) == ("ErrImageNeverPull", text)
    assert events(step) == [("ErrImageNeverPull", text), ("Failed", "Error: ErrImageNeverPull")]
    assert kinds(step) == []


@pytest.mark.parametrize("name", ["localhost/WRONG:1", "a b", "x@sha256:1", ""])
def test_a_name_that_is_none_is_never_pulled(name: str) -> None:
    step = starting.step(view(memory=Memory()), container(image=name))
    assert kinds(step) == []
    assert step.reason == "InvalidImageName"
    assert step.message.startswith(f'Failed to apply default image tag "{name}": couldn\'t parse image name "{name}": '
                                   "invalid reference format")
    assert events(step) == [("InspectFailed", step.message), ("Failed", "Error: InvalidImageName")]


def test_a_failed_pull_is_shown_then_backs_off_then_is_tried_again() -> None:
    failed = memory.pull_failed(ABSENT, "web", 0, "ErrImagePull", "no such host", 1000.0)
    shown = starting.step(view(memory=failed), WEB)
    assert (shown.reason, shown.message, shown.requeue_after) == ("ErrImagePull", "no such host", 2.0)
    assert events(shown) == [("Failed", 'Failed to pull image "busybox:1": no such host'),
                             ("Failed", "Error: ErrImagePull")]
    waiting = starting.step(view(memory=failed, monotonic=1004), WEB)
    assert (waiting.reason, waiting.requeue_after) == ("ImagePullBackOff", 6.0)
    assert waiting.message == 'Back-off pulling image "busybox:1": ErrImagePull: no such host'
    assert events(waiting)[2:] == [("BackOff", 'Back-off pulling image "busybox:1"'),
                                   ("Failed", "Error: ImagePullBackOff")]
    assert kinds(starting.step(view(memory=failed, monotonic=1010), WEB)) == [PullImage]


def test_the_wait_doubles_to_five_minutes() -> None:
    held, now, waits = ABSENT, 1000.0, []
    for _ in range(7):
        held = memory.pull_failed(memory.pull_began(held, "web", 0, "busybox:1"), "web", 0, "ErrImagePull", "no", now,
                                  "busybox:1")
        left = starting.step(view(memory=held, monotonic=now + 2), WEB).requeue_after
        assert left is not None
        waits.append(left + 2)
        now += left + 2
    assert waits == [10, 20, 40, 80, 160, 300, 300]


def test_a_registry_that_is_away_is_called_that() -> None:
    failed = memory.pull_failed(ABSENT, "web", 0, "RegistryUnavailable", "connection refused", 1000.0)
    shown = starting.step(view(memory=failed), WEB)
    text = "image pull failed for busybox:1 because the registry is unavailable: connection refused"
    assert (shown.reason, shown.message) == ("RegistryUnavailable", text)
    assert ("Failed", "Error: RegistryUnavailable") in events(shown)
    waiting = starting.step(view(memory=failed, monotonic=1004), WEB)
    assert waiting.message == f'Back-off pulling image "busybox:1": RegistryUnavailable: {text}'


def test_who_names_an_image_without_a_registry_hears_how_to_load_it() -> None:
    own = container(image="localhost/web:1")
    failed = memory.pull_failed(Memory(images={"localhost/web:1": None}), "web", 0, "RegistryUnavailable",
                                "connection refused", 1000.0)
    shown = starting.step(view(memory=failed), own)
    assert "load it with `edgectl image load`" in shown.message
    assert any("edgectl image load" in message for _, message in events(shown))


def test_another_image_is_pulled_at_once_and_the_late_answer_about_the_first_is_not_mixed_up() -> None:
    flying = memory.pull_began(ABSENT, "web", 0, "busybox:1")
    failed = memory.pull_failed(flying, "web", 0, "ErrImagePull", "no", 1000.0, "busybox:1")
    other = container(image="busybox:2")
    known = memory.found(failed, "busybox:2", None)
    assert kinds(starting.step(view(memory=known), other)) == [PullImage]
    second = memory.pull_began(known, "web", 0, "busybox:2")
    assert second.pulls["web"].backoff is None
    late = memory.pull_failed(second, "web", 0, "ErrImagePull", "no", 1001.0, "busybox:1")
    assert starting.step(view(memory=late), other) == Step()
    late = memory.pulled(second, "web", 0, "busybox:1", IMAGE)
    assert starting.step(view(memory=late), other) == Step()
    assert late.images["busybox:1"] == IMAGE


def test_images_that_came_end_the_wait_and_others_leave_it_alone() -> None:
    failed = memory.images_changed(memory.pull_failed(ABSENT, "web", 0, "ErrImagePull", "no", 1000.0))
    looking = starting.step(view(memory=failed, monotonic=1004), WEB)
    assert (kinds(looking), looking.reason) == ([FindImage], "ImagePullBackOff")
    assert kinds(starting.step(view(memory=memory.found(failed, "busybox:1", IMAGE)), WEB)) == [CreateContainer]
    still = starting.step(view(memory=memory.found(failed, "busybox:1", None), monotonic=1004), WEB)
    assert (kinds(still), still.requeue_after) == ([], 6.0)
    # A registry that has to be asked has nothing new because of them.
    assert kinds(starting.step(view(memory=failed, monotonic=1004), ALWAYS)) == []


def with_secrets(*names: str, **held: core.Secret) -> tuple[core.Container, Memory, messages.DesiredPod]:
    spec = core.PodSpec(containers=(WEB,), image_pull_secrets=tuple(meta.LocalObjectReference(name=n) for n in names))
    pod = core.Pod(metadata=meta.ObjectMeta(name="web", namespace="default", uid="uid-1"), spec=spec)
    return WEB, ABSENT, messages.DesiredPod(revision="1", pod=pod, secrets=held)


def test_all_secrets_that_fit_are_tried_and_missing_ones_are_said() -> None:
    def secret(user: str) -> core.Secret:
        content = json.dumps({"auths": {"docker.io": {"username": user, "password": "p"}}})
        return core.Secret(data={".dockerconfigjson": base64.b64encode(content.encode()).decode()})

    wanted, held, desired = with_secrets("one", "gone", "two", one=secret("a"), two=secret("b"), other=secret("c"))
    step = starting.step(replace(view(memory=held), desired=desired), wanted)
    assert pull_of(step).credentials == (Credentials("a", "p"), Credentials("b", "p"))
    assert events(step)[0] == (
        "FailedToRetrieveImagePullSecret",
        "Unable to retrieve some image pull secrets (gone); attempting to pull the image may not succeed.")
    assert '"p"' not in repr(step)


@pytest.mark.parametrize(("image", "node", "wrong"), [
    ("amd64", "arm64", True), ("arm64", "arm64", False), ("arm", "arm64", False), ("386", "amd64", False),
    ("arm64", "arm", True), ("", "arm64", False), ("amd64", "", False)])
def test_an_image_for_another_machine_is_named(image: str, node: str, wrong: bool) -> None:
    foreign = Image(id="1", names=("busybox:1",), architecture=image)
    step = starting.step(view(memory=Memory(images={"busybox:1": foreign}), around=replace(AROUND, architecture=node)),
                         WEB)
    said = dict(events(step)).get("ImageArchitectureMismatch", "")
    assert bool(said) == wrong
    # It may be labeled wrongly, or the node may have an emulator.
    assert kinds(step) == [CreateContainer]
    if wrong:
        assert said.startswith(f'Image "busybox:1" is for {image} and this node is {node}: ')
        assert f"--platform linux/{node}" in said


def test_a_program_for_another_machine_is_recognized_by_its_end() -> None:
    ended = replace(made(WEB, State.EXITED, code=1), started_at="2030-01-01T00:00:01Z",
                    finished_at="2030-01-01T00:00:02Z")
    assert pulling.may_be_foreign(ended)
    assert not pulling.may_be_foreign(replace(ended, exit_code=3))
    assert not pulling.may_be_foreign(replace(ended, finished_at="2030-01-01T00:00:09Z"))
    assert not pulling.may_be_foreign(replace(ended, started_at=""))
    assert pulling.foreign_exit(ended, "exec container process `/bin/sh`: Exec format error", "arm64") == \
        'exec format error: a program of image "busybox:1" is not for this node (arm64)'
    assert pulling.foreign_exit(ended, "no such file", "arm64") == ""


@pytest.mark.parametrize(("seconds", "text"), [
    (0, "0s"), (0.0851, "85ms"), (1, "1s"), (1.5, "1.5s"), (59.9999, "59.999s"), (123.25, "2m3.25s"),
    (3600, "1h0m0s")])
def test_durations_are_kubernetes(seconds: float, text: str) -> None:
    assert pulling.duration(seconds) == text
