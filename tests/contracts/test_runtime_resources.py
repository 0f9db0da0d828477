"""What every Runtime promises about control groups and disk, on a private Podman service and on the fake; and the
groups of pods on this machine's own trees."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edge.agent import cgroups, machine, sampling, usage
from edge.agent.cgroup_files import ROOT, PodGroups
from edge.agent.cgroups import Amounts, PodGroup
from edge.clock import SystemClock
from edge.runtime.containers import Container, ContainerSpec, Image, State
from edge.runtime.interface import Runtime
from edge.runtime.podman import Podman
from tests.contracts import podman_service
from tests.fakes.runtime import FakeRuntime

IMAGE = "localhost/hello:latest"
MIB = 1024**2
HUNGRY = ("sh", "-c", "x=a; while true; do x=$x$x; done")


@dataclass
class Case:
    """A runtime with the image IMAGE and a spec of a container that sleeps."""

    runtime: Runtime
    spec: ContainerSpec
    real: bool

    async def run(self, **changes: object) -> Container:
        made = await self.runtime.create(replace(self.spec, **changes))  # type: ignore[arg-type]
        await self.runtime.start(made)
        return await self.seen(made)

    async def seen(self, container_id: str) -> Container:
        return next(each for each in await self.runtime.list() if each.id == container_id)

    async def ended(self, container_id: str) -> Container:
        async with asyncio.timeout(30):
            while True:
                found = await self.seen(container_id)
                if found.state is State.EXITED:
                    return found
                await asyncio.sleep(0.05)


@pytest.fixture(params=["fake", "podman"])
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Case]:
    spec = ContainerSpec(
        pod_uid="uid-1", pod_name="web", namespace="default", name="main", attempt=0, spec_hash="h", image="hello",
        image_id="", command=("sleep", "1000"), log_path=str(tmp_path / "main/0.log"))
    if request.param == "fake":
        fake = FakeRuntime(SystemClock())
        fake.registry["hello"] = Image(id="1" * 64, names=(IMAGE,))
        runtime: Runtime = fake
        await runtime.pull("hello")
    else:
        service: podman_service.PodmanService = request.getfixturevalue("podman")
        runtime = Podman(str(service.socket), SystemClock())
        archive = podman_service.image_archive(IMAGE)

        async def chunks() -> AsyncIterator[bytes]:
            yield archive

        await runtime.load(chunks())
    image = await runtime.find_image("hello")
    assert image is not None
    async with podman_service.cleared(runtime):
        yield Case(runtime, replace(spec, image_id=image.id), request.param == "podman")


@pytest.fixture
def engine(case: Case) -> Case:
    """The case where containers are processes."""
    if not case.real:
        pytest.skip("the fake runs no processes")
    return case


@pytest.fixture
async def groups(case: Case) -> AsyncIterator[PodGroups]:
    """The groups of pods in this machine's own trees."""
    if os.geteuid() != 0 or not any(os.access(path, os.W_OK) for path in (ROOT / "memory", ROOT / "cgroup.procs")):
        pytest.skip("the control groups here cannot be written")
    made = PodGroups(case.runtime, podman_service.CGROUP_PARENT, lambda: cgroups.top(2000, 1024 * MIB), lambda: None)
    yield made
    for container in await case.runtime.list():
        await case.runtime.remove(container.id)
    for uid in await made.found():
        await made.remove(uid)


async def test_who_keeps_the_groups_is_known(case: Case) -> None:
    assert await case.runtime.cgroup_manager() in ("cgroupfs", "systemd")


async def test_what_a_container_has_written_is_measured(case: Case) -> None:
    running = await case.run()
    if isinstance(case.runtime, FakeRuntime):
        case.runtime.layers[running.id] = 3 * MIB
    else:
        await case.runtime.exec(running.id, ("dd", "if=/dev/zero", "of=/tmp/big", "bs=1048576", "count=3"), 20)
    sizes = await case.runtime.layer_sizes([running.id])
    assert 3 * MIB <= sizes[running.id] < 4 * MIB


async def test_only_what_is_asked_for_is_measured_and_what_is_gone_left_out(case: Case) -> None:
    running = await case.run()
    assert await case.runtime.layer_sizes([]) == {}
    assert set(await case.runtime.layer_sizes([running.id, "0" * 64])) == {running.id}


def read(container: Container, controller: str, v1: str, v2: str) -> str:
    paths = usage.parse_groups(Path(f"/proc/{container.pid}/cgroup").read_text())
    if controller in paths:
        return (ROOT / controller / paths[controller].lstrip("/") / v1).read_text().strip()
    return (ROOT / usage.container_group(paths[""], container.id).lstrip("/") / v2).read_text().strip()


class TestInThePodsGroup:
    async def test_a_container_runs_below_its_pods_group_which_bounds_it(self, engine: Case,
                                                                         groups: PodGroups) -> None:
        amounts = Amounts(cpu_shares=512, cpu_quota_microseconds=50_000, memory_bytes=64 * MIB, pids=50)
        await groups.make(PodGroup("uid-1", "Burstable", amounts))
        assert groups.tree is not None
        running = await engine.run(cgroup_parent=cgroups.branch(groups.tree, "Burstable", "uid-1"),
                                   memory_limit_bytes=32 * MIB, cpu_request_milli=250, cpu_limit_milli=500)
        assert read(running, "memory", "memory.limit_in_bytes", "memory.max") == str(32 * MIB)
        assert read(running, "memory", "../memory.limit_in_bytes", "../memory.max") == str(64 * MIB)
        assert read(running, "cpu", "cpu.shares", "cpu.weight") in ("256", "10")
        assert read(running, "cpu", "../cpu.cfs_quota_us", "../cpu.max").split()[0] == "50000"
        assert read(running, "pids", "../pids.max", "../pids.max") == "50"

    async def test_the_engines_own_processes_are_not_the_pods(self, engine: Case, groups: PodGroups) -> None:
        await groups.make(PodGroup("uid-1", "BestEffort", Amounts()))
        assert groups.tree is not None
        running = await engine.run(cgroup_parent=cgroups.branch(groups.tree, "BestEffort", "uid-1"))
        await engine.runtime.exec(running.id, ("true",), 10)
        paths = usage.parse_groups(Path(f"/proc/{running.pid}/cgroup").read_text())
        top = ROOT / "memory" if "memory" in paths else ROOT
        pod = top / usage.pod_group(paths.get("memory", paths.get("", "")), "uid-1").lstrip("/")
        assert [path.name for path in pod.iterdir() if path.is_dir()] == [f"libpod-{running.id}"]

    async def test_nothing_is_left_when_the_pod_is_gone(self, case: Case, groups: PodGroups) -> None:
        await groups.make(PodGroup("uid-1", "Guaranteed", Amounts(memory_bytes=64 * MIB)))
        assert groups.tree is not None
        if case.real:
            running = await case.run(cgroup_parent=cgroups.branch(groups.tree, "Guaranteed", "uid-1"))
            await case.runtime.remove(running.id)
        assert groups.exists("uid-1")
        await groups.remove("uid-1")
        assert not groups.exists("uid-1")
        path = cgroups.path(groups.tree, "Guaranteed", "uid-1")
        assert [tree for tree in ROOT.iterdir() if (tree / path).exists()] == []

    async def test_a_group_costs_a_pods_start_little(self, case: Case, groups: PodGroups) -> None:
        await groups.make(PodGroup("uid-0", "Burstable", Amounts()))
        began = time.process_time()
        for number in range(10):
            await groups.make(PodGroup(f"uid-{number}", "Burstable", Amounts(cpu_shares=100 + number)))
        # Of this process's own time, so that a busy machine changes nothing; 20 ms a pod is what may be spent.
        assert (time.process_time() - began) / 10 < 0.02

    async def test_the_use_of_a_pod_is_that_of_its_group(self, engine: Case, groups: PodGroups) -> None:
        await groups.make(PodGroup("uid-1", "Burstable", Amounts(memory_bytes=64 * MIB)))
        assert groups.tree is not None
        running = await engine.run(cgroup_parent=cgroups.branch(groups.tree, "Burstable", "uid-1"))
        paths = usage.parse_groups(Path(f"/proc/{running.pid}/cgroup").read_text())
        assert usage.pod_group(paths.get("memory", paths.get("", "")), "uid-1").endswith("poduid-1")
        whole = groups.all_pods()
        assert whole is not None
        used = sampling.memory_of(whole)
        assert used is not None
        assert 0 < used < 64 * MIB


class TestOutOfMemory:
    @pytest.fixture(autouse=True)
    def _heard(self, engine: Case) -> None:
        if not os.access("/dev/kmsg", os.R_OK):
            pytest.skip("the kernel's log cannot be read here")

    async def test_a_container_beyond_its_limit_is_killed_and_says_so(self, engine: Case) -> None:
        hungry = await engine.run(command=HUNGRY, memory_limit_bytes=16 * MIB)
        ended = await engine.ended(hungry.id)
        assert (ended.oom_killed, ended.exit_code) == (True, 137)

    async def test_a_container_that_ends_because_its_child_was_killed_says_so(self, engine: Case) -> None:
        script = "sh -c 'x=a; while true; do x=$x$x; done'; exit 3"
        ended = await engine.ended((await engine.run(command=("sh", "-c", script), memory_limit_bytes=16 * MIB)).id)
        assert (ended.oom_killed, ended.exit_code) == (True, 3)

    async def test_a_command_beyond_the_limit_is_killed_and_the_container_runs_on(self, engine: Case) -> None:
        running = await engine.run(memory_limit_bytes=16 * MIB)
        result = await engine.runtime.exec(running.id, HUNGRY, 30)
        assert result.exit_code == 137
        assert (await engine.seen(running.id)).state is State.RUNNING

    async def test_a_container_that_ends_otherwise_does_not(self, engine: Case) -> None:
        ended = await engine.ended((await engine.run(command=("sh", "-c", "exit 3"))).id)
        assert (ended.oom_killed, ended.exit_code) == (False, 3)


async def test_how_ready_the_kernel_is_to_kill_it(engine: Case) -> None:
    running = await engine.run(oom_score=750)
    assert Path(f"/proc/{running.pid}/oom_score_adj").read_text().strip() == "750"


async def test_a_score_as_low_as_this_program_may_give_works(engine: Case) -> None:
    lowest = max(-997, machine.least_oom_score())
    running = await engine.run(oom_score=lowest)
    assert Path(f"/proc/{running.pid}/oom_score_adj").read_text().strip() == str(lowest)


async def test_a_limit_of_processes(engine: Case) -> None:
    running = await engine.run(pids_limit=33)
    assert read(running, "pids", "pids.max", "pids.max") == "33"
