import asyncio

from edge.clock import wait
from tests.fakes.clock import FakeClock, settle


async def test_what_comes_first_ends_the_wait_and_leaves_nothing_set() -> None:
    event, clock = asyncio.Event(), FakeClock()
    waiting = asyncio.ensure_future(wait(event, clock, 10))
    await settle()
    event.set()
    assert await waiting
    await settle()
    # The timer that was given up must not wake the next wait: a loop would never rest.
    assert not event.is_set()
    assert clock.sleepers == 0


async def test_time_ends_it_too() -> None:
    event, clock = asyncio.Event(), FakeClock()
    waiting = asyncio.ensure_future(wait(event, clock, 10))
    await settle()
    clock.advance(10)
    assert not await waiting
    assert not event.is_set()


async def test_without_a_time_only_the_event_does_and_one_that_is_set_does_so_at_once() -> None:
    event, clock = asyncio.Event(), FakeClock()
    event.set()
    assert await wait(event, clock, None)
    assert not event.is_set()
