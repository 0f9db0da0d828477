"""ReplicaSets: the number of pods, adoption, whom to delete, and what is refused."""

from __future__ import annotations

import msgspec

from edge.api import apps, core, errors
from edge.controllers import interface, plan, pods, replicaset
from edge.controllers.settings import Settings
from tests import builders
from tests.fakes.world import World, start

CONTROLLER = replicaset.controller(Settings())
KEY = interface.Key(apps.ReplicaSet, "default", "web")


def test_it_creates_adopts_and_releases() -> None:
    rs = builders.replica_set(replicas=2)
    stray = builders.pod("stray", labels={"app": "web"})
    lost = builders.pod("lost", labels={"app": "other"}, owner=rs)
    world = World(rs, stray, lost)
    world.settle((CONTROLLER, KEY))
    owned = {pod.metadata.name for pod in world.all(core.Pod) if pods.controller_of(pod)}
    assert len(owned) == 2
    assert "stray" in owned
    assert "lost" not in owned
    assert world.events == ["SuccessfulCreate"]


def test_terminating_and_finished_pods_do_not_count() -> None:
    rs = builders.replica_set(replicas=2)
    labels = {"app": "web"}
    world = World(rs, builders.pod("a", node="n", labels=labels, owner=rs, deleted=True),
                  builders.pod("b", node="n", labels=labels, owner=rs, phase="Failed"))
    assert sum(isinstance(a, plan.Create) for a in world.run(CONTROLLER, KEY).actions) == 2


def test_the_least_useful_pods_go_first() -> None:
    rs = builders.replica_set(replicas=1)
    labels = {"app": "web"}
    world = World(
        rs, builders.pod("old", node="n", ready=True, labels=labels, owner=rs, created="2029-01-01T00:00:00Z"),
        builders.pod("young", node="m", ready=True, labels=labels, owner=rs),
        builders.pod("starting", node="o", labels=labels, owner=rs),
        builders.pod("unassigned", labels=labels, owner=rs))
    deleted = [a.name for a in world.run(CONTROLLER, KEY).actions if isinstance(a, plan.Delete)]
    assert deleted == ["unassigned", "starting", "young"]


def test_of_equal_pods_one_on_the_fullest_node_goes() -> None:
    rs = builders.replica_set(replicas=2)
    world = World(rs, *(builders.pod(name, node=node, ready=True, labels={"app": "web"}, owner=rs)
                        for name, node in (("a", "x"), ("b", "y"), ("c", "y"))))
    (deleted,) = [a.name for a in world.run(CONTROLLER, KEY).actions if isinstance(a, plan.Delete)]
    assert deleted in ("b", "c")


def test_a_refused_pod_is_told_in_an_event_and_a_condition() -> None:
    world = World(builders.replica_set(replicas=1))
    (create,) = [a for a in world.run(CONTROLLER, KEY, cut=0).actions if isinstance(a, plan.Create)]
    assert create.failed is not None
    for action in create.failed(errors.Forbidden("exceeded quota")):
        world.apply(action)
    rs = world.get(apps.ReplicaSet, "web", "default")
    assert rs is not None
    assert [(c.type, c.reason, c.message) for c in rs.status.conditions] == [
        ("ReplicaFailure", "FailedCreate", "exceeded quota")]
    assert world.events == ["FailedCreate"]
    world.settle((CONTROLLER, KEY))
    rs = world.get(apps.ReplicaSet, "web", "default")
    assert rs is not None
    assert rs.status.conditions == ()


def test_available_only_after_min_ready_seconds() -> None:
    rs = builders.replica_set(replicas=1)
    world = World(msgspec.structs.replace(rs, spec=msgspec.structs.replace(rs.spec, min_ready_seconds=10)))
    world.settle((CONTROLLER, KEY))
    start(world, world.all(core.Pod)[0])
    made = world.run(CONTROLLER, KEY)
    assert made.requeue_after_seconds is not None
    assert 9 < made.requeue_after_seconds < 11
    world.tick(10.5)
    world.run(CONTROLLER, KEY)
    state = world.all(apps.ReplicaSet)[0].status
    assert (state.ready_replicas, state.available_replicas) == (1, 1)


def test_one_that_is_deleted_or_gone_creates_nothing() -> None:
    rs = builders.replica_set()
    gone = msgspec.structs.replace(rs, metadata=msgspec.structs.replace(
        rs.metadata, deletion_timestamp=builders.STAMP, finalizers=("orphan",)))
    assert not [a for a in World(gone).run(CONTROLLER, KEY).actions if isinstance(a, plan.Create)]
    assert World().run(CONTROLLER, KEY) == plan.Plan()


def test_a_selector_that_is_missing_selects_nothing() -> None:
    rs = builders.replica_set(replicas=0)
    bare = msgspec.structs.replace(rs, spec=msgspec.structs.replace(rs.spec, selector=None))
    world = World(bare, builders.pod("stray", labels={"app": "web"}))
    assert not [a for a in world.run(CONTROLLER, KEY).actions if isinstance(a, plan.Patch)]
