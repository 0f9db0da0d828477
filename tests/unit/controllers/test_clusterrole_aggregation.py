"""ClusterRoles that collect the rules of others."""

from __future__ import annotations

from edge.api import meta, rbac
from edge.controllers import clusterrole_aggregation, interface, plan
from edge.controllers.settings import Settings
from tests.fakes.world import World

CONTROLLER = clusterrole_aggregation.controller(Settings())
PODS = rbac.PolicyRule(verbs=("get",), api_groups=("",), resources=("pods",))
NODES = rbac.PolicyRule(verbs=("get",), api_groups=("",), resources=("nodes",))
TOP = interface.Key(rbac.ClusterRole, "", "top")


def role(name: str, *rules: rbac.PolicyRule, label: str = "", selects: str = "") -> rbac.ClusterRole:
    selector = (meta.LabelSelector(match_labels={selects: "true"}),)
    return rbac.ClusterRole(
        metadata=meta.ObjectMeta(name=name, labels={label: "true"} if label else {}), rules=rules,
        aggregation_rule=rbac.AggregationRule(cluster_role_selectors=selector) if selects else None)


def rules_of(world: World) -> tuple[rbac.PolicyRule, ...]:
    found = world.get(rbac.ClusterRole, "top")
    assert found is not None
    return found.rules


def test_it_has_what_it_selects_and_nothing_else() -> None:
    world = World(role("top", NODES, selects="part"), role("a", PODS, label="part"), role("b", NODES, label="other"))
    world.settle((CONTROLLER, TOP))
    assert rules_of(world) == (PODS,)
    assert world.run(CONTROLLER, TOP) == plan.Plan()


def test_it_follows_what_others_have() -> None:
    part = role("a", PODS, label="part")
    world = World(role("top", selects="part"), part)
    world.settle((CONTROLLER, TOP))
    world.put(role("b", NODES, label="part"))
    world.settle((CONTROLLER, TOP))
    assert rules_of(world) == (PODS, NODES)
    world.remove(part)
    world.settle((CONTROLLER, TOP))
    assert rules_of(world) == (NODES,)


def test_a_change_of_any_role_concerns_those_that_collect() -> None:
    world = World(role("top", selects="part"), role("second", selects="x"), role("a", PODS))
    (source,) = CONTROLLER.sources
    assert {key.name for key in source.keys(role("a", PODS), world)} == {"top", "second"}


def test_others_are_left_alone() -> None:
    world = World(role("a", PODS))
    for name in ("a", "gone"):
        assert world.run(CONTROLLER, interface.Key(rbac.ClusterRole, "", name)) == plan.Plan()
