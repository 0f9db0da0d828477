"""When an engine that does not answer is waited for, ended or examined."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.agent.engine_care import BUSY_PATIENCE_SECONDS, PATIENCE_SECONDS, Engine, Step, pause, step

HANGS = Engine(away_seconds=PATIENCE_SECONDS, listens=True, pings=False)
GONE = Engine(away_seconds=PATIENCE_SECONDS, listens=False, pings=False)


@pytest.mark.parametrize("engine", [HANGS, GONE])
def test_its_supervisor_gets_some_time_first(engine: Engine) -> None:
    assert step(replace(engine, away_seconds=PATIENCE_SECONDS - 1)) is Step.WAIT


def test_one_that_hangs_is_ended_and_one_that_is_gone_is_examined() -> None:
    assert step(HANGS) is Step.END
    assert step(GONE) is Step.EXAMINE


def test_one_that_is_only_slow_gets_more_time() -> None:
    slow = replace(HANGS, pings=True)
    assert step(slow) is Step.WAIT
    assert step(replace(slow, away_seconds=BUSY_PATIENCE_SECONDS)) is Step.END


def test_a_broken_list_of_images_needs_no_patience() -> None:
    assert step(replace(HANGS, pings=True, away_seconds=0, images_readable=False)) is Step.FORGET_IMAGES


def test_what_did_not_help_is_tried_again_ever_more_rarely() -> None:
    assert [pause(tries) for tries in (1, 2, 3, 4, 5, 50)] == [60, 120, 240, 480, 600, 600]
    tried = replace(HANGS, away_seconds=1000, tries=2, since_try_seconds=119)
    assert step(tried) is Step.WAIT
    assert step(replace(tried, since_try_seconds=120)) is Step.END
