"""How much a node may say."""

from __future__ import annotations

from edge.bridge.rates import Rates


def test_a_burst_comes_in_and_what_is_beyond_it_does_not() -> None:
    rates = Rates(burst=3, per_second=1)
    assert [rates.allows("a", "events", 0.0) for _ in range(5)] == [True, True, True, False, False]


def test_tokens_come_back_with_time_and_never_more_than_the_burst() -> None:
    rates = Rates(burst=2, per_second=1)
    for _ in range(3):
        rates.allows("a", "events", 0.0)
    assert rates.allows("a", "events", 1.0)
    assert not rates.allows("a", "events", 1.5)
    assert [rates.allows("a", "events", 1000.0) for _ in range(3)] == [True, True, False]


def test_other_nodes_and_other_branches_have_their_own() -> None:
    rates = Rates(burst=1, per_second=0)
    assert rates.allows("a", "events", 0.0)
    assert rates.allows("b", "events", 0.0)
    assert rates.allows("a", "heartbeat", 0.0)
    assert not rates.allows("a", "events", 0.0)
    rates.forget("a")
    assert rates.allows("a", "events", 0.0)
