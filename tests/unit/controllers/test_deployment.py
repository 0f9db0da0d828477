"""Deployments: rollout, rollback, scaling, pausing, conditions."""

from __future__ import annotations

import msgspec
import pytest

from edge.api import apps, core, meta
from edge.controllers import deployment, interface, replicaset, revisions, rollout
from edge.controllers.settings import Settings
from tests import builders
from tests.fakes.world import World, finish, start

DEPLOYMENT = deployment.controller(Settings())
REPLICA_SET = replicaset.controller(Settings())
KEY = interface.Key(apps.Deployment, "default", "web")


def settle(world: World, *, ready: bool = True) -> None:
    """Let controllers and nodes work until nothing changes."""
    for _ in range(60):
        runs = [(DEPLOYMENT, KEY), *((REPLICA_SET, interface.key_of(rs)) for rs in world.all(apps.ReplicaSet))]
        acted = [world.run(controller, key).actions for controller, key in runs]
        waiting = [pod for pod in world.all(core.Pod) if pod.status.phase != "Running"]
        for pod in waiting:
            start(world, pod, ready=ready)
        if not any(acted) and not waiting and not finish(world):
            return
    raise AssertionError("no rest")


def change(world: World, **fields: object) -> None:
    now = current(world)
    world.put(msgspec.structs.replace(now, spec=msgspec.structs.replace(now.spec, **fields)))


def current(world: World) -> apps.Deployment:
    found = world.get(apps.Deployment, "web", "default")
    assert found is not None
    return found


def sizes(world: World) -> dict[str, int | None]:
    return {rs.spec.template.spec.containers[0].image: rs.spec.replicas for rs in world.all(apps.ReplicaSet)}


def condition(world: World, name: str) -> tuple[str, str]:
    found = next(c for c in current(world).status.conditions if c.type == name)
    return found.status, found.reason


def test_a_new_deployment_becomes_complete() -> None:
    world = World(builders.deployment())
    settle(world)
    (rs,) = world.all(apps.ReplicaSet)
    digest = rs.metadata.labels[revisions.HASH_LABEL]
    assert rs.metadata.name == f"web-{digest}"
    assert set(digest) <= set("bcdfghjklmnpqrstvwxz2456789")
    assert rs.spec.selector
    assert rs.spec.selector.match_labels == {"app": "web", "pod-template-hash": digest}
    assert all(pod.metadata.labels[revisions.HASH_LABEL] == digest for pod in world.all(core.Pod))
    state = current(world).status
    assert (state.replicas, state.updated_replicas, state.ready_replicas, state.available_replicas) == (3, 3, 3, 3)
    assert (state.unavailable_replicas, state.observed_generation) == (0, current(world).metadata.generation)
    assert condition(world, "Available") == ("True", "MinimumReplicasAvailable")
    assert condition(world, "Progressing") == ("True", "NewReplicaSetAvailable")
    assert current(world).metadata.annotations[revisions.REVISION] == "1"
    assert "ScalingReplicaSet" in world.events


def test_a_new_image_rolls_out_and_the_old_one_comes_back_with_a_new_revision() -> None:
    world = World(builders.deployment())
    settle(world)
    change(world, template=builders.template("web:2"))
    settle(world)
    assert sizes(world) == {"web:1": 0, "web:2": 3}
    assert current(world).metadata.annotations[revisions.REVISION] == "2"
    change(world, template=builders.template("web:1"))
    settle(world)
    assert sizes(world) == {"web:1": 3, "web:2": 0}
    again = next(rs for rs in world.all(apps.ReplicaSet) if rs.spec.replicas)
    assert again.metadata.annotations[revisions.REVISION] == "3"
    assert again.metadata.annotations[revisions.REVISION_HISTORY] == "1"


def test_the_change_cause_goes_along_and_the_applied_configuration_does_not() -> None:
    first = builders.deployment()
    notes = {"kubernetes.io/change-cause": "first", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    world = World(msgspec.structs.replace(first, metadata=msgspec.structs.replace(first.metadata, annotations=notes)))
    settle(world)
    (rs,) = world.all(apps.ReplicaSet)
    assert rs.metadata.annotations["kubernetes.io/change-cause"] == "first"
    assert "kubectl.kubernetes.io/last-applied-configuration" not in rs.metadata.annotations


def test_recreate_stops_every_old_pod_first() -> None:
    world = World(builders.deployment(strategy="Recreate"))
    settle(world)
    change(world, template=builders.template("web:2"))
    for _ in range(10):
        world.run(DEPLOYMENT, KEY)
        for rs in world.all(apps.ReplicaSet):
            world.run(REPLICA_SET, interface.key_of(rs))
    assert sizes(world) == {"web:1": 0}, "terminating pods are still there"
    settle(world)
    assert sizes(world) == {"web:1": 0, "web:2": 3}


def test_a_paused_deployment_scales_but_does_not_roll_out() -> None:
    world = World(builders.deployment())
    settle(world)
    change(world, paused=True, template=builders.template("web:2"), replicas=5)
    settle(world)
    assert sizes(world) == {"web:1": 5}
    assert condition(world, "Progressing") == ("Unknown", "DeploymentPaused")
    change(world, paused=False)
    settle(world)
    assert sizes(world) == {"web:1": 0, "web:2": 5}


def test_a_rollout_that_does_not_move_is_reported_and_may_still_end_well() -> None:
    world = World(builders.deployment())
    settle(world)
    change(world, template=builders.template("web:broken"))
    settle(world, ready=False)
    assert sizes(world) == {"web:1": 3, "web:broken": 1}
    made = world.run(DEPLOYMENT, KEY)
    assert made.requeue_after_seconds is not None
    assert 0 < made.requeue_after_seconds <= 601
    world.tick(700)
    world.run(DEPLOYMENT, KEY)
    assert condition(world, "Progressing") == ("False", "ProgressDeadlineExceeded")
    assert condition(world, "Available") == ("True", "MinimumReplicasAvailable")
    change(world, template=builders.template("web:1"))
    settle(world)
    assert condition(world, "Progressing") == ("True", "NewReplicaSetAvailable")


def test_old_replica_sets_beyond_the_history_limit_go() -> None:
    world = World(builders.deployment(history=1))
    for number in range(2, 6):
        settle(world)
        change(world, template=builders.template(f"web:{number}"))
    settle(world)
    assert sizes(world) == {"web:4": 0, "web:5": 3}


def test_scaling_in_the_middle_of_a_rollout_is_proportional() -> None:
    sets = [rollout.Replicas("old", 8, 8, 8, "1", 13), rollout.Replicas("new", 5, 5, 5, "2", 13)]
    assert rollout.proportional(20, 5, sets) == {"old": 15, "new": 10}
    assert sum(rollout.proportional(5, 1, sets).values()) == 6


def test_scaling_to_zero_ends_everything() -> None:
    world = World(builders.deployment())
    settle(world)
    change(world, replicas=0)
    settle(world)
    assert world.all(core.Pod) == ()
    assert condition(world, "Available")[0] == "True"


@pytest.mark.parametrize(("value", "up", "number"), [
    (2, True, 2), ("25%", True, 3), ("25%", False, 2), ("0%", True, 0), ("3", True, 3), ("x%", True, 0), (-1, True, 0)])
def test_percentages(value: meta.IntOrString, up: bool, number: int) -> None:
    assert rollout.amount(value, 10, up=up) == number


def test_surge_and_unavailable_are_never_both_zero() -> None:
    assert rollout.limits(1, 0, 0) == (0, 1)
    assert rollout.limits(3, "25%", "25%") == (1, 0)


def test_a_name_that_is_taken_is_avoided() -> None:
    world = World(builders.deployment())
    digest = revisions.template_hash(builders.template())
    world.put(builders.replica_set(f"web-{digest}", 0))
    settle(world)
    assert current(world).status.collision_count == 1
    assert len(world.all(core.Pod)) == 3
