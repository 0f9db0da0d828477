"""Nodes that leave the bus, and those of them that are back soon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from edge.api import errors
from edge.bridge.loop_absent import PATIENCE_SECONDS, RETRY_SECONDS, Absent
from tests.fakes.clock import FakeClock, settle


class Rig:
    """Remembers who was given up."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.given_up: list[tuple[str, str]] = []
        self.failures = 0
        self.absent = Absent(self.clock, self._give_up)

    async def _give_up(self, node: str, reason: str) -> None:
        if self.failures:
            self.failures -= 1
            raise errors.Unavailable("not now")
        self.given_up.append((node, reason))

    async def after(self, seconds: float) -> list[tuple[str, str]]:
        await settle()
        self.clock.advance(seconds)
        await settle()
        return self.given_up


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    task = asyncio.create_task(made.absent.work())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_node_is_given_up_when_it_stays_away(rig: Rig) -> None:
    rig.absent.left("a", "gone")
    assert await rig.after(PATIENCE_SECONDS - 1) == []
    rig.absent.left("a", "said twice")
    rig.absent.left("b", "gone too")
    assert await rig.after(1) == [("a", "gone")]
    assert await rig.after(PATIENCE_SECONDS) == [("a", "gone"), ("b", "gone too")]


async def test_a_node_that_is_back_in_time_is_not(rig: Rig) -> None:
    rig.absent.left("a", "gone")
    await rig.after(PATIENCE_SECONDS - 1)
    rig.absent.back("a")
    rig.absent.back("never-seen")
    assert await rig.after(PATIENCE_SECONDS) == []
    rig.absent.left("a", "gone again")
    assert await rig.after(PATIENCE_SECONDS) == [("a", "gone again")]


async def test_nobody_is_given_up_while_nobody_can_be_heard(rig: Rig) -> None:
    """What was said in the moment in which the broker ended is heard before and after its end."""
    rig.absent.left("a", "the broker says so while it ends")
    rig.absent.bus_away()
    rig.absent.left("b", "worked off a moment late")
    assert await rig.after(PATIENCE_SECONDS) == []
    rig.absent.bus_back()
    assert await rig.after(PATIENCE_SECONDS) == []
    rig.absent.left("a", "gone")
    assert await rig.after(PATIENCE_SECONDS) == [("a", "gone")]


async def test_what_the_api_does_not_take_is_tried_again(rig: Rig) -> None:
    rig.failures = 2
    rig.absent.left("a", "gone")
    assert await rig.after(PATIENCE_SECONDS) == []
    assert await rig.after(RETRY_SECONDS) == []
    assert await rig.after(RETRY_SECONDS) == [("a", "gone")]
