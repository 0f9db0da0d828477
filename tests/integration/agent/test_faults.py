"""An agent on fakes when things around it fail: the engine hangs, the disk is full, others interfere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.agent import main, node_watch
from edge.api import core, topology
from edge.bus import messages, topics
from edge.network.interface import NetworkFailure, RoutesFailure
from edge.runtime.containers import EngineAway, ExecResult, Image, State
from tests.fakes.node import CLUSTER, FakeNode, pod


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[FakeNode]:
    made = FakeNode(tmp_path)
    await made.serve()
    yield made
    await made.stop()


def beats(node: FakeNode) -> int:
    return sum(message.topic == topics.heartbeat("node-1") for message in node.broker.published)


def ready_message(node: FakeNode) -> str:
    """Return why the node was last reported not ready, empty when it is."""
    said = [messages.decode(messages.ReportedNode, message.payload) for message in node.broker.published
            if message.topic == topics.reported_node("node-1")]
    if not said:
        return "nothing reported"
    ready = said[-1].status.conditions[-1]
    return "" if ready.status == "True" else ready.message


async def test_a_hung_engine_stops_no_heartbeat(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    await node.start()
    await node.until(lambda: beats(node) >= 2)
    answers = asyncio.Event()

    async def hang() -> str:
        await answers.wait()
        return "podman://4.3.1"
    monkeypatch.setattr(node.runtime, "version", hang)
    seen = beats(node)
    await node.pass_time(60)
    assert beats(node) >= seen + 5
    answers.set()


async def test_a_gone_engine_is_the_nodes_problem_and_costs_few_calls(node: FakeNode) -> None:
    await node.start()
    await node.until(lambda: beats(node) > 0 and ready_message(node) == "")
    node.runtime.go_away()
    await node.until(lambda: "container runtime is down: the engine is away" in ready_message(node))
    before = len(node.runtime.calls)
    await node.pass_time(120)
    assert len(node.runtime.calls) - before < 60
    node.runtime.away = False
    await node.until(lambda: ready_message(node) == "")


async def test_an_engine_that_is_away_fails_no_probe(node: FakeNode) -> None:
    def command(name: str, argv: tuple[str, ...]) -> ExecResult:
        if away:
            raise EngineAway("no answer")
        return ExecResult(0, b"")
    away = False
    node.runtime.commands = command
    probe = core.Probe(exec=core.ExecAction(command=("true",)), period_seconds=1, failure_threshold=1)
    await node.want(pod(liveness_probe=probe, readiness_probe=probe))
    await node.start()
    await node.until(node.ready)
    away = True
    await node.pass_time(20)
    assert node.ready()
    assert node.runtime.by_name("web").attempt == 0


async def test_what_a_hung_engine_makes_late_is_removed(node: FakeNode) -> None:
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    spec = node.runtime.specs[node.runtime.by_name("web").id]
    await node.runtime.create(replace(spec, pod_uid="long-gone"))
    await node.until(lambda: {each.pod_uid for each in node.runtime.containers.values()} == {"uid-1"})


async def test_an_orphan_of_an_earlier_agent_leaves_nothing(node: FakeNode, tmp_path: Path) -> None:
    """Its pod was deleted by force while no agent ran."""
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    log = next((tmp_path / "logs").iterdir())
    await node.stop()
    (tmp_path / "logs/default_other_uid-2/web").mkdir(parents=True)
    node.pods.clear()
    await node.serve()
    await node.start()
    await node.until(lambda: not log.exists() and not (tmp_path / "logs/default_other_uid-2").exists())
    assert not node.runtime.containers
    assert not list((tmp_path / "data/pods").iterdir())


async def test_a_full_disk_is_said_and_the_pod_runs_when_there_is_room(node: FakeNode, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/pods").write_text("in the way")
    await node.want(pod())
    await node.start()
    await node.until(lambda: any(reason == "FailedMount" and "cannot write the pod's volumes" in text
                                 for reason, text in node.events()))
    (tmp_path / "data/pods").unlink()
    await node.until(node.ready)


async def test_pods_get_the_nodes_name_servers_also_when_they_change(node: FakeNode, tmp_path: Path,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    resolv_conf = tmp_path / "resolv.conf"
    monkeypatch.setattr(node_watch, "RESOLV_CONF", str(resolv_conf))
    spec = core.PodSpec(containers=pod().spec.containers, dns_policy="Default", restart_policy="Always")
    await node.want(pod(spec=spec))
    await node.start()
    await node.until(node.ready)
    inside = tmp_path / "data/pods/uid-1/etc/resolv.conf"
    assert "nameserver" not in inside.read_text()
    resolv_conf.write_text("nameserver 10.0.0.1\n")
    await node.until(lambda: inside.read_text() == "nameserver 10.0.0.1\n")
    assert node.runtime.by_name("web").attempt == 0


async def test_an_image_that_was_loaded_ends_the_wait_for_it(node: FakeNode) -> None:
    await node.want(pod(image="app:2"))
    await node.start()
    await node.until(lambda: bool(node.status().container_statuses)
                     and (waiting := node.status().container_statuses[0].state.waiting) is not None
                     and waiting.reason == "ImagePullBackOff")
    await node.pass_time(100)
    node.runtime.local["app:2"] = Image(id="sha256:a2", names=("app:2",))
    began = node.clock.monotonic()
    node.agent.images_changed()
    await node.until(node.ready)
    assert node.clock.monotonic() - began < 3


async def test_the_network_is_put_back_when_others_took_it_away(node: FakeNode) -> None:
    await node.start()
    await node.until(lambda: node.network.links is not None and bool(node.network.ruleset))
    links, rules = node.network.links, node.network.ruleset
    node.network.links, node.network.ruleset = None, ""
    await node.until(lambda: (node.network.links, node.network.ruleset) == (links, rules), 90)


async def test_a_network_that_refuses_is_the_nodes_problem(node: FakeNode) -> None:
    node.network.fail = lambda call: NetworkFailure("no nft here") if call == "ruleset" else None
    await node.start()
    await node.until(lambda: beats(node) > 0 and "network is not ready: no nft here" in ready_message(node))
    node.network.fail = lambda call: None
    await node.until(lambda: ready_message(node) == "")


async def test_pods_start_though_no_other_node_can_be_reached(node: FakeNode) -> None:
    node.network.fail = lambda call: RoutesFailure("no way to node-2") if call == "links" else None
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    await node.until(lambda: "no way to node-2" in ready_message(node))
    node.network.fail = lambda call: None
    await node.until(lambda: ready_message(node) == "")


async def test_one_change_wakes_one_pod(node: FakeNode) -> None:
    for number in range(5):
        await node.want(pod(name=f"p{number}", uid=f"uid-{number}"))
    await node.start()
    await node.until(lambda: all(node.ready(f"uid-{number}") for number in range(5)))
    rounds: list[str] = []
    for uid, worker in node.agent.pods._workers.items():
        worker.wake = lambda uid=uid: rounds.append(uid)  # type: ignore[method-assign,misc]
    await node.want(pod(name="p0", uid="uid-0"), revision="2")
    await node.pass_time(2)
    assert set(rounds) == {"uid-0"}


async def test_hostile_messages_change_nothing(node: FakeNode) -> None:
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    bad = topology.Cluster(dns_address="not an address", nodes=CLUSTER.nodes)
    sender = node.broker.bus()
    await sender.start()
    for topic, payload in ((topics.desired_index("node-1"), b"{" * 100_000), (topics.desired_index("node-1"), b""),
                           (topics.desired_pod("node-1", ".."), b"{}"), (topics.desired_index("node-2"), b"{}"),
                           (topics.CLUSTER_NODES, messages.encode(messages.ClusterMessage(cluster=bad))),
                           (topics.service("d", "s"), b"\xff" * 1000)):
        await sender.publish(topic, payload)
    await node.pass_time(5)
    assert node.ready()
    assert [each.state for each in node.runtime.containers.values()] == [State.RUNNING]


def test_a_second_agent_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with main.only_one(tmp_path), pytest.raises(OSError, match=r"another agent \(process \d+\) uses"):
        main.only_one(tmp_path)
    main.only_one(tmp_path).close()
