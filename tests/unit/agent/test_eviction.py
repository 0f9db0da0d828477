"""When the node is short of something."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.agent import eviction
from edge.agent.eviction import MEMORY, NODE_DISK, PIDS, POD_MEMORY, Observation, State, Threshold
from edge.api import core

MIB = 1024**2
HARD = Threshold(signal=MEMORY, amount=100 * MIB)
SOFT = Threshold(signal=MEMORY, amount=300 * MIB, grace_seconds=60)
RULES = eviction.Rules(thresholds=(HARD,), transition_seconds=300)


def seen(available: int, signal: str = MEMORY, capacity: int = 1000 * MIB) -> dict[str, Observation]:
    return {signal: Observation(available, capacity)}


def test_the_defaults_are_the_kubelets() -> None:
    by_signal = {each.signal: each for each in eviction.DEFAULT_RULES.thresholds}
    assert by_signal[MEMORY].least(0) == 100 * MIB
    assert by_signal[POD_MEMORY].least(0) == 100 * MIB
    assert [by_signal[name].least(1000) for name in ("nodefs.available", "nodefs.inodesFree", "imagefs.available",
                                                     "imagefs.inodesFree")] == [100, 50, 150, 50]
    assert PIDS not in by_signal


def test_a_hard_threshold_holds_at_once_and_its_condition_for_a_while_longer() -> None:
    state, due = eviction.advance(RULES, State(), seen(99 * MIB), 10.0)
    assert due == (HARD,)
    assert eviction.pressures(RULES, state, 10.0) == ("MemoryPressure",)
    state, due = eviction.advance(RULES, state, seen(500 * MIB), 20.0)
    assert due == ()
    assert eviction.pressures(RULES, state, 309.0) == ("MemoryPressure",)
    assert eviction.pressures(RULES, state, 310.0) == ()


def test_without_a_transition_the_condition_goes_with_its_reason() -> None:
    rules = replace(RULES, transition_seconds=0.0)
    state, _ = eviction.advance(rules, State(), seen(0), 10.0)
    assert eviction.pressures(rules, state, 10.0) == ("MemoryPressure",)
    state, _ = eviction.advance(rules, state, seen(500 * MIB), 20.0)
    assert eviction.pressures(rules, state, 20.0) == ()


def test_a_soft_threshold_says_so_at_once_and_acts_after_its_grace() -> None:
    rules = replace(RULES, thresholds=(SOFT, HARD))
    state, due = eviction.advance(rules, State(), seen(200 * MIB), 0.0)
    assert due == ()
    assert eviction.pressures(rules, state, 0.0) == ("MemoryPressure",)
    state, due = eviction.advance(rules, state, seen(200 * MIB), 59.0)
    assert due == ()
    state, due = eviction.advance(rules, state, seen(200 * MIB), 60.0)
    assert due == (SOFT,)
    state, due = eviction.advance(rules, state, seen(50 * MIB), 61.0)
    assert due == (HARD, SOFT)


def test_a_moment_of_relief_begins_the_grace_anew() -> None:
    rules = replace(RULES, thresholds=(SOFT,))
    state, _ = eviction.advance(rules, State(), seen(200 * MIB), 0.0)
    state, _ = eviction.advance(rules, state, seen(400 * MIB), 30.0)
    _, due = eviction.advance(rules, state, seen(200 * MIB), 61.0)
    assert due == ()


def test_what_was_met_is_met_until_the_reclaim_is_free_as_well() -> None:
    rules = eviction.Rules(thresholds=(replace(HARD, reclaim_amount=50 * MIB),))
    state, _ = eviction.advance(rules, State(), seen(99 * MIB), 0.0)
    state, due = eviction.advance(rules, state, seen(120 * MIB), 10.0)
    assert due
    state, due = eviction.advance(rules, state, seen(150 * MIB), 20.0)
    assert not due
    _, due = eviction.advance(rules, state, seen(120 * MIB), 30.0)
    assert not due


def test_memory_comes_before_the_disk() -> None:
    disk = Threshold(signal=NODE_DISK, share=0.1)
    rules = replace(RULES, thresholds=(disk, HARD))
    _, due = eviction.advance(rules, State(), {**seen(1), **seen(1, NODE_DISK)}, 0.0)
    assert due == (HARD, disk)


@pytest.mark.parametrize("what", [{}, {MEMORY: Observation(0, 0)}])
def test_what_was_not_seen_is_not_short(what: dict[str, Observation]) -> None:
    assert eviction.met((HARD,), what) == ()


def test_conditions_in_the_kubelets_words() -> None:
    found = {each.type: (each.status, each.reason, each.message) for each in eviction.conditions(("DiskPressure",))}
    assert found == {
        "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        "DiskPressure": ("True", "KubeletHasDiskPressure", "kubelet has disk pressure"),
        "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available")}


def test_rules_from_settings() -> None:
    rules = eviction.rules({MEMORY: "5%", PIDS: "1k", NODE_DISK: "0%"}, {NODE_DISK: "20%"}, {NODE_DISK: 90.0},
                           {MEMORY: "10Mi"}, transition_seconds=7)
    assert rules.transition_seconds == 7
    assert [(each.signal, each.amount, each.share, each.grace_seconds, each.reclaim_amount)
            for each in rules.thresholds] == [
        (MEMORY, 0, 0.05, 0.0, 10 * MIB), (PIDS, 1000, 0.0, 0.0, 0), (NODE_DISK, 0, 0.2, 90.0, 0),
        (POD_MEMORY, 0, 0.05, 0.0, 10 * MIB)]
    assert eviction.reserved(rules, MEMORY, 1000) == 50
    assert eviction.reserved(rules, NODE_DISK, 1000) == 0


@pytest.mark.parametrize(("hard", "soft", "grace", "reclaim", "words"), [
    ({"memory.free": "1"}, {}, {}, {}, "unknown signal memory.free"), ({MEMORY: "lots"}, {}, {}, {}, "is no amount"),
    ({MEMORY: "101%"}, {}, {}, {}, "no percentage"), ({MEMORY: "x%"}, {}, {}, {}, "no percentage"),
    ({MEMORY: "-1"}, {}, {}, {}, "less than nothing"), ({}, {MEMORY: "1Gi"}, {}, {}, "has no grace period"),
    ({}, {}, {"cpu": 1.0}, {}, "unknown signal cpu"), ({}, {}, {}, {"cpu": "1"}, "unknown signal cpu"),
    ({MEMORY: ""}, {}, {}, {}, "is no amount")])
def test_settings_that_make_no_sense(hard: dict[str, str], soft: dict[str, str], grace: dict[str, float],
                                     reclaim: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        eviction.rules(hard, soft, grace, reclaim)


def test_how_long_a_pod_gets_to_end() -> None:
    slow = core.Pod(spec=core.PodSpec(termination_grace_period_seconds=60))
    quick = core.Pod(spec=core.PodSpec(termination_grace_period_seconds=5))
    rules = replace(RULES, max_pod_grace_seconds=20)
    assert eviction.grace_seconds(rules, HARD, slow) == 1
    assert eviction.grace_seconds(rules, SOFT, slow) == 20
    assert eviction.grace_seconds(rules, SOFT, quick) == 5
    assert eviction.grace_seconds(rules, SOFT, core.Pod()) == 20
