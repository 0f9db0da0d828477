"""What systemd hears, through a real socket: readiness, a status, and signs of life only from a program that works."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import notify
from edge.agent import main
from tests.fakes.clock import FakeClock, settle


@pytest.fixture(autouse=True)
def unknown() -> Iterator[None]:
    """Where systemd listens is read once in the life of a program."""
    notify.address.cache_clear()
    yield
    notify.address.cache_clear()


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        monkeypatch.setenv("WATCHDOG_USEC", "20000000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield listener


def heard(listener: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(listener.recv(256).decode())
        except BlockingIOError:
            return found


def test_states_arrive_and_a_status_is_one_line(systemd: socket.socket) -> None:
    notify.tell("READY=1")
    notify.status("looks for\nits master")
    assert heard(systemd) == ["READY=1", "STATUS=looks for its master"]
    assert "NOTIFY_SOCKET" not in os.environ, "a child would speak in our place"


@pytest.mark.parametrize("listener", ["", "@edge-no-such-socket", "/nonexistent/notify"])
def test_nobody_who_listens_is_no_error(monkeypatch: pytest.MonkeyPatch, listener: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", listener)
    notify.tell("READY=1")
    assert "NOTIFY_SOCKET" not in os.environ


@pytest.mark.parametrize(("microseconds", "whose", "seconds"), [
    ("20000000", "", 10.0), ("20000000", "own", 10.0), ("20000000", "1", 0.0), ("", "", 0.0), ("soon", "", 0.0)])
def test_a_sign_of_life_is_due_after_half_the_limit_if_it_is_asked_of_us(
        monkeypatch: pytest.MonkeyPatch, microseconds: str, whose: str, seconds: float) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if whose == "own" else whose)
    assert notify.watchdog_seconds() == seconds


async def test_signs_of_life_stop_while_the_work_is_stuck_and_go_on_after_it(systemd: socket.socket) -> None:
    clock, reason = FakeClock(), ""
    watchdog = asyncio.ensure_future(notify.keep_watchdog(clock, lambda: reason))
    await settle()
    assert heard(systemd) == ["WATCHDOG=1"]
    await clock.run(20)
    assert heard(systemd) == ["WATCHDOG=1"] * 2
    reason = "nothing moves"
    await clock.run(60)
    assert heard(systemd) == []
    reason = ""
    await clock.run(10)
    assert heard(systemd) == ["WATCHDOG=1"]
    watchdog.cancel()


async def test_without_a_watchdog_there_is_nothing_to_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    async with asyncio.timeout(5):
        await notify.keep_watchdog(FakeClock())


def test_an_agent_that_does_not_look_at_its_node_any_more_is_stuck() -> None:
    assert main.stuck(100.0, 0.0) == ""
    assert main.stuck(1000.0, 100.0) == "the last look at the node was 900 s ago"
