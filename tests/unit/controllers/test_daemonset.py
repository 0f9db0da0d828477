"""DaemonSets: which nodes, rolling updates, revisions."""

from __future__ import annotations

import msgspec

from edge.api import apps, core, placement
from edge.controllers import daemonset, daemonset_revisions, interface, plan
from edge.controllers.settings import Settings
from tests import builders
from tests.fakes.world import World, finish, start

CONTROLLER = daemonset.controller(Settings())
KEY = interface.Key(apps.DaemonSet, "default", "agent")
MASTER = core.Taint(key="node-role.kubernetes.io/master", effect="NoSchedule")


def settle(world: World) -> None:
    for _ in range(60):
        acted = world.run(CONTROLLER, KEY).actions
        waiting = [pod for pod in world.all(core.Pod) if pod.status.phase != "Running"]
        for pod in waiting:
            start(world, pod, node=placement.only_node(pod.spec))
        if not acted and not waiting and not finish(world):
            return
    raise AssertionError("no rest")


def change(world: World, **fields: object) -> None:
    now = current(world)
    world.put(msgspec.structs.replace(now, spec=msgspec.structs.replace(now.spec, **fields)))


def current(world: World) -> apps.DaemonSet:
    found = world.get(apps.DaemonSet, "agent", "default")
    assert found is not None
    return found


def places(world: World) -> list[tuple[str, str]]:
    return sorted((pod.spec.node_name, pod.spec.containers[0].image) for pod in world.all(core.Pod))


def test_one_pod_on_each_node_that_fits() -> None:
    tainted = builders.node("node-0", taints=(MASTER,))
    sick = builders.node("node-3", unschedulable=True, taints=(
        core.Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule"),
        core.Taint(key="node.kubernetes.io/unreachable", effect="NoExecute")))
    world = World(builders.daemon_set(), tainted, builders.node("node-1"), builders.node("node-2"), sick)
    settle(world)
    assert [node for node, _ in places(world)] == ["node-1", "node-2", "node-3"]
    state = current(world).status
    assert (state.desired_number_scheduled, state.number_available, state.updated_number_scheduled) == (3, 3, 3)
    assert (state.number_misscheduled, state.observed_generation) == (0, current(world).metadata.generation)


def test_a_selector_that_changes_moves_the_pods() -> None:
    world = World(builders.daemon_set(), builders.node("node-1", labels={"disk": "ssd"}), builders.node("node-2"))
    settle(world)
    template = current(world).spec.template
    narrowed = msgspec.structs.replace(template, spec=msgspec.structs.replace(
        template.spec, node_selector={"disk": "ssd"}))
    change(world, template=narrowed)
    settle(world)
    assert [node for node, _ in places(world)] == ["node-1"]


def test_a_rolling_update_takes_down_one_node_at_a_time() -> None:
    world = World(builders.daemon_set(), *(builders.node(f"node-{n}") for n in range(3)))
    settle(world)
    change(world, template=builders.template("agent:2", "agent"))
    deleted = [a for a in world.run(CONTROLLER, KEY).actions if isinstance(a, plan.Delete)]
    assert len(deleted) == 1
    assert not [a for a in world.run(CONTROLLER, KEY).actions if isinstance(a, plan.Delete | plan.Create)]
    settle(world)
    assert {image for _, image in places(world)} == {"agent:2"}


def test_history_and_the_way_back() -> None:
    world = World(builders.daemon_set(), builders.node("node-1"))
    settle(world)
    change(world, template=builders.template("agent:2", "agent"))
    settle(world)
    first, second = sorted(world.all(apps.ControllerRevision), key=lambda r: r.revision)
    assert (first.revision, second.revision) == (1, 2)
    assert first.data is not None
    assert first.data["spec"]["template"]["$patch"] == "replace"
    assert daemonset_revisions.template_of(first) == builders.daemon_set().spec.template
    change(world, template=builders.daemon_set().spec.template)
    settle(world)
    assert sorted(r.revision for r in world.all(apps.ControllerRevision)) == [2, 3]
    assert places(world) == [("node-1", "agent:1")]


def test_on_delete_waits_for_somebody_to_delete() -> None:
    world = World(builders.daemon_set(), builders.node("node-1"))
    settle(world)
    change(world, update_strategy=apps.DaemonSetUpdateStrategy(type="OnDelete"),
           template=builders.template("agent:2", "agent"))
    settle(world)
    assert places(world) == [("node-1", "agent:1")]
    world.remove(world.all(core.Pod)[0])
    settle(world)
    assert places(world) == [("node-1", "agent:2")]


def test_a_failed_pod_is_replaced() -> None:
    world = World(builders.daemon_set(), builders.node("node-1"))
    settle(world)
    (pod,) = world.all(core.Pod)
    world.put(msgspec.structs.replace(pod, status=core.PodStatus(phase="Failed")))
    settle(world)
    (new,) = world.all(core.Pod)
    assert new.metadata.uid != pod.metadata.uid
    assert "FailedDaemonPod" in world.events
