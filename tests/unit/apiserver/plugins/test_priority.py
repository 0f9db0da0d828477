"""Priority classes become priorities."""

from __future__ import annotations

import msgspec
import pytest

from edge.api import core, scheduling
from edge.apiserver.plugins import priority
from tests import builders


def named(name: str, value: int, *, default: bool = False, policy: str = "PreemptLowerPriority",
          ) -> scheduling.PriorityClass:
    return scheduling.PriorityClass(metadata=builders.object_meta(name, ""), value=value, global_default=default,
                                    preemption_policy=policy)


def pod(name: str = "", **spec: object) -> core.Pod:
    return builders.pod("web", spec=core.PodSpec(priority_class_name=name, **spec))  # type: ignore[arg-type]


KNOWN = priority.classes([named("high", 1000, policy="Never"), named("low", 5)])


def test_a_class_gives_its_value_and_policy() -> None:
    made = priority.with_priority(pod("high"), KNOWN)
    assert (made.spec.priority, made.spec.preemption_policy) == (1000, "Never")
    assert priority.with_priority(made, KNOWN) == made


def test_without_a_default_class_a_pod_has_priority_0() -> None:
    made = priority.with_priority(pod(), KNOWN)
    assert (made.spec.priority, made.spec.priority_class_name, made.spec.preemption_policy) == (
        0, "", "PreemptLowerPriority")


def test_the_default_class_is_for_pods_that_name_none_and_the_lowest_wins() -> None:
    known = priority.classes([named("b", 20, default=True), named("a", 10, default=True)])
    made = priority.with_priority(pod(), known)
    assert (made.spec.priority, made.spec.priority_class_name) == (10, "a")


def test_the_systems_classes_are_always_known() -> None:
    assert priority.refusal_of(pod("system-node-critical"), priority.classes([])) == ""
    assert priority.with_priority(pod("system-cluster-critical"), KNOWN).spec.priority == 2_000_000_000


@pytest.mark.parametrize(("asked", "words"), [
    (pod("none"), "no PriorityClass with name none was found"),
    (pod("low", priority=6), "the integer value of priority (6) must not be provided in pod spec; priority admission "
                             "controller computed 5 from the given PriorityClass name"),
    (pod(priority=6), "the integer value of priority (6) must not be provided in pod spec; priority admission "
                      "controller computed 0 from the given PriorityClass name"),
    (pod("low", preemption_policy="Never"),
     "the string value of PreemptionPolicy (Never) must not be provided in pod spec; priority admission controller "
     "computed PreemptLowerPriority from the given PriorityClass name"),
    (pod("low", priority=5), ""),
])
def test_a_priority_by_hand_must_be_that_of_the_class(asked: core.Pod, words: str) -> None:
    assert priority.refusal_of(asked, KNOWN) == words


def test_a_change_that_leaves_the_priority_out_keeps_it() -> None:
    old = priority.with_priority(pod("high"), KNOWN)
    assert priority.kept(pod("high"), old) == old
    other = msgspec.structs.replace(old, spec=msgspec.structs.replace(old.spec, priority=7))
    assert priority.kept(other, old).spec.priority == 7
