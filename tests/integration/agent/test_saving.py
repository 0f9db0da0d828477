"""When the agent writes to the card: soon, once for a burst, seldom for services, never while nothing changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.agent.checkpoint import Checkpoint, Statuses
from edge.agent.desired import Known
from edge.agent.saving import SERVICES_SECONDS, Saver
from edge.api import core, topology
from edge.bus import messages
from tests.fakes.clock import FakeClock, settle


class Card:
    """A saver, what it is to save, and how often it wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, FakeClock()
        self.known = Known(index=messages.DesiredIndex(epoch="e"))
        self.told: dict[str, core.PodStatus] = {}
        self.said: list[str] = []
        self.saver = Saver(Checkpoint(folder / "card"), Statuses(folder / "run"), self.clock,
                           known=lambda: self.known, told=lambda: self.told, failed=self.said.append)

    async def change(self, **more: object) -> None:
        """Change what is known, and let some time pass."""
        self.known = replace(self.known, **more)  # type: ignore[arg-type]
        self.saver.changed.set()
        await self.wait(2)

    async def wait(self, seconds: float) -> None:
        for _ in range(int(seconds * 2) if seconds < 20 else 20):
            self.clock.advance(0.5 if seconds < 20 else seconds / 20)
            for _ in range(5):
                await settle(5)
                await asyncio.sleep(0.001)

    def saved(self) -> Known:
        return Checkpoint(self.folder / "card").load()

    def number(self) -> int:
        """Return what changes with each write."""
        return (self.folder / "card/desired.json").stat().st_ino

    def service(self, address: str) -> dict[str, topology.Service]:
        endpoints = (topology.Endpoint(address=address),)
        return {"d/s": topology.Service(namespace="d", name="s", endpoints=endpoints)}


@pytest.fixture
async def card(tmp_path: Path) -> AsyncIterator[Card]:
    made = Card(tmp_path)
    task = asyncio.create_task(made.saver.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_is_wanted_is_saved_soon_and_not_again(card: Card) -> None:
    await card.change()
    assert card.saved() == card.known
    number = card.number()
    await card.change(index=messages.DesiredIndex(epoch="e"))
    await card.wait(5000)
    assert card.number() == number


async def test_endpoints_that_come_and_go_are_saved_seldom(card: Card) -> None:
    await card.change()
    number = card.number()
    for count in range(1, 9):
        await card.change(services=card.service(f"10.244.1.{count}"))
    assert card.number() == number
    await card.wait(SERVICES_SECONDS + 10)
    assert card.saved().services == card.known.services
    await card.change(services=card.service("10.244.1.99"), index=messages.DesiredIndex(epoch="f"))
    assert card.saved() == card.known
    await card.change(services=card.service("10.244.1.100"))
    await card.saver.last()
    assert card.saved() == card.known


async def test_a_full_disk_is_said_once_and_the_state_is_saved_when_there_is_room(card: Card) -> None:
    (card.folder / "card").write_text("in the way")
    await card.change()
    await card.change(index=messages.DesiredIndex(epoch="f"))
    await card.wait(60)
    assert len(card.said) == 1
    (card.folder / "card").unlink()
    await card.wait(60)
    assert card.saved() == card.known
    (card.folder / "run").mkdir(exist_ok=True)


async def test_statuses_are_saved_on_change_for_nobody_else_to_read(card: Card) -> None:
    await card.change()
    card.told = {"u": core.PodStatus(phase="Running")}
    await card.change()
    path = card.folder / "run/statuses.json"
    assert Statuses(card.folder / "run").load() == card.told
    assert path.stat().st_mode & 0o777 == 0o600
    number = path.stat().st_ino
    await card.change()
    assert path.stat().st_ino == number


def test_a_restart_alone_writes_nothing(tmp_path: Path) -> None:
    known = Known(index=messages.DesiredIndex(epoch="e"), services={
        f"d/{name}": topology.Service(namespace="d", name=name) for name in "ba"})
    assert Checkpoint(tmp_path).save(known)
    again = Checkpoint(tmp_path)
    assert not again.save(again.load())
    other = replace(known, services=dict(sorted(known.services.items())))
    assert not again.save(other)
