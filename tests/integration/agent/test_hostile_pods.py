"""An agent on fakes among pods that mean it harm, and hands that reach into what is its own."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.agent import execute_volumes, files
from edge.api import core, meta
from edge.runtime.containers import ContainerSpec, State
from tests.fakes.node import FakeNode, pod

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners and mounts need root")


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[FakeNode]:
    made = FakeNode(tmp_path)
    await made.serve()
    yield made
    await made.stop()


def running(node: FakeNode, uid: str = "uid-1") -> bool:
    return any(each.pod_uid == uid and each.state is State.RUNNING for each in node.runtime.containers.values())


async def test_secrets_come_back_when_the_directory_in_memory_is_removed_by_hand(node: FakeNode) -> None:
    volume = core.Volume(name="s", secret=core.SecretVolumeSource(secret_name="key"))
    made = core.Container(name="web", image="busybox:1", image_pull_policy="IfNotPresent",
                          volume_mounts=(core.VolumeMount(name="s", mount_path="/s"),))
    spec = core.PodSpec(containers=(made,), volumes=(volume,), restart_policy="Always", node_name="node-1")
    secret = core.Secret(metadata=meta.ObjectMeta(name="key"), string_data={"k": "v"})
    await node.want(pod(spec=spec), secrets={"key": secret})
    await node.start()
    await node.until(lambda: running(node))
    directory = node.directory / "run/pods/uid-1"
    assert (directory / "s/k").read_text() == "v"
    shutil.rmtree(directory)
    node.runtime.exit("web", 1)
    await node.until(lambda: node.runtime.by_name("web").attempt == 1 and running(node))
    assert (directory / "s/k").read_text() == "v"
    assert directory.stat().st_mode & 0o777 == 0o700


async def test_an_image_that_claims_other_processes_is_made_once_and_started(
        node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    create = node.runtime.create

    async def labeled(spec: ContainerSpec) -> str:
        # As the engine does: the image's labels, and over them what was asked for.
        return await create(replace(spec, labels={"edge.processes.owner": "x", "edge.devices": "a=b", **spec.labels}))
    monkeypatch.setattr(node.runtime, "create", labeled)
    await node.want(pod())
    await node.start()
    await node.until(lambda: running(node))
    assert node.runtime.calls.count("create web") == 1
    assert node.runtime.by_name("web").labels["edge.devices"] == ""


async def test_dead_file_servers_of_some_pods_keep_no_other_from_starting(
        node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    over = False
    look = files.check_sources

    def hang(directories: tuple[str, ...], sources: tuple[str, ...]) -> None:
        while "/bad-" in str(sources) and not over:
            time.sleep(0.01)
        look(directories, sources)
    monkeypatch.setattr(files, "check_sources", hang)
    monkeypatch.setattr(execute_volumes, "SUB_PATH_SECONDS", 0.2)
    for number in range(40):
        await node.want(pod(f"bad-{number}", f"bad-{number}"))
    await node.start()
    await node.until(lambda: node.runtime.calls.count("list") > 3)
    await node.want(pod())
    await node.until(lambda: running(node))
    assert not any(each.pod_uid.startswith("bad-") for each in node.runtime.containers.values())
    await node.until(lambda: any("no answer within" in message for _, message in node.events()))
    over = True
    await node.until(lambda: running(node, "bad-39"), 120)


async def test_a_pod_whose_network_was_taken_away_by_hand_starts_anew(node: FakeNode) -> None:
    await node.want(pod())
    await node.start()
    await node.until(lambda: running(node))
    first = node.runtime.by_name("web").id
    node.network.attached.clear()
    await node.until(lambda: "uid-1" in node.network.attached and running(node)
                     and node.runtime.by_name("web").id != first, 180)
    assert "SandboxChanged" in [reason for reason, _ in node.events()]
    await node.until(node.ready)
