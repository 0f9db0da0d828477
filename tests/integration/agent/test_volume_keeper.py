"""Local volumes on a real disk: put away on order, kept a day, removed for good, and nothing else is touched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.agent import files
from edge.agent.reporter import Reporter
from edge.agent.volume_keeper import VolumeKeeper
from edge.agent.volumes import HostPath, Layout
from edge.api import core, meta
from edge.api import persistent_volume_sources as sources
from edge.bus import messages, topics
from edge.component import Supervisor
from tests.fakes.bus import FakeBroker
from tests.fakes.clock import FakeClock, settle

DAY = 86400.0


class Disk:
    """A keeper at work on a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "volumes"
        self.clock, self.broker = FakeClock(), FakeBroker()
        self.pods: list[messages.DesiredPod | None] = []
        self.supervisor = Supervisor(self.clock)

    async def start(self) -> None:
        bus = self.broker.bus()
        await bus.start()
        reporter = Reporter(bus, self.clock, "node-1", "boot-1")
        self.keeper = VolumeKeeper(self.directory, DAY, reporter, self.clock, lambda: self.pods)
        self.supervisor.start("reports", reporter.run)
        self.supervisor.start("volumes", self.keeper.run)

    def make(self, *names: str) -> None:
        for name in names:
            (self.directory / name).mkdir(parents=True)
            (self.directory / name / "file").write_text(name)

    def order(self, *names: str) -> None:
        self.keeper.receive(messages.encode(messages.DesiredVolumes(epoch="e1", removed=names)))

    def answers(self) -> list[tuple[str, ...]]:
        return [messages.decode(messages.ReportedVolumes, each.payload).removed for each in self.broker.published
                if each.topic == topics.reported_volumes("node-1")]

    def there(self) -> set[str]:
        return {path.name for path in self.directory.iterdir()} - {".removed"}

    def kept(self) -> set[str]:
        return {path.name for path in (self.directory / ".removed").glob("*")}

    async def wait(self, seconds: float = 0.0) -> None:
        """Let time pass in steps; files are handled in threads, which need real time."""
        for _ in range(20):
            await settle(5)
            await asyncio.sleep(0.001)
        self.clock.advance(seconds)
        for _ in range(20):
            await settle(5)
            await asyncio.sleep(0.001)


@pytest.fixture
async def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Disk]:
    # How full the machine that runs the tests is must not matter.
    monkeypatch.setattr("edge.agent.volume_keeper._used_percent", lambda _directory: 10.0)
    made = Disk(tmp_path)
    await made.start()
    yield made
    await made.supervisor.stop()


async def test_what_is_ordered_is_put_away_and_told_and_the_rest_stays(disk: Disk) -> None:
    disk.make("pvc-a", "pvc-b", "lost+found")
    disk.order("pvc-a", "pvc-never-made")
    await disk.wait()
    assert disk.there() == {"pvc-b", "lost+found"}
    assert (disk.directory / ".removed" / "pvc-a" / "file").read_text() == "pvc-a"
    assert disk.answers() == [("pvc-a", "pvc-never-made")]


async def test_nothing_said_or_nothing_ordered_removes_nothing(disk: Disk) -> None:
    disk.make("pvc-a")
    disk.keeper.receive(b"")
    await disk.wait(3600)
    disk.order()
    await disk.wait(3600)
    with pytest.raises(messages.MessageError):
        disk.keeper.receive(b"{")
    await disk.wait()
    assert disk.there() == {"pvc-a"}
    assert disk.answers() == [()]


async def test_a_volume_that_a_pod_has_waits_for_the_pod(disk: Disk) -> None:
    disk.make("pvc-a")
    volume = core.PersistentVolume(metadata=meta.ObjectMeta(name="pvc-a"), spec=core.PersistentVolumeSpec(
        local=sources.LocalVolumeSource(path=str(disk.directory / "pvc-a"))))
    disk.pods = [messages.DesiredPod(revision="1", pod=core.Pod(), claims={"data": volume})]
    disk.order("pvc-a")
    await disk.wait(6)
    assert disk.there() == {"pvc-a"}
    disk.pods = []
    await disk.wait(6)
    await disk.wait()
    assert disk.there() == set()
    assert disk.answers() == [(), ("pvc-a",)]


async def test_what_was_put_away_is_gone_after_a_day(disk: Disk) -> None:
    disk.make("pvc-a")
    disk.order("pvc-a")
    await disk.wait(DAY - 10)
    await disk.wait()
    assert disk.kept() == {"pvc-a"}
    await disk.wait(700)
    await disk.wait()
    assert disk.kept() == set()


async def test_the_same_order_is_answered_again(disk: Disk) -> None:
    disk.order("pvc-a")
    await disk.wait()
    disk.order("pvc-a")
    await disk.wait()
    assert disk.answers() == [("pvc-a",), ("pvc-a",)]


async def test_a_link_is_put_away_and_what_it_leads_to_stays(disk: Disk, tmp_path: Path) -> None:
    elsewhere = tmp_path / "big-disk"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("data")
    disk.directory.mkdir()
    (disk.directory / "pvc-a").symlink_to(elsewhere)
    disk.order("pvc-a")
    await disk.wait(DAY + 700)
    await disk.wait(700)
    await disk.wait()
    assert disk.there() == disk.kept() == set()
    assert (elsewhere / "file").read_text() == "data"


async def test_a_second_volume_of_that_name_does_not_replace_the_first(disk: Disk) -> None:
    for _ in range(2):
        disk.make("pvc-a")
        disk.order("pvc-a")
        await disk.wait()
    assert disk.kept() == {"pvc-a", "pvc-a.2"}


async def test_a_full_disk_shortens_the_time(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.agent.volume_keeper._used_percent", lambda _directory: 90.0)
    disk.make("pvc-a")
    disk.order("pvc-a")
    await disk.wait()
    await disk.wait()
    assert disk.kept() == set()


async def test_a_disk_that_cannot_be_read_answers_nothing_and_is_tried_again(disk: Disk) -> None:
    disk.directory.write_text("this is no directory")
    disk.order("pvc-a")
    await disk.wait()
    assert disk.answers() == []
    disk.directory.unlink()
    await disk.wait(61)
    await disk.wait()
    assert disk.answers() == [("pvc-a",)]


async def test_nobody_but_root_gets_at_what_containers_have_left(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.make("pvc-1")
    disk.directory.chmod(0o755)
    await disk.start()
    try:
        await disk.wait(1)
        assert disk.directory.stat().st_mode & 0o777 == 0o750
        fresh = HostPath("data", str(tmp_path / "fresh/pvc-2"), "DirectoryOrCreate", 0o777)
        files.write(Layout(host_paths=(fresh,)))
        assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("fresh", "fresh/pvc-2")] == [0o750, 0o777]
    finally:
        await disk.supervisor.stop()
