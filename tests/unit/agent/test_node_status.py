"""What a node says of itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.agent import node_status
from edge.agent.node_status import Given, Machine
from edge.api import core
from edge.runtime.containers import Image

GIB = 1024**3
MACHINE = Machine(cpu_milli=4000, memory_bytes=GIB, memory_available_bytes=GIB // 2, disk_bytes=100 * GIB,
                  disk_available_bytes=50 * GIB, inodes=1000, inodes_free=900, pids=100, pids_limit=32768,
                  kernel_version="6.6", os_image="Debian", machine="aarch64", boot_id="b")
GIVEN = Given(name="node-1", address="10.0.0.2")


def made(machine: Machine = MACHINE, given: Given = GIVEN, *, images: tuple[Image, ...] = (), problem: str = "",
         previous: core.NodeStatus | None = None, runtime: str = "podman://4.3.1",
         now: str = "2030-01-01T00:00:00Z") -> core.NodeStatus:
    return node_status.node_status(machine, given, runtime_version=runtime, images=images, problem=problem,
                                   previous=previous, now=now)


def conditions(status: core.NodeStatus) -> dict[str, str]:
    return {each.type: each.status for each in status.conditions}


def test_capacity_is_what_the_machine_has_unless_it_is_given() -> None:
    status = made()
    assert status.capacity == {"cpu": "4", "memory": "1048576Ki", "ephemeral-storage": f"{100 * GIB // 1024}Ki",
                               "pods": "110"}
    assert status.allocatable["memory"] == f"{(GIB - 100 * 1024**2) // 1024}Ki"
    assert status.allocatable["ephemeral-storage"] == str(90 * GIB)
    smaller = made(given=replace(GIVEN, cpu_milli=1500, memory_bytes=50 * 1024**2))
    assert (smaller.capacity["cpu"], smaller.allocatable["memory"]) == ("1500m", "0Ki")


@pytest.mark.parametrize(("machine", "true"), [
    (MACHINE, {"Ready"}),
    (replace(MACHINE, memory_available_bytes=99 * 1024**2), {"Ready", "MemoryPressure"}),
    (replace(MACHINE, disk_available_bytes=9 * GIB), {"Ready", "DiskPressure"}),
    (replace(MACHINE, inodes_free=49), {"Ready", "DiskPressure"}),
    (replace(MACHINE, inodes=0, inodes_free=0), {"Ready"}),
    (replace(MACHINE, pids=30_000), {"Ready", "PIDPressure"}),
    (replace(MACHINE, pids=30_000, pids_limit=0), {"Ready"}),
])
def test_conditions(machine: Machine, true: set[str]) -> None:
    assert {kind for kind, said in conditions(made(machine)).items() if said == "True"} == true


def test_a_problem_is_the_message_of_not_ready() -> None:
    ready = made(problem="container runtime is down: gone").conditions[-1]
    assert (ready.type, ready.status, ready.reason, ready.message) == (
        "Ready", "False", "KubeletNotReady", "container runtime is down: gone")


def test_only_time_passing_is_no_difference() -> None:
    first = made()
    later = made(previous=first, now="2030-01-01T00:10:00Z")
    assert not node_status.differs(later, first)
    assert later.conditions[-1].last_transition_time == "2030-01-01T00:00:00Z"
    assert later.conditions[-1].last_heartbeat_time == "2030-01-01T00:10:00Z"
    broken = made(previous=first, problem="x", now="2030-01-01T00:10:00Z")
    assert node_status.differs(broken, first)
    assert broken.conditions[-1].last_transition_time == "2030-01-01T00:10:00Z"
    assert node_status.differs(first, None)
    busy = replace(MACHINE, memory_available_bytes=GIB // 3, pids=200, disk_available_bytes=49 * GIB)
    assert not node_status.differs(made(busy, previous=first), first)


def test_the_engines_version_is_kept_while_it_is_away() -> None:
    assert made(previous=made(), runtime="").node_info.container_runtime_version == "podman://4.3.1"
    assert made(runtime="").node_info.container_runtime_version == ""


def test_the_largest_images_are_listed_first_and_nameless_ones_not_at_all() -> None:
    images = tuple(Image(id=f"{number:03}", names=(f"i{number}",), size_bytes=number) for number in range(60))
    found = made(images=(*images, Image(id="x", names=(), size_bytes=10**9))).images
    assert [image.names for image in found[:2]] == [("i59",), ("i58",)]
    assert len(found) <= node_status.MOST_IMAGES


def test_addresses_and_architecture() -> None:
    status = made()
    assert [(each.type, each.address) for each in status.addresses] == [
        ("InternalIP", "10.0.0.2"), ("Hostname", "node-1")]
    assert [each.type for each in made(given=replace(GIVEN, address="")).addresses] == ["Hostname"]
    assert status.node_info.architecture == "arm64"
    assert made(replace(MACHINE, machine="s390x")).node_info.architecture == "s390x"
