from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from edge.pki.clock_floor import EARLIEST_NOW, raise_clock
from tests.fakes.clock import FakeClock


@pytest.mark.parametrize(("shown", "want"), [
    (datetime(1970, 1, 1, tzinfo=UTC), True), (EARLIEST_NOW - timedelta(seconds=1), True), (EARLIEST_NOW, False),
    (datetime(2099, 1, 1, tzinfo=UTC), False)])
def test_only_a_clock_that_is_obviously_behind_is_stepped_and_only_forward(shown: datetime, want: bool) -> None:
    stepped: list[float] = []
    assert raise_clock(FakeClock(shown), stepped.append) is want
    assert stepped == ([EARLIEST_NOW.timestamp()] if want else [])


def test_who_may_not_set_the_clock_goes_on() -> None:
    def refuse(_: float) -> None:
        raise PermissionError(1, "Operation not permitted")

    assert raise_clock(FakeClock(datetime(1970, 1, 1, tzinfo=UTC)), refuse) is False
