"""Disruption budgets: how many pods there should be, how many are healthy, and how long an eviction counts."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from edge.api import apps, codec, core, meta, times
from edge.api.disruption_budgets import PodDisruptionBudget, PodDisruptionBudgetSpec
from edge.api.statefulsets import StatefulSet, StatefulSetSpec
from edge.controllers import disruption, interface, plan
from edge.controllers.settings import Settings
from tests import builders
from tests.fakes.world import World

CONTROLLER = disruption.controller(Settings())
KEY = interface.Key(PodDisruptionBudget, "default", "pdb")
LABELS = {"app": "web"}


def budget(min_available: meta.IntOrString | None = None,
           max_unavailable: meta.IntOrString | None = None) -> PodDisruptionBudget:
    return PodDisruptionBudget(
        api_version="policy/v1", kind="PodDisruptionBudget", metadata=builders.object_meta("pdb"),
        spec=PodDisruptionBudgetSpec(min_available=min_available, max_unavailable=max_unavailable,
                                     selector=meta.LabelSelector(match_labels=LABELS)))


def pod(name: str, owner: meta.Object | None = None, *, ready: bool = True) -> core.Pod:
    return builders.pod(name, node="n", ready=ready, labels=LABELS, owner=owner, phase="Running")


def settled(world: World) -> PodDisruptionBudget:
    world.settle((CONTROLLER, KEY))
    found = world.get(PodDisruptionBudget, "pdb", "default")
    assert found is not None
    return found


def counts(world: World) -> tuple[int, int, int, int]:
    """Return expected, desired, healthy and allowed."""
    status = settled(world).status
    return status.expected_pods, status.desired_healthy, status.current_healthy, status.disruptions_allowed


def owned(replicas: int) -> tuple[apps.Deployment, apps.ReplicaSet]:
    deployment = builders.deployment(replicas=replicas)
    rs = builders.replica_set("web-1", replicas=1)
    return deployment, replace(rs, metadata=builders.object_meta("web-1", owner=deployment))


def test_a_number_counts_the_pods_there_are() -> None:
    world = World(budget(2), pod("a"), pod("b"), pod("c", ready=False), pod("d"))

    assert counts(world) == (4, 2, 3, 1)
    (condition,) = settled(world).status.conditions
    assert (condition.type, condition.status, condition.reason, condition.observed_generation) == (
        "DisruptionAllowed", "True", "SufficientPods", 1)
    assert codec.to_dict(condition)["message"] == ""  # clients look for it
    assert settled(world).status.observed_generation == 1
    assert world.events == []


def test_too_few_pods_allow_nothing() -> None:
    world = World(budget(2), pod("a"), pod("b"))

    assert counts(world) == (2, 2, 2, 0)
    (condition,) = settled(world).status.conditions
    assert (condition.status, condition.reason) == ("False", "InsufficientPods")


def test_pods_of_others_and_those_that_go_do_not_count() -> None:
    going = builders.pod("b", node="n", ready=True, labels=LABELS, deleted=True)
    elsewhere = builders.pod("c", "kube-system", node="n", ready=True, labels=LABELS)
    world = World(budget(0), pod("a"), going, elsewhere, builders.pod("d", node="n", ready=True))

    assert counts(world) == (2, 0, 1, 1)


@pytest.mark.parametrize(("limits", "expected"), [
    ({"max_unavailable": 1}, (4, 3, 3, 0)), ({"max_unavailable": "50%"}, (4, 2, 3, 1)),
    ({"min_available": "30%"}, (4, 2, 3, 1)), ({"max_unavailable": "30%"}, (4, 2, 3, 1)),
    ({"max_unavailable": 9}, (4, 0, 3, 3)), ({"min_available": "100%"}, (4, 4, 3, 0)), ({}, (0, 0, 3, 0))])
def test_shares_are_of_what_the_deployment_is_scaled_to(limits: dict[str, Any],
                                                        expected: tuple[int, int, int, int]) -> None:
    deployment, rs = owned(4)
    world = World(budget(**limits), deployment, rs, *(pod(name, rs) for name in "abc"))

    assert counts(world) == expected


def test_every_controller_counts_once() -> None:
    deployment, rs = owned(4)
    old = replace(rs, metadata=builders.object_meta("web-0", owner=deployment))
    alone = builders.replica_set("alone", replicas=2)
    db = StatefulSet(api_version="apps/v1", kind="StatefulSet", metadata=builders.object_meta("db"),
                     spec=StatefulSetSpec(replicas=3))
    world = World(budget(max_unavailable=1), deployment, rs, old, alone, db, pod("a", rs), pod("b", old),
                  pod("c", alone), pod("d", db), pod("e", db))

    assert counts(world) == (9, 8, 5, 0)


def test_a_controller_that_is_gone_leaves_nothing_allowed() -> None:
    deployment, rs = owned(4)
    world = World(budget(max_unavailable=1), deployment, rs, pod("a", rs))
    settled(world)
    world.remove(rs)

    status = settled(world).status
    (condition,) = status.conditions
    assert (status.disruptions_allowed, condition.status, condition.reason, condition.message) == (
        0, "False", "SyncFailed", 'found no controllers for pod "a"')
    assert world.events[-1] == "CalculateExpectedPodCountFailed"
    world.put(rs)
    assert settled(world).status.conditions[0].reason == "InsufficientPods"


def test_a_namesake_of_the_controller_is_another_one() -> None:
    rs = builders.replica_set("web-1", replicas=3)
    world = World(budget(max_unavailable=1), replace(rs, metadata=replace(rs.metadata, uid="new")), pod("a", rs))

    assert settled(world).status.conditions[0].reason == "SyncFailed"


def test_pods_without_a_controller_are_told_about() -> None:
    world = World(budget(max_unavailable=1), pod("a"))

    assert counts(world) == (0, 0, 1, 0)
    assert world.events == ["UnmanagedPods"]


def test_without_pods_nothing_is_allowed() -> None:
    world = World(budget(0))

    assert counts(world) == (0, 0, 0, 0)
    assert world.events == ["NoPods"]


def allowed_eviction(world: World, *names: str) -> None:
    current = settled(world)
    status = replace(current.status, disruptions_allowed=current.status.disruptions_allowed - len(names),
                     disrupted_pods=dict.fromkeys(names, times.render(world.now)))
    world.put(replace(current, status=status))


def test_an_allowed_eviction_counts_until_the_pod_goes() -> None:
    a, b, c = (pod(name) for name in "abc")
    world = World(budget(1), a, b, c)
    allowed_eviction(world, "a")
    assert counts(world) == (3, 1, 2, 1)
    assert settled(world).status.disrupted_pods == {"a": times.render(world.now)}

    world.put(replace(a, metadata=replace(a.metadata, deletion_timestamp=times.render(world.now))))
    assert settled(world).status.disrupted_pods == {}
    assert counts(world) == (3, 1, 2, 1)


def test_an_eviction_nothing_came_of_is_forgotten_after_two_minutes() -> None:
    world = World(budget(1), pod("a"), pod("b"))
    allowed_eviction(world, "a", "gone")
    waiting = world.run(CONTROLLER, KEY)
    assert waiting.requeue_after_seconds == pytest.approx(120.1)

    world.tick(121)
    assert counts(world) == (2, 1, 2, 1)
    assert settled(world).status.disrupted_pods == {}
    assert world.events == ["NotDeleted"]


def test_a_clock_that_was_set_back_does_not_hold_an_eviction_for_longer() -> None:
    world = World(budget(1), pod("a"), pod("b"))
    allowed_eviction(world, "a")
    world.tick(-86_400)

    assert world.run(CONTROLLER, KEY).requeue_after_seconds == pytest.approx(120.1)


def test_a_changed_budget_is_worked_out_anew() -> None:
    world = World(budget(1), pod("a"), pod("b"))
    current = settled(world)
    world.put(replace(current, spec=replace(current.spec, min_available=2)))

    assert counts(world) == (2, 2, 2, 0)
    assert settled(world).status.observed_generation == 2


def test_nothing_is_planned_for_a_budget_that_is_gone_or_as_it_should_be() -> None:
    world = World(budget(1), pod("a"))
    settled(world)

    assert world.run(CONTROLLER, KEY) == plan.Plan()
    assert CONTROLLER.reconcile(interface.Key(PodDisruptionBudget, "default", "none"), world, world.now) == plan.Plan()


def keys(obj: meta.Object, world: World) -> set[interface.Key]:
    return {key for source in CONTROLLER.sources if source.kind is type(obj) for key in source.keys(obj, world)}


def test_what_a_change_concerns() -> None:
    deployment, rs = owned(4)
    world = World(budget(1))

    assert keys(pod("a"), world) == {KEY}
    assert keys(builders.pod("other"), world) == set()
    assert keys(deployment, world) == keys(rs, world) == keys(budget(), world) == {KEY}


def test_a_mark_that_came_to_nothing_ends() -> None:
    marked = pod("a")
    condition = meta.Condition(type="DisruptionTarget", status="True", reason="EvictionByEvictionAPI",
                               last_transition_time=builders.STAMP)
    marked = replace(marked, status=replace(marked.status, conditions=(*marked.status.conditions, condition)))
    world = World(marked)
    key = interface.key_of(marked)
    assert keys(marked, world) == {key}
    assert world.run(CONTROLLER, key).requeue_after_seconds == pytest.approx(120.1)

    world.tick(121)
    world.settle((CONTROLLER, key))
    found = world.get(core.Pod, "a", "default")
    assert found is not None
    assert [each.status for each in found.status.conditions if each.type == "DisruptionTarget"] == ["False"]
    assert keys(found, world) == set()
