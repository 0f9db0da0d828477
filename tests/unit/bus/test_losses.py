"""Two clients with one identity: both reconnect as fast as they can, and one gives way soon."""

from __future__ import annotations

from edge.bus.losses import ESTABLISHED_TAKES, LONG_SECONDS, NEWCOMER_TAKES, WINDOW_SECONDS, Losses


def fight(first_held: float, second_held: float) -> tuple[str, int]:
    """Let the second throw out the first, and so on; return who gave way, after how many takeovers."""
    sides = {"first": Losses(), "second": Losses()}
    held = {"first": first_held, "second": second_held}
    now, loser = 1000.0, "first"
    for number in range(1, 100):
        if sides[loser].lost(now, held[loser]):
            return loser, number
        loser, now = ("second" if loser == "first" else "first"), now + 1
        held[loser] = 1.0
    raise AssertionError("they fight for ever")


def test_the_newcomer_gives_way_to_who_was_there() -> None:
    loser, takeovers = fight(3600, 1)
    assert loser == "second"
    assert takeovers <= 2 * NEWCOMER_TAKES


def test_of_two_that_are_new_one_gives_way() -> None:
    assert fight(1, 1) == ("first", 2 * NEWCOMER_TAKES - 1)


def test_of_two_that_are_established_one_gives_way_all_the_same() -> None:
    one = Losses()
    given_up = [one.lost(1000.0 + number, LONG_SECONDS) for number in range(ESTABLISHED_TAKES)]
    assert given_up == [False] * (ESTABLISHED_TAKES - 1) + [True]


def test_takeovers_long_ago_do_not_count() -> None:
    one = Losses()
    for number in range(10):
        assert not one.lost(number * (WINDOW_SECONDS + 1), 1.0)
