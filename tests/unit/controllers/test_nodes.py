"""Nodes that fall silent, their taints, and the pods on them."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from edge.api import coordination, core, meta, times
from edge.controllers import interface, node_lifecycle, plan, pod_gc, pods, taint_eviction
from edge.controllers.settings import Settings
from tests import builders
from tests.fakes.world import World

LIFECYCLE = node_lifecycle.controller(Settings())
EVICTION = taint_eviction.controller(Settings())
KEY = interface.Key(core.Node, "", "node-1")
POD = interface.Key(core.Pod, "default", "web")
WAIT = core.Toleration(key="node.kubernetes.io/unreachable", operator="Exists", effect="NoExecute",
                       toleration_seconds=10)


def beat(world: World, name: str = "node-1") -> None:
    world.put(coordination.Lease(metadata=builders.object_meta(name, "kube-node-lease"), spec=coordination.LeaseSpec(
        renew_time=times.render_micro(world.now))))


def taints(world: World) -> list[tuple[str, str]]:
    node = world.get(core.Node, "node-1")
    assert node is not None
    return [(t.key.removeprefix("node.kubernetes.io/"), t.effect) for t in node.spec.taints]


def rack(*more: core.Pod) -> World:
    spec = core.PodSpec(containers=(builders.container(),), tolerations=(WAIT,))
    world = World(builders.node("node-1"), builders.node("node-2"),
                  builders.pod("web", node="node-1", ready=True, spec=spec), *more)
    beat(world)
    world.settle((LIFECYCLE, KEY))
    return world


def test_after_the_servers_own_start_nodes_get_time_to_be_heard() -> None:
    world = rack()
    world.tick(600)
    began = world.now
    started = node_lifecycle.controller(Settings(listening_since=lambda: began, node_startup_grace_seconds=30))
    world.tick(29)
    made = world.run(started, KEY)
    assert made.actions == ()
    assert made.requeue_after_seconds is not None
    assert 1 < made.requeue_after_seconds < 1.2
    world.tick(1.5)
    world.settle((started, KEY))
    assert ("unreachable", "NoSchedule") in taints(world)


def test_a_silent_node_is_unknown_and_tainted_and_its_pods_are_not_ready() -> None:
    world = rack()
    assert taints(world) == []
    world.tick(11)
    beat(world, "node-2")
    made = world.run(LIFECYCLE, KEY)
    assert made.actions == ()
    assert made.requeue_after_seconds is not None
    assert 1 < made.requeue_after_seconds < 1.2
    world.tick(1.5)
    world.settle((LIFECYCLE, KEY))
    assert taints(world) == [("unreachable", "NoSchedule"), ("unreachable", "NoExecute")]
    node, pod = world.get(core.Node, "node-1"), world.get(core.Pod, "web", "default")
    assert node is not None
    assert pod is not None
    assert [(c.type, c.status, c.reason) for c in node.status.conditions] == [("Ready", "Unknown", "NodeStatusUnknown")]
    assert not pods.is_ready(pod)
    assert "NodeNotReady" in world.events


def test_pods_are_evicted_after_their_toleration_and_stay_until_the_node_is_back() -> None:
    world = rack()
    world.tick(13)
    beat(world, "node-2")
    world.settle((LIFECYCLE, KEY))
    made = world.run(EVICTION, POD)
    assert made.actions == ()
    assert made.requeue_after_seconds is not None
    assert 9 < made.requeue_after_seconds < 11
    world.tick(10.5)
    world.run(EVICTION, POD)
    pod = world.get(core.Pod, "web", "default")
    assert pod is not None
    assert pod.metadata.deletion_timestamp is not None
    assert world.run(EVICTION, POD).actions == ()
    assert "TaintManagerEviction" in world.events


def test_a_node_that_returns_loses_its_taints_and_its_pods_are_ready_again() -> None:
    world = rack()
    world.tick(13)
    beat(world, "node-2")
    world.settle((LIFECYCLE, KEY))
    beat(world)
    node = world.get(core.Node, "node-1")
    assert node is not None
    world.put(msgspec.structs.replace(node, status=builders.node("node-1").status))
    world.settle((LIFECYCLE, KEY))
    assert taints(world) == []
    pod = world.get(core.Pod, "web", "default")
    assert pod is not None
    assert pods.is_ready(pod)
    assert world.run(EVICTION, POD) == plan.Plan()


def test_nothing_is_evicted_when_all_nodes_fall_silent_at_once() -> None:
    world = rack()
    beat(world, "node-2")
    world.tick(3600)
    world.settle((LIFECYCLE, KEY))
    assert taints(world) == [("unreachable", "NoSchedule")]


def test_a_clock_that_was_set_back_does_not_matter() -> None:
    world = rack()
    world.now -= timedelta(hours=5)
    assert world.run(LIFECYCLE, KEY).actions == ()


def test_cordon_and_pressure_are_taints_and_others_taints_stay() -> None:
    node = builders.node("node-1", unschedulable=True, taints=(core.Taint(key="mine", effect="NoSchedule"),))
    sick = msgspec.structs.replace(node, status=msgspec.structs.replace(node.status, conditions=(
        *node.status.conditions, core_condition("DiskPressure"))))
    world = World(sick)
    beat(world)
    world.settle((LIFECYCLE, KEY))
    assert taints(world) == [("mine", "NoSchedule"), ("disk-pressure", "NoSchedule"), ("unschedulable", "NoSchedule")]


def core_condition(name: str) -> meta.Condition:
    return meta.Condition(type=name, status="True")


def test_tolerations_decide_how_long_a_pod_may_stay() -> None:
    taint = core.Taint(key="node.kubernetes.io/unreachable", effect="NoExecute", time_added=builders.STAMP)
    always = core.Toleration(operator="Exists")
    assert taint_eviction.seconds_left((taint,), (), builders.NOW) == 0
    assert taint_eviction.seconds_left((taint,), (always,), builders.NOW) is None
    assert taint_eviction.seconds_left((taint,), (WAIT, always), builders.NOW) is None
    assert taint_eviction.seconds_left((taint,), (WAIT,), builders.NOW + timedelta(seconds=4)) == 6
    assert taint_eviction.seconds_left((), (), builders.NOW) is None


def test_a_node_that_fell_silent_before_the_server_started_keeps_its_pods_while_it_may_be_heard() -> None:
    world = rack()
    world.tick(13)
    beat(world, "node-2")
    world.settle((LIFECYCLE, KEY))
    assert ("unreachable", "NoExecute") in taints(world)
    world.tick(600)
    began = world.now
    eviction = taint_eviction.controller(Settings(listening_since=lambda: began, node_startup_grace_seconds=30))
    world.tick(29)
    made = world.run(eviction, POD)
    assert made.actions == ()
    assert made.requeue_after_seconds is not None
    assert 1 < made.requeue_after_seconds < 1.2
    world.tick(1.5)
    assert world.run(eviction, POD).actions


def test_pods_of_a_node_that_is_gone_are_collected_and_old_finished_ones_too() -> None:
    controller = pod_gc.controller(Settings(terminated_pod_threshold=1))
    world = World(builders.pod("web", node="node-9", ready=True),
                  *(builders.pod(f"done-{n}", node="node-1", phase="Succeeded", created=f"2029-01-0{n}T00:00:00Z")
                    for n in (1, 2, 3)))
    (collect,) = world.run(controller, POD).actions
    assert isinstance(collect, plan.Collect)
    assert collect.grace_period_seconds == 0
    world.run(controller, pod_gc.FINISHED)
    assert [p.metadata.name for p in world.all(core.Pod)] == ["done-3"]
