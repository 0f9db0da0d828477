"""What a node says of itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.agent import eviction, node_status
from edge.agent.node_status import Given, Machine
from edge.api import core
from edge.runtime.containers import Image

GIB = 1024**3
MIB = 1024**2
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
    smaller = made(given=replace(GIVEN, cpu_milli=1500, memory_bytes=50 * MIB, max_pods=20))
    assert (smaller.capacity["cpu"], smaller.capacity["pods"], smaller.allocatable["pods"]) == ("1500m", "20", "20")
    # Less than eviction keeps free: there is nothing to give away.
    assert smaller.allocatable["memory"] == "0Ki"


def test_what_pods_may_be_promised_is_without_the_systems_share_and_what_eviction_keeps_free() -> None:
    given = replace(GIVEN, reserved={"cpu": "500m", "memory": "200Mi", "ephemeral-storage": "10Gi"})
    status = made(given=given)
    assert status.allocatable == {"cpu": "3500m", "memory": f"{(1024 - 200 - 100) * 1024}Ki", "pods": "110",
                                  "ephemeral-storage": str(80 * GIB)}
    none = made(given=replace(given, reserved=dict.fromkeys(given.reserved, "0"), eviction=eviction.Rules()))
    assert none.allocatable["memory"] == none.capacity["memory"]
    assert none.allocatable["cpu"] == "4"


@pytest.mark.parametrize(("gibibytes", "mebibytes"), [(0.5, 128), (1, 222), (2, 253), (4, 314), (8, 437)])
def test_the_system_gets_what_a_raspberry_pi_of_that_size_needs(gibibytes: float, mebibytes: int) -> None:
    has = node_status.capacity(replace(MACHINE, memory_bytes=int(gibibytes * GIB)), GIVEN)
    kept = node_status.reserved(GIVEN, has)
    assert kept["memory"] // MIB == mebibytes
    assert (kept["cpu"], kept["ephemeral-storage"]) == (100, GIB)
    room = node_status.room_of_pods(GIVEN, has)
    assert room.memory_bytes == int(gibibytes * GIB) - kept["memory"]
    assert room.cpu_shares == 3900 * 1024 // 1000


def test_images_on_a_disk_of_their_own_are_watched_apart() -> None:
    own = replace(MACHINE, image_disk_bytes=10 * GIB, image_disk_available_bytes=GIB, image_inodes=10,
                  image_inodes_free=9)
    assert node_status.observations(own)[eviction.IMAGE_DISK] == eviction.Observation(GIB, 10 * GIB)
    assert node_status.observations(MACHINE)[eviction.IMAGE_DISK] == eviction.Observation(50 * GIB, 100 * GIB)
    assert conditions(made(own))["DiskPressure"] == "True"


@pytest.mark.parametrize(("machine", "true"), [
    (MACHINE, {"Ready"}),
    (replace(MACHINE, memory_available_bytes=99 * 1024**2), {"Ready", "MemoryPressure"}),
    (replace(MACHINE, disk_available_bytes=14 * GIB), {"Ready", "DiskPressure"}),
    (replace(MACHINE, disk_available_bytes=16 * GIB), {"Ready"}),
    (replace(MACHINE, inodes_free=49), {"Ready", "DiskPressure"}),
    (replace(MACHINE, inodes=0, inodes_free=0), {"Ready"}),
    (replace(MACHINE, pids=32_000), {"Ready"}),
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


def test_an_image_has_at_most_five_names_and_its_tags_among_them() -> None:
    digests, tags = tuple(f"a@sha256:{n}" for n in range(9)), ("a:1", "a:2")
    many = Image(id="m", names=tuple(f"a:{n}" for n in range(9)), digests=digests, size_bytes=1)
    found = made(images=(Image(id="x", names=tags, digests=digests, size_bytes=2), many)).images
    assert found[0].names == (*digests[:3], *tags)
    assert found[1].names == (digests[0], "a:0", "a:1", "a:2", "a:3")


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
    outside = made(given=replace(GIVEN, external_address="192.168.1.9"))
    assert [(each.type, each.address) for each in outside.addresses] == [
        ("InternalIP", "10.0.0.2"), ("ExternalIP", "192.168.1.9"), ("Hostname", "node-1")]
    assert status.node_info.architecture == "arm64"
    assert made(replace(MACHINE, machine="s390x")).node_info.architecture == "s390x"
