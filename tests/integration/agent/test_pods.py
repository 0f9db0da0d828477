"""An agent on fakes: what is wanted on the bus comes to run, stays, restarts, and goes without a trace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from edge.api import core
from edge.runtime.containers import ExecResult, Image, State
from tests.fakes.node import FakeNode, pod


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[FakeNode]:
    made = FakeNode(tmp_path)
    await made.serve()
    yield made
    await made.stop()


def deleted(made: core.Pod, grace: int = 30) -> core.Pod:
    metadata = msgspec.structs.replace(made.metadata, deletion_timestamp="2030-01-01T00:00:00Z",
                                       deletion_grace_period_seconds=grace)
    return msgspec.structs.replace(made, metadata=metadata)


async def test_a_wanted_pod_runs_and_is_reported_ready(node: FakeNode) -> None:
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    status = node.status()
    assert status.phase == "Running"
    assert status.pod_ip == "10.244.1.2"
    assert status.host_ip == "10.0.0.2"
    assert status.container_statuses[0].container_id == f"podman://{node.runtime.by_name('web').id}"
    await node.until(lambda: [reason for reason, _ in node.events()] == ["Pulled", "Created", "Started"])


async def test_a_deleted_pod_is_stopped_in_good_order_and_nothing_is_left(node: FakeNode, tmp_path: Path) -> None:
    node.runtime.ignores_sigterm.add("web")
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    began = node.clock.monotonic()
    await node.want(deleted(pod(), grace=5), revision="2")
    await node.until(lambda: node.reports()[-1].terminated)
    assert 5 <= node.clock.monotonic() - began < 8
    assert [call for call in node.runtime.calls if call.startswith("kill")] == ["kill web SIGTERM", "kill web SIGKILL"]
    assert not node.runtime.containers
    assert not node.network.attached
    assert not list((tmp_path / "data" / "pods").iterdir())
    assert not list((tmp_path / "run" / "pods").iterdir())
    assert not list((tmp_path / "logs").iterdir())
    assert node.status().container_statuses[0].state.terminated is not None


async def test_a_pod_that_is_no_longer_listed_is_stopped(node: FakeNode) -> None:
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    node.pods.clear()
    await node.serve()
    await node.until(lambda: not node.runtime.containers and not node.network.attached)


async def test_a_pod_deleted_by_force_is_killed_after_a_moment(node: FakeNode) -> None:
    """Whatever grace it had been given: its name may be in use again."""
    node.runtime.ignores_sigterm.add("web")
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    began = node.clock.monotonic()
    await node.want(deleted(pod(), grace=60), revision="2")
    node.pods.clear()
    await node.serve()
    await node.until(lambda: not node.runtime.containers)
    assert node.clock.monotonic() - began < 5


async def test_a_name_that_is_no_image_is_said_so_and_the_pod_can_be_deleted(node: FakeNode) -> None:
    await node.want(pod(image="localhost/WRONG:1"))
    await node.start()
    await node.until(lambda: bool(node.reports()) and bool(node.status().container_statuses))
    await node.until(lambda: waits(node) == "InvalidImageName")
    await node.want(deleted(pod(image="localhost/WRONG:1")), revision="2")
    await node.until(lambda: node.reports()[-1].terminated)


def waits(node: FakeNode) -> str:
    state = node.status().container_statuses[0].state
    return state.waiting.reason if state.waiting else ""


async def test_a_restart_of_the_agent_restarts_no_pod(node: FakeNode) -> None:
    await node.want(pod(readiness_probe=core.Probe(exec=core.ExecAction(command=("true",)), initial_delay_seconds=20)))
    await node.start()
    await node.until(node.ready)
    before = dict(node.runtime.containers)
    await node.stop()
    seen = len(node.reports())
    await node.start()
    await node.until(lambda: len(node.reports()) > seen)
    await node.pass_time(15)
    assert node.runtime.containers == before
    assert all(any(c.type == "Ready" and c.status == "True" for c in report.status.conditions)
               for report in node.reports()[seen:])


async def test_a_crashing_container_backs_off(node: FakeNode) -> None:
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    node.runtime.exit("web", 1)
    await node.until(lambda: node.runtime.by_name("web").attempt == 1)
    node.runtime.exit("web", 1)
    await node.until(lambda: node.status().container_statuses[0].state.waiting is not None)
    status = node.status().container_statuses[0]
    assert status.state.waiting is not None
    assert status.state.waiting.reason == "CrashLoopBackOff"
    assert status.state.waiting.message == "back-off 10s restarting failed container=web pod=web_default(uid-1)"
    assert status.last_state.terminated is not None
    assert status.restart_count == 1
    began = node.clock.monotonic()
    await node.until(lambda: node.runtime.by_name("web").attempt == 2)
    assert 9 <= node.clock.monotonic() - began <= 11


@pytest.mark.parametrize(("policy", "code", "phase"), [("Never", 0, "Succeeded"), ("Never", 3, "Failed"),
                                                       ("OnFailure", 0, "Succeeded")])
async def test_a_finished_pod_gives_its_address_back_and_keeps_its_container(node: FakeNode, policy: str, code: int,
                                                                             phase: str) -> None:
    await node.want(pod(policy=policy))
    await node.start()
    await node.until(node.ready)
    node.runtime.exit("web", code)
    await node.until(lambda: node.status().phase == phase and not node.network.attached)
    terminated = node.status().container_statuses[0].state.terminated
    assert terminated is not None
    assert terminated.reason == ("Completed" if code == 0 else "Error")
    assert len(node.runtime.containers) == 1


async def test_init_containers_run_first_and_in_order(node: FakeNode) -> None:
    made = [core.Container(name=name, image="busybox:1", image_pull_policy="IfNotPresent")
            for name in ("a", "b", "web")]
    await node.want(pod(spec=core.PodSpec(init_containers=tuple(made[:2]), containers=(made[2],),
                                          restart_policy="Always")))
    await node.start()
    await node.until(lambda: len(node.runtime.containers) == 1)
    assert node.status().phase in ("", "Pending")
    node.runtime.exit("a")
    await node.until(lambda: len(node.runtime.containers) == 2)
    node.runtime.exit("b")
    await node.until(node.ready)
    assert [call for call in node.runtime.calls if call.startswith("start")] == ["start a", "start b", "start web"]


async def test_a_missing_image_is_reported_and_pulled_once_it_is_there(node: FakeNode) -> None:
    await node.want(pod(image="app:2"))
    await node.start()
    await node.until(lambda: bool(node.status().container_statuses)
                     and (waiting := node.status().container_statuses[0].state.waiting) is not None
                     and waiting.reason == "ImagePullBackOff")
    node.runtime.registry["app:2"] = Image(id="sha256:a2", names=("app:2",), size_bytes=7)
    await node.until(node.ready)
    reasons = [reason for reason, _ in node.events()]
    assert reasons[:4] == ["Pulling", "Failed", "Failed", "BackOff"]
    assert 'Failed to pull image "app:2": app:2: not found' in [message for _, message in node.events()]


async def test_a_slow_pull_delays_no_other_pod_and_no_deletion(node: FakeNode) -> None:
    node.runtime.pulling.clear()
    await node.want(pod(name="slow", uid="uid-2", image="app:2"))
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    await node.want(deleted(pod(name="slow", uid="uid-2", image="app:2")), revision="2")
    await node.until(lambda: bool(node.reports("uid-2")) and node.reports("uid-2")[-1].terminated)


async def test_a_failing_liveness_probe_restarts_the_container(node: FakeNode) -> None:
    node.runtime.commands = lambda name, command: ExecResult(1, b"broken")
    probe = core.Probe(exec=core.ExecAction(command=("check",)), period_seconds=1, failure_threshold=2)
    await node.want(pod(liveness_probe=probe))
    await node.start()
    await node.until(lambda: bool(node.runtime.containers) and node.runtime.by_name("web").attempt == 1)
    assert ("Unhealthy", "Liveness probe failed: broken") in node.events()
    assert ("Killing", "Container web failed liveness probe, will be restarted") in node.events()


async def test_readiness_follows_its_probe(node: FakeNode) -> None:
    answer = {"code": 1}
    node.runtime.commands = lambda name, command: ExecResult(answer["code"], b"not yet")
    await node.want(pod(readiness_probe=core.Probe(exec=core.ExecAction(command=("check",)), period_seconds=1)))
    await node.start()
    await node.until(lambda: ("Unhealthy", "Readiness probe failed: not yet") in node.events())
    assert not node.ready()
    answer["code"] = 0
    await node.until(node.ready)
    answer["code"] = 1
    await node.until(lambda: not node.ready())
    assert node.runtime.by_name("web").attempt == 0


async def test_a_new_image_restarts_the_container_in_place(node: FakeNode) -> None:
    node.runtime.local["busybox:2"] = Image(id="sha256:b2", names=("busybox:2",))
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    await node.want(pod(image="busybox:2"), revision="2")
    await node.until(lambda: node.runtime.by_name("web").image == "busybox:2" and node.ready())
    assert node.runtime.by_name("web").attempt == 1


async def test_a_missing_config_map_holds_the_container_back_until_it_comes(node: FakeNode) -> None:
    source = core.EnvVarSource(config_map_key_ref=core.ConfigMapKeySelector(name="conf", key="k"))
    made = pod(env=(core.EnvVar(name="K", value_from=source),))
    await node.want(made)
    await node.start()
    await node.until(lambda: bool(node.status().container_statuses)
                     and (waiting := node.status().container_statuses[0].state.waiting) is not None
                     and waiting.reason == "CreateContainerConfigError")
    await node.want(made, revision="2", config_maps={"conf": core.ConfigMap(data={"k": "v"})})
    await node.until(node.ready)
    assert ("K", "v") in node.runtime.specs[node.runtime.by_name("web").id].env


async def test_after_a_reboot_without_a_master_the_pods_run_again(node: FakeNode) -> None:
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    await node.pass_time(3)
    await node.stop()
    node.broker.away()
    node.runtime.reboot()
    node.network.reboot()
    began = node.clock.monotonic()
    await node.start()
    await node.until(lambda: node.runtime.by_name("web").state is State.RUNNING)
    assert node.clock.monotonic() - began < 10
    assert node.network.attached["uid-1"].address == "10.244.1.2"
    node.broker.back()
    await node.serve()
    await node.until(lambda: node.status().container_statuses[0].restart_count == 1)


async def test_the_engine_going_away_is_the_nodes_problem_and_passes(node: FakeNode) -> None:
    await node.want(pod())
    node.runtime.go_away()
    await node.start()
    await node.pass_time(15)
    assert not node.runtime.containers
    node.runtime.away = False
    await node.until(node.ready)
