"""The keeper of logs on a real directory, with somebody who writes as the engine's monitor does."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge.agent import log_files, log_rotation
from edge.agent.log_keeper import GLANCES_SECONDS, LogKeeper
from edge.agent.log_rotation import Limits
from edge.agent.streams_directory import ContainerView, PodView
from tests.fakes.clock import FakeClock

LIMITS = Limits(max_bytes=1000, max_files=3, memory_bytes=8 * 1024**2, total_bytes=10_000)


@dataclass
class Scene:
    """One container and who looks after its logs. `fill` writes a file as the engine would."""

    card: Path
    links: Path
    keeper: LogKeeper
    clock: FakeClock
    running: list[bool] = field(default_factory=lambda: [True])

    @property
    def link(self) -> Path:
        return self.links / "u1/main"

    def fill(self, text: str, attempt: int = 0) -> None:
        """Replace the log by a new file, as conmon does at the limit."""
        begun = self.link / f"{attempt}.log.tmp"
        begun.write_text(text)
        begun.replace(self.link / f"{attempt}.log")

    def text(self, attempt: int = 0) -> str:
        files = log_rotation.chain(log_files.parts((str(self.card), f"{self.link}.memory")), attempt)
        return "".join(Path(part.path).read_text() for part in files)

    async def look(self, seconds: float = 1.0) -> float:
        self.clock.advance(seconds)
        return await self.keeper.look()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    clock, running = FakeClock(), [True]
    card, links = tmp_path / "pods/default_web_u1/main", tmp_path / "links"
    log_files.make(str(card), str(links / "u1/main"))

    def views() -> tuple[PodView, ...]:
        return (PodView(namespace="default", name="web", uid="u1", log_dir=str(card.parent),
                        containers={"main": ContainerView(id="c", running=running[0])}),)

    return Scene(card, links, LogKeeper(str(tmp_path / "pods"), str(links), LIMITS, clock, views), clock, running)


async def test_what_was_half_full_survives_its_replacement(scene: Scene) -> None:
    scene.fill("a" * 600)
    await scene.look()
    scene.fill("b" * 600)
    await scene.look(100)
    scene.fill("c")
    await scene.look(100)
    assert scene.text() == "a" * 600 + "b" * 600 + "c"


async def test_nothing_is_written_while_a_log_is_small(scene: Scene) -> None:
    scene.fill("a" * 400)
    before = scene.card.stat().st_mtime_ns
    for _ in range(5):
        assert await scene.look() == log_rotation.LOOK_SECONDS
    assert scene.card.stat().st_mtime_ns == before
    assert [path.name for path in scene.card.iterdir()] == ["0.log"]


async def test_a_glance_sees_new_files_and_new_pods_at_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    walks: list[int] = []
    walk = log_files.all_logs

    def counted(log_dir: str, links: str) -> tuple[log_rotation.Log, ...]:
        walks.append(1)
        return walk(log_dir, links)

    monkeypatch.setattr(log_files, "all_logs", counted)
    scene.fill("a" * 400)
    await scene.look()
    await scene.look()
    assert len(walks) == 1
    scene.fill("b" * 600)
    await scene.look()
    assert len(walks) == 2
    await scene.look()
    quiet = len(walks)
    log_files.make(str(scene.card.parent.parent / "default_new_u2/main"), str(scene.links / "u2/main"))
    await scene.look()
    assert len(walks) == quiet + 1
    await scene.look(GLANCES_SECONDS + 1)
    assert len(walks) == quiet + 2


async def test_a_flood_moves_to_memory_and_back_when_it_is_over(scene: Scene) -> None:
    for text in ("a", "b", "c"):
        scene.fill(text * 900)
        await scene.look()
    assert scene.link.readlink() == Path(f"{scene.link}.memory")
    for text in ("d", "e", "f"):
        scene.fill(text * 900)
        assert await scene.look() == log_rotation.SHORT_LOOK_SECONDS
    assert "d" not in "".join(path.read_text() for path in scene.card.iterdir())
    assert scene.text().endswith("e" * 900 + "f" * 900)
    await scene.look(log_rotation.FLOOD_SECONDS + 1)
    assert scene.link.readlink() == scene.card
    scene.fill("g")
    await scene.look()
    await scene.look()
    assert list(Path(f"{scene.link}.memory").glob("0.log*")) == []
    assert scene.text().endswith("f" * 900 + "g")


async def test_the_log_of_one_that_ended_in_a_flood_is_brought_to_the_card(scene: Scene) -> None:
    for text in ("a", "b", "c", "d"):
        scene.fill(text * 900)
        await scene.look()
    scene.running[0] = False
    await scene.look()
    await scene.look()
    assert "".join(path.read_text() for path in sorted(scene.card.glob("0.log.*")))[-1:] == "d"
    assert not [path for path in Path(f"{scene.link}.memory").iterdir() if path.stat().st_size]


async def test_the_total_is_bounded_over_all_containers(scene: Scene) -> None:
    for index in range(30):
        card = scene.card.parent.parent / f"default_p{index}_v{index}/main"
        card.mkdir(parents=True)
        (card / "0.log").write_text("x" * 900)
        (card / "0.log.1").write_text("y" * 900)
    await scene.look()
    found = [path.stat() for path in scene.card.parent.parent.glob("*/*/*")]
    total = sum({each.st_ino: each.st_size for each in found}.values())
    assert total == 30 * 900, "what is being written stays, all before it is gone"


async def test_after_a_reboot_the_links_are_made_anew(scene: Scene) -> None:
    scene.link.unlink()
    (scene.links / "gone/main.memory").mkdir(parents=True)
    scene.keeper.prepare()
    assert scene.link.readlink() == scene.card
    assert not (scene.links / "gone").exists()


async def test_a_directory_that_cannot_be_made_does_not_end_the_agent(tmp_path: Path) -> None:
    (tmp_path / "links").write_text("a file")
    (tmp_path / "pods/a_b_c/main").mkdir(parents=True)
    keeper = LogKeeper(str(tmp_path / "pods"), str(tmp_path / "links"), LIMITS, FakeClock(), lambda: ())
    keeper.prepare()
    assert await keeper.look() == log_rotation.LOOK_SECONDS
    nothing = LogKeeper(str(tmp_path / "none"), str(tmp_path / "none"), LIMITS, FakeClock(), lambda: ())
    assert await nothing.look() == log_rotation.LOOK_SECONDS


async def test_removing_an_attempt_and_a_pod_leaves_nothing(scene: Scene) -> None:
    for text in ("a", "b", "c", "d"):
        scene.fill(text * 900)
        await scene.look()
    scene.fill("next", attempt=1)
    directories = (str(scene.card), f"{scene.link}.memory")
    log_files.remove_attempt(directories, 0)
    assert {part.attempt for part in log_files.parts(directories)} == {1}
    assert log_files.tail(directories, 1) == "next"
    log_files.remove_pod(str(scene.card.parent.parent), str(scene.links), "u1")
    assert not scene.card.exists()
    assert not scene.link.parent.exists()
