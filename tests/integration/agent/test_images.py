"""Images of pods: pulled, missing, changed, given up; a whole agent on fakes."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.api import core, meta
from edge.runtime.containers import Credentials, Image
from tests.fakes.node import FakeNode, pod

APP = Image(id="a" * 64, names=("docker.io/library/app:1",), size_bytes=1234)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[FakeNode]:
    made = FakeNode(tmp_path)
    yield made
    await made.stop()


def with_policy(policy: str, image: str = "app:1", name: str = "web", uid: str = "uid-1") -> core.Pod:
    container = core.Container(name=name, image=image, image_pull_policy=policy)
    return pod(name, uid, spec=core.PodSpec(containers=(container,), restart_policy="Always", node_name="node-1"))


def waits(node: FakeNode, uid: str = "uid-1") -> str:
    statuses = node.status(uid).container_statuses
    return statuses[0].state.waiting.reason if statuses and statuses[0].state.waiting else ""


def pulls(node: FakeNode) -> list[str]:
    return [call for call in node.runtime.calls if call.startswith("pull ")]


async def test_pods_that_want_the_same_image_share_its_pull_and_each_has_its_events(node: FakeNode) -> None:
    node.runtime.registry["app:1"] = APP
    node.runtime.pulling.clear()
    for number in range(4):
        await node.want(with_policy("Always", name=f"web-{number}", uid=f"uid-{number}"))
    await node.start()
    await node.until(lambda: len([message for reason, message in node.events() if reason == "Pulling"]) == 4)
    node.runtime.pulling.set()
    await node.until(lambda: all(node.ready(f"uid-{number}") for number in range(4)))
    assert pulls(node) == ["pull app:1"]
    said = [message for reason, message in node.events() if reason == "Pulled"]
    assert len(said) == 4
    assert all(message.startswith('Successfully pulled image "app:1" in ') for message in said)


async def test_a_corrected_image_is_pulled_at_once(node: FakeNode) -> None:
    await node.want(with_policy("IfNotPresent", "typo:1"))
    await node.start()
    await node.until(lambda: waits(node) == "ImagePullBackOff")
    await node.pass_time(60)
    node.runtime.registry["app:1"] = APP
    began = node.clock.monotonic()
    await node.want(with_policy("IfNotPresent", "app:1"), revision="2")
    await node.until(lambda: node.ready())
    assert node.clock.monotonic() - began < 5


async def test_a_neighbor_that_pulls_does_not_end_the_back_off_of_others(node: FakeNode) -> None:
    await node.want(with_policy("Always", "gone:1"))
    await node.start()
    await node.until(lambda: waits(node) == "ImagePullBackOff")
    tried = len(pulls(node))
    node.runtime.registry["app:1"] = APP
    await node.want(with_policy("Always", name="other", uid="uid-2"))
    await node.until(lambda: node.ready("uid-2"))
    assert pulls(node)[tried:] == ["pull app:1"]


async def test_a_pod_that_is_deleted_gives_its_pull_up(node: FakeNode) -> None:
    node.runtime.registry["app:1"] = APP
    node.runtime.pulling.clear()
    await node.want(with_policy("Always"))
    await node.start()
    await node.until(lambda: bool(pulls(node)))
    node.pods.clear()
    await node.serve()
    await node.until(lambda: not node.agent.pods.all())
    node.runtime.pulling.set()
    await node.pass_time(5)
    assert "app:1" not in node.runtime.local
    assert not node.runtime.containers


async def test_always_fails_without_its_registry_also_when_the_image_is_here(node: FakeNode) -> None:
    node.runtime.local["app:1"] = APP
    node.runtime.registry_away = True
    await node.want(with_policy("Always"))
    await node.start()
    await node.until(lambda: waits(node) == "RegistryUnavailable")
    await node.until(lambda: waits(node) == "ImagePullBackOff")
    waiting = node.status().container_statuses[0].state.waiting
    assert waiting is not None
    assert waiting.message.startswith('Back-off pulling image "app:1": RegistryUnavailable: image pull failed for '
                                      "app:1 because the registry is unavailable: ")
    assert "imagePullPolicy IfNotPresent would use it" in waiting.message
    await node.until(lambda: ("BackOff", 'Back-off pulling image "app:1"') in node.events())
    node.runtime.registry_away = False
    node.runtime.registry["app:1"] = APP
    await node.until(node.ready)


async def test_never_waits_for_an_image_that_somebody_loads(node: FakeNode) -> None:
    await node.want(with_policy("Never"))
    await node.start()
    await node.until(lambda: waits(node) == "ErrImageNeverPull")
    await node.until(lambda: ("Failed", "Error: ErrImageNeverPull") in node.events())
    node.runtime.local["app:1"] = APP
    node.agent.images_changed()
    await node.until(node.ready)
    assert pulls(node) == []


async def test_secrets_are_tried_and_a_missing_one_is_said(node: FakeNode) -> None:
    def secret(user: str) -> core.Secret:
        content = json.dumps({"auths": {"registry:5000": {"username": user, "password": "pass"}}})
        return core.Secret(type="kubernetes.io/dockerconfigjson", metadata=meta.ObjectMeta(name=user),
                           data={".dockerconfigjson": base64.b64encode(content.encode()).decode()})

    name = "registry:5000/app:1"
    node.runtime.registry[name] = APP
    node.runtime.passwords[name] = Credentials("two", "pass")
    spec = core.PodSpec(containers=(core.Container(name="web", image=name, image_pull_policy="Always"),),
                        restart_policy="Always", node_name="node-1",
                        image_pull_secrets=tuple(meta.LocalObjectReference(name=n) for n in ("one", "two", "gone")))
    await node.want(pod(spec=spec), secrets={"one": secret("one"), "two": secret("two")})
    await node.start()
    await node.until(node.ready)
    assert ("FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets (gone); attempting to pull "
            "the image may not succeed.") in node.events()
    assert len(pulls(node)) == 2


async def test_an_image_for_another_machine_is_said_once(node: FakeNode) -> None:
    node.runtime.local["app:1"] = Image(id="f" * 64, names=("app:1",), architecture="riscv64")
    await node.start()
    await node.until(lambda: bool(node.agent.watch.status))
    await node.want(with_policy("IfNotPresent"))
    await node.until(node.ready)
    node.runtime.exit("web", 1)
    await node.until(lambda: node.runtime.by_name("web").attempt == 1)
    said = [message for reason, message in node.events() if reason == "ImageArchitectureMismatch"]
    assert len(said) == 1
    assert said[0].startswith('Image "app:1" is for riscv64 and this node is ')
