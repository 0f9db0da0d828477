"""An agent on fakes: what a node refuses, when it asks the image, and how containers are asked to be confined."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.agent.policy import Policy
from edge.api import core
from edge.bus import messages
from edge.runtime.confinement import UNCONFINED
from tests.fakes.node import FakeNode, pod


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[FakeNode]:
    made = FakeNode(tmp_path)
    await made.serve()
    yield made
    await made.stop()


def with_spec(made: core.Pod, **fields: Any) -> core.Pod:
    return msgspec.structs.replace(made, spec=msgspec.structs.replace(made.spec, **fields))


def asking(name: str, uid: str, cpu: str) -> core.Pod:
    return pod(name, uid, resources=core.ResourceRequirements(requests={"cpu": cpu}))


def waits(node: FakeNode) -> tuple[str, str]:
    statuses = node.status().container_statuses
    waiting = statuses[0].state.waiting if statuses else None
    return (waiting.reason, waiting.message) if waiting is not None else ("", "")


async def test_a_refused_pod_fails_before_anything_is_made_and_stays_so(node: FakeNode) -> None:
    unsafe = core.PodSecurityContext(sysctls=(core.Sysctl(name="vm.swappiness", value="1"),))
    await node.want(with_spec(pod(), security_context=unsafe))
    await node.start()
    await node.until(lambda: node.status().phase == "Failed")
    said = ("SysctlForbidden", 'forbidden sysctl: "vm.swappiness" not allowlisted')
    status = node.status()
    assert (status.reason, status.message) == (said[0], f"Pod was rejected: {said[1]}")
    assert status.container_statuses == ()
    await node.until(lambda: node.events() == [said])
    await node.stop()
    seen = len(node.reports())
    await node.start()
    await node.until(lambda: len(node.reports()) > seen)
    await node.pass_time(15)
    assert (node.status().phase, node.status().reason) == ("Failed", "SysctlForbidden")
    assert not node.network.attached
    assert not node.runtime.specs
    assert node.events() == [said]


async def test_a_refused_pod_can_be_deleted(node: FakeNode) -> None:
    refused = with_spec(pod(), os=core.PodOS(name="windows"))
    await node.want(refused)
    await node.start()
    await node.until(lambda: node.status().phase == "Failed")
    gone = msgspec.structs.replace(refused.metadata, deletion_timestamp="2030-01-01T00:00:00Z",
                                   deletion_grace_period_seconds=0)
    await node.want(msgspec.structs.replace(refused, metadata=gone), revision="2")
    await node.until(lambda: node.reports()[-1].terminated)


async def test_pods_that_came_together_share_what_the_node_has(node: FakeNode) -> None:
    node.cpu_milli = 1000
    await node.start()
    await node.until(lambda: node.agent.watch.status is not None)
    for number in (1, 2, 3):
        made = asking(f"web-{number}", f"uid-{number}", "400m")
        node.pods[made.metadata.uid] = messages.DesiredPod(revision="1", pod=made)
    await node.serve()
    await node.until(lambda: sorted(node.status(uid).phase for uid in node.pods) == ["Failed", "Running", "Running"])
    (failed,) = (uid for uid in node.pods if node.status(uid).phase == "Failed")
    assert node.status(failed).reason == "OutOfcpu"
    assert node.status(failed).message.startswith(
        "Pod was rejected: Node didn't have enough resource: cpu, requested: 400, used: 800, capacity: ")


async def test_what_runs_already_is_not_judged_again(node: FakeNode) -> None:
    node.cpu_milli = 1000
    await node.want(asking("web", "uid-1", "900m"))
    await node.start()
    await node.until(node.ready)
    await node.stop()
    node.cpu_milli = 500
    await node.start()
    await node.pass_time(30)
    assert node.ready()
    await node.want(asking("late", "uid-2", "100m"))
    await node.until(lambda: node.status("uid-2").reason == "OutOfcpu")


async def test_a_pod_that_is_over_makes_room(node: FakeNode) -> None:
    node.cpu_milli = 1000
    done = with_spec(asking("done", "uid-1", "900m"), restart_policy="Never")
    await node.want(done)
    await node.start()
    await node.until(node.ready)
    node.runtime.exit("done", 0)
    await node.until(lambda: node.status().phase == "Succeeded")
    await node.want(asking("next", "uid-2", "900m"))
    await node.until(lambda: node.ready("uid-2"))


async def test_an_image_is_asked_whom_it_runs_as_only_when_it_matters(node: FakeNode) -> None:
    node.runtime.users["sha256:b1"] = "0"
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    assert not [call for call in node.runtime.calls if call.startswith("user")]
    careful = pod("careful", "uid-2", security_context=core.SecurityContext(run_as_non_root=True))
    await node.want(careful)
    await node.until(lambda: any(reason == "Failed" for reason, _ in node.events()))
    status = node.status("uid-2").container_statuses[0].state.waiting
    assert status is not None
    assert (status.reason, status.message) == (
        "CreateContainerConfigError", "container has runAsNonRoot and image will run as root "
        '(pod: "careful_default(uid-2)", container: careful)')
    await node.pass_time(20)
    asked = [call for call in node.runtime.calls if call.startswith("user")]
    assert len(asked) < 5


async def test_a_profile_that_is_missing_is_waited_for(node: FakeNode, tmp_path: Path) -> None:
    node.policy = Policy(seccomp_dir=str(tmp_path / "profiles"))
    profile = core.SeccompProfile(type="Localhost", localhost_profile="audit.json")
    await node.want(pod(security_context=core.SecurityContext(seccomp_profile=profile)))
    await node.start()
    path = f"{tmp_path}/profiles/audit.json"
    await node.until(lambda: waits(node)[0] == "CreateContainerError")
    assert waits(node)[1] == f'cannot load seccomp profile "{path}": open {path}: no such file or directory'
    (tmp_path / "profiles").mkdir()
    Path(path).write_text("{}")
    await node.until(node.ready)


async def test_the_nodes_word_where_the_pod_says_nothing(node: FakeNode) -> None:
    node.policy = Policy(seccomp_default=False, allowed_unsafe_sysctls=("net.core.*", "kernel.msgmax"))
    sysctls = (core.Sysctl(name="net.core.somaxconn", value="99"), core.Sysctl(name="kernel.msgmax", value="70000"))
    await node.want(with_spec(pod(), security_context=core.PodSecurityContext(sysctls=sysctls), host_users=False))
    await node.start()
    await node.until(node.ready)
    (spec,) = node.runtime.specs.values()
    assert spec.confinement.seccomp_profile == UNCONFINED
    assert spec.confinement.first_id == (1 * 256 + 2) * 65536
    assert spec.sysctls == (("kernel.msgmax", "70000"),)
    assert node.network.sysctls["uid-1"] == {"net.core.somaxconn": "99"}


async def test_a_runtime_class_the_node_does_not_have_keeps_the_pod_waiting(node: FakeNode) -> None:
    await node.want(pod(), runtime_handler="kata")
    await node.start()
    await node.until(lambda: bool(node.events()))
    await node.pass_time(5)
    assert [reason for reason, _ in node.events()] == ["FailedCreatePodSandBox"]
    assert not node.network.attached
    await node.want(pod(), revision="2", runtime_handler="crun")
    await node.until(node.ready)
