from __future__ import annotations

from edge.server.allowance import REMEMBERED, Allowance


def test_each_address_gets_a_little_and_more_with_time() -> None:
    allowance = Allowance(each_burst=3, each_per_second=0.5)
    assert [allowance.take("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert allowance.take("b", 0.0)
    assert not allowance.take("a", 1.0)
    assert allowance.take("a", 2.0)
    assert not allowance.take("a", 2.0)


def test_all_together_get_not_too_much_and_who_is_refused_takes_nothing() -> None:
    allowance = Allowance(all_burst=5, all_per_second=1)
    assert sum(allowance.take(str(number), 0.0) for number in range(10)) == 5
    assert sum(allowance.take(str(number), 2.0) for number in range(10)) == 2


def test_addresses_are_forgotten_so_that_nobody_fills_the_memory() -> None:
    allowance = Allowance()
    for number in range(3 * REMEMBERED):
        allowance.take(str(number), float(number))
    assert len(allowance._each) == REMEMBERED


def test_a_clock_that_stands_gives_nothing() -> None:
    allowance = Allowance(each_burst=1)
    assert allowance.take("a", 5.0)
    assert not any(allowance.take("a", 5.0) for _ in range(100))
