"""What every Runtime promises of the life of a pod: stop signals, shared processes, shared memory."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edge.agent import execute_shared, files, processes
from edge.agent.actions import ShareMemory, StartPause
from edge.clock import SystemClock
from edge.runtime.containers import STOP_SIGNAL, Container, ContainerSpec, Image, Mount, State
from edge.runtime.interface import Runtime
from edge.runtime.podman import Podman
from tests.contracts import podman_service
from tests.fakes.runtime import FakeRuntime

PLAIN, ASKING = "localhost/plain:1", "localhost/asking:1"
TRAPS = "trap 'exit 11' USR1; trap 'exit 12' TERM; echo up; while :; do sleep 0.05; done"


@dataclass
class Case:
    """A runtime with two images, one of which asks to be stopped with SIGUSR1."""

    runtime: Runtime
    spec: ContainerSpec
    real: bool
    shared: Path
    """A directory in which mounts are seen by the engine."""


@pytest.fixture(scope="module")
def shared() -> Iterator[Path]:
    """Shared memory that is there before the engine: it may run in a mount namespace of its own."""
    directory = Path(tempfile.mkdtemp(prefix="edge-shared-", dir="/tmp"))
    try:
        execute_shared._share_memory(directory / "_ipc")  # the action's own work, in no event loop
        yield directory / "_ipc"
    finally:
        files.remove((str(directory),))
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def podman(shared: Path) -> Iterator[podman_service.PodmanService]:
    if reason := podman_service.missing():
        pytest.skip(f"no Podman: {reason}")
    with podman_service.running() as service:
        yield service


async def load(runtime: Runtime, name: str, stop_signal: str) -> None:
    async def archive() -> AsyncIterator[bytes]:
        yield podman_service.image_archive(name, stop_signal=stop_signal)
    await runtime.load(archive())


@pytest.fixture(params=["fake", "podman"])
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Case]:
    if request.param == "fake":
        fake = FakeRuntime(SystemClock())
        fake.local = {name: Image(id=name, names=(name,)) for name in (PLAIN, ASKING)}
        fake.stop_signals[ASKING] = "SIGUSR1"
        runtime: Runtime = fake
        shared = tmp_path
    else:
        service: podman_service.PodmanService = request.getfixturevalue("podman")
        shared = request.getfixturevalue("shared")
        runtime = Podman(str(service.socket), SystemClock())
        await load(runtime, PLAIN, "")
        await load(runtime, ASKING, "SIGUSR1")
    image = await runtime.find_image(PLAIN)
    assert image is not None
    spec = ContainerSpec(pod_uid="uid-1", pod_name="web", namespace="default", name="main", attempt=0, spec_hash="h",
                         image=PLAIN, image_id=image.id, command=("sleep", "1000"),
                         log_path=str(tmp_path / "main/0.log"))
    async with podman_service.cleared(runtime):
        yield Case(runtime, spec, request.param == "podman", shared)


async def started(case: Case, spec: ContainerSpec) -> Container:
    container_id = await case.runtime.create(spec)
    await case.runtime.start(container_id)
    return await seen(case, container_id)


async def seen(case: Case, container_id: str, state: State = State.RUNNING) -> Container:
    async with asyncio.timeout(20):
        while True:
            for row in await case.runtime.list():
                if row.id == container_id and row.state is state:
                    return row
            await asyncio.sleep(0.05)


async def output(case: Case, container: Container, script: str) -> str:
    result = await case.runtime.exec(container.id, ("sh", "-c", script), 10)
    return result.output.decode()


@pytest.mark.parametrize(("image", "code"), [(PLAIN, 12), (ASKING, 11)])
async def test_the_image_says_by_which_signal_it_is_stopped(case: Case, image: str, code: int) -> None:
    found = await case.runtime.find_image(image)
    assert found is not None
    container = await started(case, replace(case.spec, image=image, image_id=found.id, command=("sh", "-c", TRAPS)))
    async with asyncio.timeout(10):
        while case.real and "up" not in Path(case.spec.log_path).read_text():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    await case.runtime.kill(container.id, STOP_SIGNAL)
    ended = await seen(case, container.id, State.EXITED)
    assert ended.exit_code == (code if case.real else {PLAIN: 128 + 15, ASKING: 128 + 10}[image])
    await case.runtime.kill(container.id, STOP_SIGNAL)


async def pause(case: Case, tmp_path: Path) -> Container:
    spec = replace(case.spec, name=processes.PAUSE, image="", image_id="", rootfs=str(tmp_path / "pause"),
                   command=processes.PROGRAM, log_path="", read_only_root=True, no_new_privileges=True,
                   capabilities_drop=("ALL",))
    await execute_shared.perform(StartPause(spec), case.runtime)
    (found,) = (row for row in await case.runtime.list() if row.name == processes.PAUSE)
    return found


async def test_what_holds_the_processes_of_a_pod_is_found_again_and_goes(case: Case, tmp_path: Path) -> None:
    held = await pause(case, tmp_path)
    assert (held.pod_uid, held.state, held.pid > 0) == ("uid-1", State.RUNNING, True)
    # Once more, as after a start that was cut off.
    again = await pause(case, tmp_path)
    assert again.state is State.RUNNING
    await case.runtime.remove(again.id)
    assert await case.runtime.list() == ()


async def test_containers_see_each_others_processes(case: Case, tmp_path: Path) -> None:
    if not case.real:
        pytest.skip("the fake runs no commands")
    held = await pause(case, tmp_path)
    namespace = f"/proc/{held.pid}/ns/pid"
    one = await started(case, replace(case.spec, pid_namespace=namespace, labels={processes.OWNER: held.id}))
    other = await started(case, replace(case.spec, name="other", pid_namespace=namespace, command=("sleep", "2000"),
                                        log_path=str(tmp_path / "other.log")))
    assert one.labels[processes.OWNER] == held.id
    shown = await output(case, one, "for p in /proc/[0-9]*; do echo $(cat $p/cmdline | head -c 100); done")
    assert "sleep2000" in shown
    assert "/pause-P" in shown
    # One may signal the other, and it is restarted in the same namespace.
    kill = 'for p in /proc/[0-9]*; do case "$(cat $p/cmdline)" in sleep2000) kill -9 ${p#/proc/};; esac; done'
    await output(case, one, kill)
    await seen(case, other.id, State.EXITED)
    back = await started(case, replace(case.spec, name="other", attempt=1, pid_namespace=namespace,
                                       log_path=str(tmp_path / "other1.log")))
    assert back.state is State.RUNNING
    # The kernel ends all of them with what holds the namespace.
    await case.runtime.kill(held.id, "SIGKILL")
    assert (await seen(case, one.id, State.EXITED)).exit_code == 137


async def test_one_container_looks_into_another(case: Case, tmp_path: Path) -> None:
    if not case.real:
        pytest.skip("the fake runs no commands")
    target = await started(case, replace(case.spec, command=("sleep", "3000")))
    debugger = await started(case, replace(case.spec, name="debugger", pid_namespace=f"/proc/{target.pid}/ns/pid",
                                           log_path=str(tmp_path / "debugger.log")))
    assert "sleep\0" + "3000" in await output(case, debugger, "cat /proc/1/cmdline")
    await case.runtime.kill(target.id, "SIGKILL")
    await seen(case, debugger.id, State.EXITED)
    # What it looked into can be removed before it.
    await case.runtime.remove(target.id)


async def test_a_namespace_that_is_gone_is_an_error_of_the_container(case: Case) -> None:
    if not case.real:
        pytest.skip("the fake has no namespaces")
    with pytest.raises(Exception, match="namespace"):
        await case.runtime.start(await case.runtime.create(replace(case.spec, pid_namespace="/proc/0/ns/pid")))


async def test_containers_share_their_memory(case: Case, tmp_path: Path) -> None:
    if not case.real:
        pytest.skip("the fake has no memory")
    assert execute_shared.has_shared_memory(str(case.shared))
    shares = replace(case.spec, ipc_namespace=f"{case.shared}/ipc", mounts=(
        Mount(source=f"{case.shared}/shm", destination=processes.SHARED_MEMORY),))
    one = await started(case, shares)
    other = await started(case, replace(shares, name="other", log_path=str(tmp_path / "other.log")))
    await output(case, one, "echo hello > /dev/shm/note")
    assert await output(case, other, "cat /dev/shm/note") == "hello\n"
    assert "size=65536k" in await output(case, other, "grep ' /dev/shm ' /proc/mounts")
    namespaces = {Path(f"/proc/{each.pid}/ns/ipc").readlink() for each in (one, other)}
    assert len(namespaces) == 1
    assert namespaces != {Path("/proc/self/ns/ipc").readlink()}


async def test_shared_memory_goes_with_the_pods_directory(tmp_path: Path) -> None:
    if reason := podman_service.missing():
        pytest.skip(reason)
    directory = tmp_path / "pod"
    await execute_shared.perform(ShareMemory(f"{directory}/_ipc"), FakeRuntime(SystemClock()))
    assert execute_shared.has_shared_memory(f"{directory}/_ipc")
    files.remove((str(directory),))
    assert not directory.exists()
    assert str(directory) not in Path("/proc/self/mountinfo").read_text()


def test_the_pause_program_is_small() -> None:
    program = next((path for path in execute_shared.PROGRAMS if path.exists()), None)
    if program is None:
        pytest.skip("catatonit is not installed")
    assert "catatonit" in subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
