"""An agent on fakes: sidecars, ephemeral containers, shared processes, hooks, and pods that were over before."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from edge.agent import execute_shared
from edge.api import core, meta
from edge.runtime.containers import EngineAway, ExecResult, Image, RuntimeFailure, State
from tests.fakes.node import FakeNode, pod

POD = "POD"


@pytest.fixture
async def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeNode]:
    # Namespaces and mounts need root and stay behind; what the agent decides about them is what matters here.
    monkeypatch.setattr(execute_shared, "_share_memory", lambda directory: (directory / "made").mkdir(parents=True))
    monkeypatch.setattr(execute_shared, "has_shared_memory", lambda directory: (Path(directory) / "made").exists())
    program = tmp_path / "catatonit"
    program.touch()
    monkeypatch.setattr(execute_shared, "PROGRAMS", (program,))
    made = FakeNode(tmp_path)
    await made.serve()
    yield made
    await made.stop()


def container(name: str, **more: object) -> core.Container:
    return core.Container(name=name, image="busybox:1", image_pull_policy="IfNotPresent", **more)  # type: ignore[arg-type]


def of(*app: core.Container, init: tuple[core.Container, ...] = (), policy: str = "Always", **more: object) -> core.Pod:
    spec = core.PodSpec(init_containers=init, containers=app, restart_policy=policy, node_name="node-1",
                        **{"termination_grace_period_seconds": 30, **more})  # type: ignore[arg-type]
    return pod(spec=spec)


def deleted(made: core.Pod, grace: int = 30) -> core.Pod:
    metadata = msgspec.structs.replace(made.metadata, deletion_timestamp="2030-01-01T00:00:00Z",
                                       deletion_grace_period_seconds=grace)
    return msgspec.structs.replace(made, metadata=metadata)


def debugged(made: core.Pod, **more: object) -> core.Pod:
    debugger = core.EphemeralContainer(**{"name": "debugger", "image": "busybox:1",  # type: ignore[arg-type]
                                          "image_pull_policy": "IfNotPresent", **more})
    return msgspec.structs.replace(made, spec=msgspec.structs.replace(made.spec, ephemeral_containers=(debugger,)))


def restarted(node: FakeNode, attempt: int) -> Callable[[], bool]:
    return lambda: node.runtime.by_name("web").attempt == attempt and node.ready()


def did(node: FakeNode, *words: str) -> list[str]:
    return [call for call in node.runtime.calls if call.split()[0] in words]


HOOK = core.LifecycleHandler(exec=core.ExecAction(command=("hook",)))
SIDE, LAST = container("side", restart_policy="Always"), container("last", restart_policy="Always")


async def test_sidecars_come_first_and_go_last_in_reverse_order(node: FakeNode) -> None:
    made = of(container("web"), init=(SIDE, container("prepare"), LAST))
    await node.want(made)
    await node.start()
    await node.until(lambda: "start prepare" in node.runtime.calls)
    node.runtime.exit("prepare")
    await node.until(node.ready)
    assert did(node, "start") == ["start side", "start prepare", "start last", "start web"]
    node.runtime.ignores_sigterm.add("web")
    began = node.clock.monotonic()
    await node.want(deleted(made, grace=10), revision="2")
    await node.until(lambda: node.reports()[-1].terminated)
    assert did(node, "kill") == ["kill web SIGTERM", "kill web SIGKILL", "kill last SIGTERM", "kill side SIGTERM"]
    assert 10 <= node.clock.monotonic() - began < 14
    assert node.status().phase == "Failed"


async def test_a_sidecar_comes_back_and_does_not_count_for_how_the_pod_ends(node: FakeNode) -> None:
    await node.want(of(container("web"), init=(SIDE,), policy="Never"))
    await node.start()
    await node.until(node.ready)
    node.runtime.exit("side", 1)
    await node.until(lambda: node.runtime.by_name("side").attempt == 1 and node.ready())
    node.runtime.exit("web", 0)
    await node.until(lambda: node.status().phase == "Succeeded" and not node.network.attached)
    assert node.runtime.by_name("side").state is State.EXITED
    assert node.runtime.by_name("side").exit_code == 143
    assert did(node, "start").count("start web") == 1


async def test_an_ephemeral_container_looks_into_a_running_one_and_runs_once(node: FakeNode) -> None:
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    await node.want(debugged(pod(), target_container_name="web"), revision="2")
    await node.until(lambda: any(each.state.running for each in node.status().ephemeral_container_statuses))
    debugger = node.runtime.by_name("debugger")
    target = node.runtime.by_name("web")
    assert node.runtime.specs[debugger.id].pid_namespace == f"/proc/{target.pid}/ns/pid"
    assert node.agent.pods.find("default", "web") is not None
    view = node.agent.pods.find("default", "web")
    assert view is not None
    assert view.containers["debugger"].running
    node.runtime.exit("debugger", 5)
    await node.until(lambda: node.status().ephemeral_container_statuses[0].state.terminated is not None)
    ended = node.status().ephemeral_container_statuses[0].state.terminated
    assert ended is not None
    assert ended.exit_code == 5
    await node.pass_time(30)
    assert did(node, "start") == ["start web", "start debugger"]
    assert node.status().phase == "Running"
    assert node.ready()
    # Its record is gone, and it stays over.
    await node.runtime.remove(debugger.id)
    await node.pass_time(30)
    assert did(node, "start") == ["start web", "start debugger"]


async def test_an_ephemeral_container_without_its_target_says_so(node: FakeNode) -> None:
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    await node.want(debugged(pod(), target_container_name="nobody"), revision="2")
    await node.until(lambda: ("Failed", "Error: unable to find target container nobody") in node.events())
    waiting = node.status().ephemeral_container_statuses[0].state.waiting
    assert waiting is not None
    assert waiting.reason == "CreateContainerConfigError"
    await node.want(deleted(debugged(pod(), target_container_name="nobody")), revision="3")
    await node.until(lambda: node.reports()[-1].terminated)


async def test_shared_processes_are_held_by_a_container_nobody_sees(node: FakeNode) -> None:
    made = of(container("web"), share_process_namespace=True)
    await node.want(made)
    await node.start()
    await node.until(node.ready)
    held = node.runtime.by_name(POD)
    assert node.runtime.specs[node.runtime.by_name("web").id].pid_namespace == f"/proc/{held.pid}/ns/pid"
    assert [each.name for each in node.status().container_statuses] == ["web"]
    view = node.agent.pods.find("default", "web")
    assert view is not None
    assert list(view.containers) == ["web"]
    # An agent that is started anew finds it again.
    await node.stop()
    await node.start()
    await node.pass_time(10)
    assert did(node, "create").count("create POD") == 1
    await node.want(deleted(made), revision="2")
    await node.until(lambda: node.reports()[-1].terminated)
    assert not node.runtime.containers


async def test_when_what_holds_the_processes_ends_the_pod_is_made_again(node: FakeNode) -> None:
    await node.want(of(container("web"), share_process_namespace=True))
    await node.start()
    await node.until(node.ready)
    node.runtime.exit(POD, 137)
    node.runtime.exit("web", 137)
    await node.until(lambda: node.runtime.by_name("web").attempt == 1 and node.ready())
    spec = node.runtime.specs[node.runtime.by_name("web").id]
    assert spec.pid_namespace == f"/proc/{node.runtime.by_name(POD).pid}/ns/pid"
    assert ("SandboxChanged", "Pod sandbox changed, it will be killed and re-created.") in node.events()


async def test_a_node_without_the_program_for_it_says_what_is_missing(node: FakeNode,
                                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute_shared, "PROGRAMS", ())
    await node.want(of(container("web"), share_process_namespace=True))
    await node.start()
    text = ("Failed to create pod sandbox: shareProcessNamespace needs the program catatonit: "
            "install the package catatonit")
    await node.until(lambda: ("FailedCreatePodSandBox", text) in node.events())
    assert not node.runtime.containers


async def test_a_post_start_hook_holds_the_next_container_and_readiness_back(node: FakeNode) -> None:
    answer = {"code": 1}
    node.runtime.commands = lambda name, command: ExecResult(answer["code"], b"secret")
    await node.want(of(container("proxy", lifecycle=core.Lifecycle(post_start=HOOK)), container("web")))
    await node.start()
    await node.until(lambda: ("FailedPostStartHook", "PostStartHook failed") in node.events())
    assert not [message for _, message in node.events() if "secret" in message]
    await node.until(lambda: "kill proxy SIGTERM" in node.runtime.calls)
    answer["code"] = 0
    await node.until(node.ready, seconds=120)
    starts = did(node, "start")
    assert starts.index("start web") > starts.index("start proxy")


async def test_the_grace_of_a_pod_is_made_shorter_by_a_second_deletion(node: FakeNode) -> None:
    node.runtime.ignores_sigterm.add("web")
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    began = node.clock.monotonic()
    await node.want(deleted(pod(), grace=600), revision="2")
    await node.until(lambda: "kill web SIGTERM" in node.runtime.calls)
    await node.pass_time(5)
    await node.want(deleted(pod(), grace=8), revision="3")
    await node.until(lambda: node.reports()[-1].terminated)
    assert 8 <= node.clock.monotonic() - began < 12


async def test_the_image_says_how_it_is_stopped(node: FakeNode) -> None:
    node.runtime.stop_signals["busybox:1"] = "SIGINT"
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    await node.want(deleted(pod()), revision="2")
    await node.until(lambda: node.reports()[-1].terminated)
    assert did(node, "kill") == ["kill web SIGINT"]


@pytest.mark.parametrize(("policy", "code", "phase"), [("Always", 0, "Succeeded"), ("Always", 143, "Failed"),
                                                       ("Never", 0, "Succeeded")])
async def test_a_deleted_pod_ends_in_a_final_phase(node: FakeNode, policy: str, code: int, phase: str) -> None:
    node.runtime.ignores_sigterm.add("web")
    await node.want(pod(policy=policy))
    await node.start()
    await node.until(node.ready)
    await node.want(deleted(pod(policy=policy)), revision="2")
    await node.until(lambda: "kill web SIGTERM" in node.runtime.calls)
    assert node.status().phase == "Running"
    node.runtime.exit("web", code)
    await node.until(lambda: node.reports()[-1].terminated)
    assert node.status().phase == phase


def over(made: core.Pod, phase: str, reason: str = "") -> core.Pod:
    return msgspec.structs.replace(made, status=core.PodStatus(phase=phase, reason=reason,
                                                               start_time="2029-01-01T00:00:00Z"))


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
async def test_a_node_that_was_made_anew_does_not_run_a_finished_pod_again(node: FakeNode, phase: str) -> None:
    await node.want(over(pod(policy="Never"), phase))
    await node.start()
    await node.pass_time(20)
    assert not node.runtime.containers
    assert not node.network.attached
    # What the server has is all there is to say of it.
    assert node.reports() == []
    await node.want(deleted(over(pod(policy="Never"), phase)), revision="2")
    await node.until(lambda: bool(node.reports()) and node.reports()[-1].terminated)


async def test_an_evicted_pod_stays_over_when_run_was_emptied_and_the_master_is_away(node: FakeNode) -> None:
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    node.agent.pods.fail("uid-1", "Evicted", "The node was low on resource: memory.", 0.0)
    await node.until(lambda: node.status().phase == "Failed")
    await node.want(over(pod(), "Failed", "Evicted"), revision="2")
    await node.pass_time(3)
    await node.stop()
    shutil.rmtree(node.directory / "run")
    node.broker.away()
    node.network.reboot()
    node.runtime.reboot()
    calls = len(node.runtime.calls)
    await node.start()
    await node.pass_time(30)
    assert not [call for call in node.runtime.calls[calls:] if call.startswith(("create", "start"))]


async def test_what_others_call_finished_is_stopped(node: FakeNode) -> None:
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    await node.want(over(pod(), "Failed", "NodeLost"), revision="2")
    await node.until(lambda: node.runtime.by_name("web").state is State.EXITED and not node.network.attached)
    assert (node.status().phase, node.status().reason) == ("Failed", "NodeLost")


async def test_a_readiness_gate_holds_the_pod_back_until_others_open_it(node: FakeNode) -> None:
    gated = of(container("web"), readiness_gates=(core.PodReadinessGate(condition_type="example/gate"),))
    await node.want(gated)
    await node.start()
    await node.until(lambda: node.runtime.by_name("web").state is State.RUNNING if node.runtime.containers else False)
    await node.pass_time(3)
    assert not node.ready()
    opened = msgspec.structs.replace(gated, status=core.PodStatus(conditions=(
        meta.Condition(type="example/gate", status="True"),)))
    await node.want(opened, revision="2")
    await node.until(node.ready)
    assert node.runtime.by_name("web").attempt == 0


async def test_the_back_off_is_forgotten_after_ten_minutes_and_by_another_image(node: FakeNode) -> None:
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    for attempt in (1, 2):
        node.runtime.exit("web", 1)
        await node.until(restarted(node, attempt))
    node.runtime.exit("web", 1)
    await node.until(lambda: node.status().container_statuses[0].state.waiting is not None)
    waiting = node.status().container_statuses[0].state.waiting
    assert waiting is not None
    assert waiting.message.startswith("back-off 20s ")
    node.runtime.local["busybox:2"] = Image(id="sha256:b2", names=("busybox:2",))
    began = node.clock.monotonic()
    await node.want(pod(image="busybox:2"), revision="2")
    await node.until(lambda: node.runtime.by_name("web").attempt == 3 and node.ready())
    assert node.clock.monotonic() - began < 5
    await node.pass_time(605)
    node.runtime.exit("web", 1)
    began = node.clock.monotonic()
    await node.until(lambda: node.runtime.by_name("web").attempt == 4)
    assert node.clock.monotonic() - began < 5


async def test_a_deadline_ends_a_pod_and_does_not_touch_one_that_has_succeeded(node: FakeNode) -> None:
    await node.want(of(container("web"), policy="Never", active_deadline_seconds=20))
    await node.start()
    await node.until(node.ready)
    node.runtime.exit("web", 0)
    await node.until(lambda: node.status().phase == "Succeeded")
    await node.pass_time(40)
    assert (node.status().phase, node.status().reason) == ("Succeeded", "")
    await node.want(pod(name="late", uid="uid-2", spec=of(container("late"), active_deadline_seconds=20).spec))
    await node.until(lambda: node.status("uid-2").phase == "Failed")
    assert node.status("uid-2").reason == "DeadlineExceeded"


async def test_an_engine_that_leaves_while_something_is_shared_is_asked_again(node: FakeNode) -> None:
    failures = [EngineAway("the engine is away"), RuntimeFailure("no space left on device")]
    node.runtime.fail = lambda call: failures.pop() if call == "create POD" and failures else None
    await node.want(of(container("web"), container("two"), share_process_namespace=True))
    await node.start()
    await node.until(node.ready)
    assert ("FailedCreatePodSandBox", "Failed to create pod sandbox: no space left on device") in node.events()
    specs = [node.runtime.specs[node.runtime.by_name(name).id] for name in ("web", "two")]
    assert len({spec.ipc_namespace for spec in specs}) == 1
