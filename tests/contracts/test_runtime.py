"""What every Runtime promises, on a private Podman service and on the fake."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.runtime.containers import (
    Container,
    ContainerSpec,
    EngineAway,
    Image,
    InvalidImageName,
    Mount,
    NoSuchContainer,
    RegistryUnavailable,
    RuntimeFailure,
    State,
)
from edge.runtime.interface import Runtime
from edge.runtime.podman import Podman
from tests.contracts import podman_service
from tests.fakes.runtime import FakeRuntime

IMAGE = "localhost/hello:latest"


@dataclass
class Case:
    """A runtime with the image IMAGE, a spec of a container that sleeps, and whether commands run for real."""

    runtime: Runtime
    spec: ContainerSpec
    real: bool


@pytest.fixture(params=["fake", "podman"])
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Case]:
    spec = ContainerSpec(
        pod_uid="uid-1", pod_name="web", namespace="default", name="main", attempt=0, spec_hash="h", image="hello",
        image_id="", command=("sleep", "1000"), log_path=str(tmp_path / "main/0.log"),
    )  # fmt: skip
    if request.param == "fake":
        fake = FakeRuntime(SystemClock())
        fake.registry["hello"] = Image(id="1" * 64, names=(IMAGE,))
        runtime: Runtime = fake
        await runtime.pull("hello")
    else:
        service: podman_service.PodmanService = request.getfixturevalue("podman")
        runtime = Podman(str(service.socket), SystemClock())
        await load(runtime, podman_service.image_archive(IMAGE, env={"FROM_IMAGE": "yes"}))
    image = await runtime.find_image("hello")
    assert image is not None
    async with podman_service.cleared(runtime):
        yield Case(runtime, replace(spec, image_id=image.id), request.param == "podman")


@pytest.fixture
def engine(case: Case) -> Case:
    """The case where commands really run."""
    if not case.real:
        pytest.skip("the fake runs no commands")
    return case


async def load(runtime: Runtime, archive: bytes) -> tuple[str, ...]:
    async def chunks() -> AsyncIterator[bytes]:
        for begin in range(0, len(archive), 65536):
            yield archive[begin : begin + 65536]

    return await runtime.load(chunks())


async def only(runtime: Runtime) -> Container:
    (container,) = await runtime.list()
    return container


async def until_state(case: Case, container_id: str, state: State) -> Container:
    """Return one of several containers once it is in that state."""
    async with asyncio.timeout(20):
        while True:
            for row in await case.runtime.list():
                if row.id == container_id and row.state is state:
                    return row
            await asyncio.sleep(0.05)


async def until(runtime: Runtime, condition: Callable[[Container], bool]) -> Container:
    deadline = time.monotonic() + 15
    while not condition(container := await only(runtime)):
        assert time.monotonic() < deadline, container
        await asyncio.sleep(0.02)
    return container


class TestLife:
    async def test_created_started_killed_removed(self, case: Case) -> None:
        runtime = case.runtime
        container_id = await runtime.create(case.spec)
        created = await only(runtime)
        assert (created.id, created.state) == (container_id, State.CREATED)
        assert (created.pod_uid, created.name, created.attempt, created.spec_hash) == ("uid-1", "main", 0, "h")
        assert created.image_id == case.spec.image_id
        await runtime.start(container_id)
        running = await only(runtime)
        assert running.state is State.RUNNING
        assert running.started_at
        await runtime.kill(container_id, "SIGKILL")
        ended = await until(runtime, lambda container: container.state is State.EXITED)
        assert ended.exit_code == 137
        assert ended.finished_at
        await runtime.kill(container_id, "SIGTERM")
        await runtime.remove(container_id)
        assert await runtime.list() == ()
        await runtime.remove(container_id)

    async def test_a_leftover_of_the_same_attempt_is_replaced(self, case: Case) -> None:
        first = await case.runtime.create(case.spec)
        await case.runtime.start(first)
        second = await case.runtime.create(case.spec)
        assert second != first
        assert (await only(case.runtime)).id == second

    async def test_attempts_live_beside_each_other(self, case: Case) -> None:
        await case.runtime.create(case.spec)
        await case.runtime.create(replace(case.spec, attempt=1))
        assert sorted(container.attempt for container in await case.runtime.list()) == [0, 1]

    async def test_a_container_that_never_was(self, case: Case) -> None:
        with pytest.raises(NoSuchContainer):
            await case.runtime.start("0" * 64)
        await case.runtime.remove("0" * 64)

    async def test_images(self, case: Case) -> None:
        assert await case.runtime.find_image("nope") is None
        with pytest.raises(InvalidImageName):
            await case.runtime.pull("Not A Name")
        assert case.spec.image_id in {image.id for image in await case.runtime.images()}
        assert await case.runtime.version()

    async def test_changes_name_the_container(self, case: Case) -> None:
        first = asyncio.ensure_future(anext(case.runtime.changes()))
        made = set()
        # What happens before the subscription stands is not heard of, so something happens until it is.
        async with asyncio.timeout(20):
            while not first.done():
                made.add(container_id := await case.runtime.create(case.spec))
                await case.runtime.start(container_id)
                await asyncio.wait({first}, timeout=0.5)
        assert first.result() in made


class TestCommands:
    async def shell(self, case: Case, script: str, **changes: object) -> str:
        """Start a container that sleeps and run a script in it."""
        container_id = await case.runtime.create(replace(case.spec, **changes))  # type: ignore[arg-type]
        await case.runtime.start(container_id)
        result = await case.runtime.exec(container_id, ("sh", "-c", script), 10)
        return result.output.decode()

    async def test_environment_user_and_directory(self, engine: Case) -> None:
        output = await self.shell(
            engine, "env; id -u; hostname; pwd", env=(("A", "b c"),), user="1000", hostname="web-1",
            working_dir="/tmp/new/one",  # one that the image does not have
        )
        assert {"A=b c", "FROM_IMAGE=yes", "1000", "web-1", "/tmp/new/one"} <= set(output.splitlines())

    async def test_mounts(self, engine: Case, tmp_path: Path) -> None:
        (tmp_path / "hosts").write_text("10.0.0.9 mine\n")
        mounts = (Mount(source=str(tmp_path / "hosts"), destination="/etc/hosts", read_only=True),
                  Mount(source=str(tmp_path), destination="/data"))  # fmt: skip
        script = "cat /etc/hosts; echo x > /data/new; echo x 2>&1 > /etc/hosts || echo refused"
        output = await self.shell(engine, script, mounts=mounts)
        assert output.startswith("10.0.0.9 mine\n")
        assert output.endswith("refused\n")
        assert (tmp_path / "new").read_text() == "x\n"

    async def test_a_mount_without_a_source_is_named(self, engine: Case) -> None:
        mounts = (Mount(source="/nonexistent/x", destination="/data"),)
        with pytest.raises(RuntimeFailure, match='"/nonexistent/x"'):
            await engine.runtime.create(replace(engine.spec, mounts=mounts))

    async def test_limits_security_and_capabilities_are_accepted(self, engine: Case) -> None:
        output = await self.shell(
            engine, "touch /x 2>&1 || echo read-only; cat /proc/1/status", read_only_root=True, no_new_privileges=True,
            memory_limit_bytes=64 << 20, cpu_limit_milli=500, cpu_request_milli=100, capabilities_drop=("ALL",),
            capabilities_add=("NET_BIND_SERVICE",), cgroup_parent=f"/{podman_service.CGROUP_PARENT}/poduid-1",
            supplemental_groups=(77,),
        )  # fmt: skip
        assert "read-only" in output
        assert "CapEff:\t0000000000000400" in output
        assert "NoNewPrivs:\t1" in output

    async def test_exec_exit_code_output_and_timeout(self, engine: Case) -> None:
        runtime = engine.runtime
        container_id = await runtime.create(engine.spec)
        await runtime.start(container_id)
        result = await runtime.exec(container_id, ("sh", "-c", "echo out; echo err >&2; exit 3"), 10)
        assert (result.exit_code, sorted(result.output.split())) == (3, [b"err", b"out"])
        assert len((await runtime.exec(container_id, ("sh", "-c", "yes | head -c 99999"), 10)).output) == 10 * 1024
        assert (await runtime.exec(container_id, ("/nope",), 10)).exit_code == 127
        with pytest.raises(TimeoutError):
            await runtime.exec(container_id, ("sleep", "77"), 0.3)
        listing = await runtime.exec(container_id, ("sh", "-c", "cat /proc/[0-9]*/cmdline"), 10)
        assert b"sleep\0" + b"77" not in listing.output

    async def test_sessions(self, engine: Case) -> None:
        runtime = engine.runtime
        container_id = await runtime.create(engine.spec)
        await runtime.start(container_id)
        command = ("sh", "-c", "cat; echo done >&2; exit 7")
        session = await runtime.open_exec(container_id, command, stdin=True, tty=False)
        payload = bytes(range(256)) * 2000

        async def send() -> None:
            await session.write(payload)
            await session.close_stdin()

        sending = asyncio.create_task(send())
        received = [chunk async for chunk in session.output()]
        await sending
        assert b"".join(data for number, data in received if number == 1) == payload
        assert b"".join(data for number, data in received if number == 2) == b"done\n"
        assert await session.exit_code() == 7
        await session.close()
        command = ("sh", "-c", "read x; stty size; exit 9")
        terminal = await runtime.open_exec(container_id, command, stdin=True, tty=True)
        await terminal.resize(100, 40)
        await terminal.write(b"go\r")
        assert b"40 100" in b"".join([data async for _, data in terminal.output()])
        assert await terminal.exit_code() == 9
        await terminal.close()
        with pytest.raises(RuntimeFailure):
            await runtime.open_exec("0" * 64, ("true",), stdin=False, tty=False)

    async def test_attach_and_the_log_file(self, engine: Case) -> None:
        runtime, log = engine.runtime, Path(engine.spec.log_path)
        container_id = await runtime.create(replace(engine.spec, command=("cat",), stdin=True))
        await runtime.start(container_id)
        session = await runtime.open_attach(container_id, stdin=True, tty=False)
        await session.write(b"typed\n")
        assert await asyncio.wait_for(anext(session.output()), 10) == (1, b"typed\n")
        await session.close()
        assert " stdout F typed\n" in log.read_text()

    async def test_command_semantics(self, engine: Case) -> None:
        archive = podman_service.image_archive("localhost/entry:latest", entrypoint=("echo", "entry"), command=("cmd",))
        await load(engine.runtime, archive)
        image = await engine.runtime.find_image("entry")
        assert image is not None
        spec = replace(engine.spec, image="entry", image_id=image.id)
        cases = [((), (), "entry cmd"), ((), ("args",), "entry args"), (("echo", "x"), (), "x"),
                 (("echo",), ("y",), "y")]  # fmt: skip
        for attempt, (command, args, _) in enumerate(cases):
            path = f"{spec.log_path}.{attempt}"
            container = replace(spec, command=command, args=args, attempt=attempt, log_path=path)
            await engine.runtime.start(await engine.runtime.create(container))
        async with asyncio.timeout(10):
            while {row.state for row in await engine.runtime.list()} != {State.EXITED}:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        texts = [Path(f"{spec.log_path}.{n}").read_text().split(" F ")[1].strip() for n in range(len(cases))]
        assert texts == [expected for *_, expected in cases]

    async def test_one_that_wants_too_much_memory_is_said_to_be_killed_for_it(self, engine: Case) -> None:
        greedy = replace(engine.spec, attempt=30, memory_limit_bytes=8 * 1024**2,
                         command=("sh", "-c", "busybox tail /dev/zero; exit 137"))
        container_id = await engine.runtime.create(greedy)
        await engine.runtime.start(container_id)
        ended = await until_state(engine, container_id, State.EXITED)
        assert (ended.exit_code, ended.oom_killed) == (137, True)
        killed = await engine.runtime.create(replace(greedy, attempt=31, command=("sleep", "1000")))
        await engine.runtime.start(killed)
        await engine.runtime.kill(killed, "SIGKILL")
        ended = await until_state(engine, killed, State.EXITED)
        assert (ended.exit_code, ended.oom_killed) == (137, False)

    async def test_a_command_that_is_not_there(self, engine: Case) -> None:
        container_id = await engine.runtime.create(replace(engine.spec, command=("/nope",)))
        with pytest.raises(RuntimeFailure, match="not found"):
            await engine.runtime.start(container_id)
        assert (await only(engine.runtime)).state is State.CREATED


class TestFaults:
    async def test_pull_without_a_registry(self, engine: Case) -> None:
        with pytest.raises(RegistryUnavailable) as caught:
            await engine.runtime.pull("127.0.0.1:1/nope/nope:1")
        assert "127.0.0.1:1" in str(caught.value)
        assert "\n" not in str(caught.value)

    async def test_an_archive_that_is_none(self, engine: Case) -> None:
        with pytest.raises(RuntimeFailure) as caught:
            await load(engine.runtime, b"this is no archive")
        assert "\n" not in str(caught.value)

    async def test_an_engine_that_is_away(self, tmp_path: Path) -> None:
        runtime = Podman(str(tmp_path / "none.sock"), SystemClock())
        with pytest.raises(EngineAway):
            await runtime.list()
        with pytest.raises(EngineAway):
            await runtime.open_attach("x", stdin=False, tty=False)
        with pytest.raises(EngineAway):
            await anext(runtime.changes())
        await runtime.close()

    async def test_an_engine_that_leaves_in_the_middle(self, tmp_path: Path) -> None:
        path = tmp_path / "s"

        async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[")
            writer.close()

        server = await asyncio.start_unix_server(leave, str(path))
        runtime = Podman(str(path), SystemClock())
        with pytest.raises(EngineAway):
            await runtime.list()
        server.close()
        await runtime.close()
