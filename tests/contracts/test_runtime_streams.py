"""Logs, commands and attachments on a real Podman: what its monitor does with log files, and what is made of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edge.agent import log_files, streams_logs
from edge.agent.containerlogs import Options
from edge.agent.log_keeper import LogKeeper
from edge.agent.log_rotation import Divert, Limits
from edge.agent.streams_directory import ContainerView, PodView
from edge.clock import SystemClock
from edge.runtime.containers import ContainerSpec, NoSuchContainer, RuntimeFailure, State
from edge.runtime.podman import Podman
from tests.contracts import podman_service

IMAGE = "localhost/hello:latest"
LIMITS = Limits(max_bytes=100_000, max_files=3, memory_bytes=400_000)
LINE = "x" * 60


@dataclass
class Rig:
    """A Podman with small logs, a pod's directories, and somebody who looks after the logs."""

    runtime: Podman
    spec: ContainerSpec
    card: Path
    links: Path
    keeper: LogKeeper
    running: bool = True

    @property
    def place(self) -> streams_logs.LogPlace:
        memory = log_files.memory_of(str(self.links / "u1" / "main"))
        return streams_logs.LogPlace((str(self.card), memory), 0)

    async def run(self, script: str) -> str:
        """Start a container with this script; return its id."""
        container_id = await self.runtime.create(replace(self.spec, command=("sh", "-c", script)))
        await self.runtime.start(container_id)
        return container_id

    async def until_ended(self, container_id: str) -> None:
        async with asyncio.timeout(60):
            while {row.id: row.state for row in await self.runtime.list()}[container_id] is not State.EXITED:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)

    async def read(self, **options: object) -> list[bytes]:
        blocks = streams_logs.read(self.place, Options(**options), SystemClock(), lambda: self.running)  # type: ignore[arg-type]
        return b"".join([block async for block in blocks]).splitlines()

    @contextlib.asynccontextmanager
    async def kept(self, pause_seconds: float = 0.01) -> AsyncIterator[None]:
        """Look after the logs as often as the small files of this test need it."""
        async def look() -> None:
            while True:
                await self.keeper.look()
                await asyncio.sleep(pause_seconds)

        looking = asyncio.create_task(look())
        yield
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking


@pytest.fixture
async def rig(podman: podman_service.PodmanService, tmp_path: Path) -> AsyncIterator[Rig]:
    runtime = Podman(str(podman.socket), SystemClock(), log_max_bytes=LIMITS.max_bytes)

    async def archive() -> AsyncIterator[bytes]:
        yield podman_service.image_archive(IMAGE)

    await runtime.load(archive())
    image = await runtime.find_image("hello")
    assert image is not None
    card, links = tmp_path / "pods/default_web_u1/main", tmp_path / "links"
    log_files.make(str(card), str(links / "u1/main"))
    spec = ContainerSpec(pod_uid="u1", pod_name="web", namespace="default", name="main", attempt=0, spec_hash="h",
                         image="hello", image_id=image.id, log_path=str(links / "u1/main/0.log"))

    def views() -> tuple[PodView, ...]:
        return (PodView(namespace="default", name="web", uid="u1", log_dir=str(card.parent),
                        containers={"main": ContainerView(id="c", running=made.running)}),)

    made = Rig(runtime, spec, card, links,
               LogKeeper(str(tmp_path / "pods"), str(links), LIMITS, SystemClock(), views))
    async with podman_service.cleared(runtime):
        yield made


def slowly(lines: int) -> str:
    """Return a script that fills a file each half second."""
    return (f"n=0; while test $n -lt {lines}; do echo $n {LINE}; n=$((n+1)); "
            "test $((n % 200)) = 0 && sleep 0.1; done; true")


class TestRotation:
    async def test_the_engine_alone_loses_everything_at_its_limit(self, rig: Rig) -> None:
        """What the rest is for: if an engine does better one day, the keeper can go."""
        await rig.until_ended(await rig.run(slowly(1500)))
        rig.running = False
        assert len(await rig.read()) < 1500
        assert [path.name for path in rig.card.iterdir()] == ["0.log"]

    async def test_nothing_is_lost_while_no_more_files_are_filled_than_are_kept(self, rig: Rig) -> None:
        async with rig.kept():
            await rig.until_ended(await rig.run(slowly(2000)))
        rig.running = False
        assert [line.split()[0] for line in await rig.read()] == [str(n).encode() for n in range(2000)]
        assert [int(line.split()[0]) for line in await rig.read(tail_lines=1500)] == list(range(500, 2000))
        assert await rig.read(tail_lines=1) == [f"1999 {LINE}".encode()]
        assert len(await rig.read(limit_bytes=1000)) == 16

    async def test_no_more_is_kept_than_may_be(self, rig: Rig) -> None:
        async with rig.kept():
            await rig.until_ended(await rig.run(slowly(6000)))
        rig.running = False
        sizes = {path.stat().st_ino: path.stat().st_size for path in rig.card.iterdir()}
        assert len(sizes) <= LIMITS.max_files
        assert sum(sizes.values()) <= LIMITS.max_files * LIMITS.max_bytes
        lines = [int(line.split()[0]) for line in await rig.read()]
        assert lines == list(range(lines[0], 6000))

    async def test_a_follower_loses_and_repeats_no_line_over_rotations(self, rig: Rig) -> None:
        async with rig.kept():
            container_id = await rig.run("sleep 0.3; " + slowly(5000))
            following = asyncio.create_task(rig.read(follow=True))
            await rig.until_ended(container_id)
            rig.running = False
            lines = await asyncio.wait_for(following, 20)
        assert [line.split()[0] for line in lines] == [str(n).encode() for n in range(5000)]

    async def test_a_flood_goes_to_memory_and_its_end_comes_back_to_the_card(self, rig: Rig) -> None:
        async with rig.kept():
            container_id = await rig.run(f"yes {LINE} | head -n 400000; echo last")
            async with asyncio.timeout(30):
                while (rig.links / "u1/main").readlink() == rig.card:  # noqa: ASYNC110 - the keeper's doing
                    await asyncio.sleep(0.01)
            before = sum(path.stat().st_size for path in rig.card.iterdir())
            await rig.until_ended(container_id)
            rig.running = False
            async with asyncio.timeout(10):
                while list((rig.links / "u1/main.memory").iterdir()):  # noqa: ASYNC110 - the keeper's doing
                    await asyncio.sleep(0.01)
        assert before <= (LIMITS.max_files + 1) * LIMITS.max_bytes
        assert (await rig.read())[-1] == b"last"

    async def test_the_engine_survives_that_its_directory_is_turned_while_it_writes(self, rig: Rig) -> None:
        container_id = await rig.run(f"yes {LINE} | head -n 300000; echo last; exec sleep 1000")
        for turn in range(200):
            log_files.perform(Divert(str(rig.card), 0, turn % 2 == 0), str(rig.links))
            await asyncio.sleep(0.005)
        rig.running = False
        async with asyncio.timeout(30):
            while not (lines := await rig.read(tail_lines=1)) or lines[-1] != b"last":  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)
        assert [row.state for row in await rig.runtime.list() if row.id == container_id] == [State.RUNNING]


class TestCommands:
    async def said(self, rig: Rig, container_id: str, *command: str, tty: bool = False) -> tuple[str, int]:
        session = await rig.runtime.open_exec(container_id, command, stdin=False, tty=tty)
        text = b"".join([data async for _, data in session.output()]).decode()
        code = await session.exit_code()
        await session.close()
        return text, code

    @pytest.mark.parametrize("tty", [False, True])
    async def test_a_command_that_cannot_be_started_is_told_as_in_kubernetes(self, rig: Rig, tty: bool) -> None:
        container_id = await rig.run("exec sleep 1000")
        begin = "OCI runtime exec failed: exec failed: unable to start container process: "
        assert await self.said(rig, container_id, "no-such-program", tty=tty) == (
            f'{begin}exec: "no-such-program": executable file not found in $PATH: unknown\n', 127)
        assert await self.said(rig, container_id, "/no/such", tty=tty) == (
            f'{begin}exec: "/no/such": stat /no/such: no such file or directory: unknown\n', 127)
        assert await self.said(rig, container_id, "/etc/passwd", tty=tty) == (
            f'{begin}exec: "/etc/passwd": permission denied: unknown\n', 126)
        probed = await rig.runtime.exec(container_id, ("no-such-program",), 10)
        assert probed.output.endswith(b"executable file not found in $PATH: unknown\n")

    async def test_a_container_that_ends_ends_its_commands(self, rig: Rig) -> None:
        container_id = await rig.run("exec sleep 1000")
        session = await rig.runtime.open_exec(container_id, ("sleep", "1000"), stdin=False, tty=False)
        await rig.runtime.kill(container_id, "SIGKILL")
        async with asyncio.timeout(20):
            assert [chunk async for chunk in session.output()] == []
            assert await session.exit_code() == 137
        await session.close()
        with pytest.raises(NoSuchContainer, match="not running"):
            await rig.runtime.open_exec(container_id, ("true",), stdin=False, tty=False)

    async def test_a_command_that_went_with_its_container_was_killed(self, rig: Rig) -> None:
        container_id = await rig.run("exec sleep 1000")
        session = await rig.runtime.open_exec(container_id, ("sleep", "1000"), stdin=False, tty=False)
        await rig.runtime.remove(container_id)
        async with asyncio.timeout(20):
            assert [chunk async for chunk in session.output()] == []
            assert await session.exit_code() == 137
        await session.close()

    async def test_a_command_outlives_the_one_who_asked_for_it(self, rig: Rig) -> None:
        container_id = await rig.run("exec sleep 1000")
        for tty in (False, True):
            session = await rig.runtime.open_exec(container_id, ("sh", "-c", "exec sleep 77"), stdin=True, tty=tty)
            reading = asyncio.create_task(anext(session.output(), None))
            await asyncio.sleep(0)
            await session.close()
            await asyncio.wait({reading}, timeout=5)
            reading.cancel()
        listing = await rig.runtime.exec(container_id, ("sh", "-c", "cat /proc/[0-9]*/cmdline"), 10)
        assert b"sleep\x0077" in listing.output

    async def test_attaching_does_not_wake_a_container_that_has_ended(self, rig: Rig) -> None:
        container_id = await rig.run("true")
        await rig.until_ended(container_id)
        with pytest.raises(RuntimeFailure, match="not running"):
            await rig.runtime.open_attach(container_id, stdin=False, tty=False)
        assert [row.state for row in await rig.runtime.list()] == [State.EXITED]

    async def test_input_that_ends_ends_the_input_of_the_container(self, rig: Rig) -> None:
        spec = replace(rig.spec, command=("sh", "-c", "cat; echo end"), stdin=True, stdin_once=True)
        container_id = await rig.runtime.create(spec)
        await rig.runtime.start(container_id)
        session = await rig.runtime.open_attach(container_id, stdin=True, tty=False)
        await session.write(b"typed\n")
        await session.close_stdin()
        async with asyncio.timeout(10):
            assert b"".join([data async for _, data in session.output()]) == b"typed\nend\n"
        await session.close()
        await rig.until_ended(container_id)
