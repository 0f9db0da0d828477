"""A node that runs short: what it says, whom it ends and in which order, on fake numbers of a machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from edge.agent import eviction, usage
from edge.agent.disk_use import DiskUse
from edge.agent.node_status import Given, Machine
from edge.agent.pressure import Pressure
from edge.api import core, meta
from edge.runtime.containers import Container, State
from tests.fakes.node import FakeNode, pod

GIB, MIB = 1024**3, 1024**2
WELL = Machine(cpu_milli=4000, memory_bytes=GIB, memory_available_bytes=GIB // 2, disk_bytes=100 * GIB,
               disk_available_bytes=50 * GIB, inodes=1000, inodes_free=900)
NO_MEMORY = replace(WELL, memory_available_bytes=50 * MIB)
NO_DISK = replace(WELL, disk_available_bytes=GIB)


class Images:
    """Images that nobody uses, of which freeing brings so many bytes."""

    def __init__(self, node: Short) -> None:
        self.node, self.asked, self.brings = node, 0, 0

    async def reclaim(self) -> int:
        self.asked += 1
        found = self.node.machine
        self.node.machine = replace(found, disk_available_bytes=found.disk_available_bytes + self.brings)
        return self.brings


class Short(FakeNode):
    """A node with numbers that a test sets."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.machine = WELL
        self.memory: dict[str, int] = {}
        """By container name: its working set."""
        self.images = Images(self)
        self.given = Given(name="node-1", address="10.0.0.2")

    async def start(self) -> None:
        await super().start()
        self.pressure = Pressure(
            lambda: self.given, str(self.directory / "data"), pods=self.agent.pods, runtime=self.runtime,
            reporter=self.agent.reporter, sampler=self, disks=DiskUse(self.runtime, lambda: self.agent.around),
            clock=self.clock, changed=self.agent.watch.look, reclaims=(self.images,),
            read=lambda data_dir, image_dir: self.machine)
        self.agent.watch.ask(self.pressure)
        self.agent.pressures = self.pressure.holding
        self.supervisor.start("pressure", self.pressure.run)

    def round(self, containers: tuple[Container, ...]) -> usage.Round:
        samples = {each.id: usage.Sample(cpu_nanoseconds=0, memory_bytes=0, working_set_bytes=self.memory[each.name])
                   for each in containers if each.name in self.memory}
        return usage.Round(self.clock.monotonic(), self.clock.now(), samples)

    async def run(self, name: str, memory: int = 0, *, request: str = "", priority: int | None = None,
                  limits: dict[str, meta.Quantity] | None = None, volumes: tuple[core.Volume, ...] = (),
                  **metadata: dict[str, str]) -> None:
        """Have a pod run that uses so much memory."""
        self.memory[name] = memory
        resources = core.ResourceRequirements(requests={"memory": request} if request else {}, limits=limits or {})
        made = pod(name, name, resources=resources)
        spec = msgspec.structs.replace(made.spec, priority=priority, volumes=volumes)
        await self.want(msgspec.structs.replace(made, spec=spec, metadata=msgspec.structs.replace(
            made.metadata, **metadata)))

    async def all_ready(self) -> None:
        await self.until(lambda: all(self.ready(uid) for uid in self.pods))

    def evicted(self) -> list[str]:
        """Return the pods that were ended, in that order."""
        found = []
        for reason, message in self.events():
            if reason == "Evicted":
                found.append(message)
        return found

    def condition(self, kind: str) -> str:
        status = self.agent.watch.status
        return next((each.status for each in status.conditions if each.type == kind), "") if status else ""


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Short]:
    made = Short(tmp_path)
    await made.serve()
    yield made
    await made.stop()


async def test_a_node_that_is_well_ends_nobody(node: Short) -> None:
    await node.run("web", 900 * MIB)
    await node.start()
    await node.all_ready()
    await node.pass_time(60)
    assert node.evicted() == []
    assert [node.condition(kind) for kind in eviction.CONDITIONS.values()] == ["False"] * len(eviction.CONDITIONS)


async def test_the_one_furthest_beyond_its_request_goes_first_with_the_kubelets_words(node: Short) -> None:
    await node.run("within", 100 * MIB, request="200Mi")
    await node.run("small", 50 * MIB)
    await node.run("large", 300 * MIB)
    await node.start()
    await node.all_ready()
    node.machine = NO_MEMORY
    await node.until(lambda: node.status("large").phase == "Failed")
    status = node.status("large")
    assert (status.reason, status.message) == ("Evicted", (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
        "Container large was using 300Mi, request is 0, has larger consumption of memory. "))
    said = next(each for each in status.conditions if each.type == "DisruptionTarget")
    assert (said.status, said.reason, said.message) == ("True", "TerminationByKubelet", status.message)
    assert ("EvictionThresholdMet", "Attempting to reclaim memory") in node.events()
    node.machine = WELL
    await node.pass_time(30)
    assert len(node.evicted()) == 1
    assert node.ready("small")


async def test_one_after_the_other_goes_until_the_node_is_well_and_the_important_ones_stay(node: Short) -> None:
    await node.run("important", 400 * MIB, priority=1000)
    await node.run("plain", 300 * MIB)
    await node.run("critical", 500 * MIB, priority=2_000_000_000)
    await node.run("static", 500 * MIB, annotations={"kubernetes.io/config.source": "file"})
    await node.start()
    await node.all_ready()
    node.machine = NO_MEMORY
    await node.until(lambda: node.status("important").phase == "Failed", seconds=120)
    assert ["plain" in node.evicted()[0], "important" in node.evicted()[1]] == [True, True]
    await node.pass_time(60)
    assert len(node.evicted()) == 2
    assert node.ready("critical")
    assert node.ready("static")


async def test_a_hard_eviction_leaves_a_second_and_then_kills(node: Short) -> None:
    await node.run("web", 100 * MIB)
    node.runtime.ignores_sigterm.add("web")
    await node.start()
    await node.all_ready()
    node.machine = NO_MEMORY
    await node.until(lambda: "kill web SIGTERM" in node.runtime.calls)
    began = node.clock.monotonic()
    assert node.status("web").phase == "Running"
    await node.until(lambda: node.status("web").phase == "Failed")
    assert node.clock.monotonic() - began < 5
    assert "kill web SIGKILL" in node.runtime.calls


async def test_the_condition_stays_for_five_minutes_so_that_it_does_not_swing(node: Short) -> None:
    await node.start()
    await node.until(lambda: node.condition("MemoryPressure") == "False")
    node.machine = NO_MEMORY
    await node.until(lambda: node.condition("MemoryPressure") == "True", seconds=30)
    node.machine = WELL
    await node.pass_time(250)
    assert node.condition("MemoryPressure") == "True"
    await node.pass_time(80)
    assert node.condition("MemoryPressure") == "False"


async def test_a_soft_threshold_waits_for_its_grace_and_gives_the_pod_time(node: Short) -> None:
    soft = eviction.rules({}, {eviction.MEMORY: "600Mi"}, {eviction.MEMORY: 60.0}, {}, max_pod_grace_seconds=15)
    node.given = replace(node.given, eviction=soft)
    await node.run("web", 100 * MIB)
    node.runtime.ignores_sigterm.add("web")
    node.machine = replace(WELL, memory_available_bytes=GIB)
    await node.start()
    await node.all_ready()
    node.machine = WELL
    await node.until(lambda: node.condition("MemoryPressure") == "True", seconds=30)
    await node.pass_time(40)
    assert node.evicted() == []
    await node.until(lambda: "kill web SIGTERM" in node.runtime.calls)
    began = node.clock.monotonic()
    await node.until(lambda: "kill web SIGKILL" in node.runtime.calls)
    assert 14 <= node.clock.monotonic() - began <= 17


async def test_unused_images_go_before_any_pod(node: Short) -> None:
    node.images.brings = 50 * GIB
    await node.run("web", 0)
    await node.start()
    await node.all_ready()
    node.machine = NO_DISK
    await node.until(lambda: node.images.asked > 0)
    await node.pass_time(60)
    assert node.images.asked == 1
    assert node.evicted() == []


async def test_where_freeing_is_not_enough_the_pod_with_most_on_the_disk_goes_with_all_of_it(node: Short) -> None:
    await node.run("small", 0)
    await node.run("large", 0)
    await node.start()
    await node.all_ready()
    node.runtime.layers = {node.runtime.by_name("large").id: 500 * MIB, node.runtime.by_name("small").id: MIB}
    node.machine = NO_DISK
    await node.until(lambda: node.status("large").phase == "Failed", seconds=120)
    assert node.images.asked
    # 500Mi, and the directory of its log.
    assert "Container large was using 51200" in node.evicted()[0]
    node.machine = WELL
    # Its containers and files are gone, which is what it was ended for; its status stays.
    await node.until(lambda: all(each.pod_uid != "large" for each in node.runtime.containers.values()))
    assert node.status("large").container_statuses[0].state.terminated is not None


async def test_a_finished_container_before_the_last_goes_when_the_disk_is_short(node: Short) -> None:
    await node.run("web", 0)
    await node.start()
    await node.all_ready()
    node.runtime.exit("web", 1)
    await node.until(lambda: node.runtime.by_name("web").attempt == 1 and node.ready("web"))
    assert len(node.runtime.containers) == 2
    node.given = replace(node.given, eviction=eviction.rules({eviction.NODE_DISK: "10%"}, {}, {}, {}))
    node.images.brings = 50 * GIB
    node.machine = NO_DISK
    await node.until(lambda: len(node.runtime.containers) == 1, seconds=90)
    assert node.runtime.by_name("web").state is State.RUNNING


async def test_a_pod_that_writes_more_than_it_may_goes_on_a_node_that_is_well(node: Short) -> None:
    await node.run("web", 0, limits={"ephemeral-storage": "10Mi"})
    await node.run("free", 0)
    await node.start()
    await node.all_ready()
    node.runtime.layers = {container.id: 11 * MIB for container in node.runtime.containers.values()}
    await node.until(lambda: node.status("web").phase == "Failed", seconds=120)
    assert node.status("web").message == \
        "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. "
    assert node.ready("free")


async def test_an_empty_dir_beyond_its_size_ends_the_pod(node: Short, tmp_path: Path) -> None:
    empty = core.Volume(name="data", empty_dir=core.EmptyDirVolumeSource(size_limit="1Mi"))
    await node.run("web", 0, volumes=(empty,))
    await node.start()
    await node.all_ready()
    (tmp_path / "data/pods/web/volumes/data/big").write_bytes(b"x" * 2 * MIB)
    await node.until(lambda: node.status("web").phase == "Failed", seconds=120)
    assert node.status("web").message == 'Usage of EmptyDir volume "data" exceeds the limit "1Mi". '
    await node.until(lambda: not (tmp_path / "data/pods/web/volumes").exists())


async def test_pods_without_limits_are_not_measured(node: Short) -> None:
    await node.run("web", 0)
    await node.start()
    await node.all_ready()
    await node.pass_time(60)
    assert "sizes" not in node.runtime.calls


async def test_a_node_under_pressure_refuses_a_pod_that_asks_for_nothing(node: Short) -> None:
    await node.start()
    node.machine = NO_MEMORY
    await node.until(lambda: node.condition("MemoryPressure") == "True", seconds=30)
    node.machine = WELL
    await node.run("new", 0)
    await node.run("asking", 0, request="10Mi")
    await node.until(lambda: node.status("new").phase == "Failed")
    assert (node.status("new").reason, node.status("new").message) == (
        "Evicted", "Pod was rejected: The node had condition: [MemoryPressure]. ")
    await node.until(lambda: node.ready("asking"))


async def test_an_agent_that_is_started_anew_does_not_bring_an_evicted_pod_back(node: Short) -> None:
    await node.run("web", 300 * MIB)
    await node.start()
    await node.all_ready()
    node.machine = NO_MEMORY
    await node.until(lambda: node.status("web").phase == "Failed")
    message = node.status("web").message
    await node.stop()
    node.machine = WELL
    seen = len(node.reports("web"))
    await node.start()
    await node.until(lambda: len(node.reports("web")) > seen)
    await node.pass_time(20)
    assert (node.status("web").phase, node.status("web").reason) == ("Failed", "Evicted")
    assert node.status("web").message == message
    assert all(each.state is not State.RUNNING for each in node.runtime.containers.values())


async def test_an_engine_that_does_not_answer_ends_nobody(node: Short) -> None:
    await node.run("web", 300 * MIB)
    await node.start()
    await node.all_ready()
    node.runtime.go_away()
    node.machine = NO_MEMORY
    await node.until(lambda: node.condition("MemoryPressure") == "True", seconds=60)
    assert node.evicted() == []
