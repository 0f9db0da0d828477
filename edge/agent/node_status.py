"""Decides the status a node reports: capacity, allocatable, conditions, addresses, versions, images.

Allocatable is the capacity without what is reserved for the system and without what eviction keeps free.
https://kubernetes.io/docs/tasks/administer-cluster/reserve-compute-resources/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from edge.agent import cgroups, eviction
from edge.agent.conditions import beating
from edge.agent.eviction import Observation
from edge.api import core, meta, quantity
from edge.runtime.containers import Image

KUBELET_VERSION = "v1.32.0+edge.0.1.0"
MOST_PODS = 110
MOST_IMAGES = 50
MOST_IMAGE_NAMES = 5
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "riscv64": "riscv64"}
MIB = 1024**2
# What the system keeps for itself where the settings do not say: as much as Raspberry Pi OS, Podman and the agent need.
SYSTEM_CPU_MILLI, SYSTEM_CPU_SHARE = 100, 0.05
SYSTEM_MEMORY_BYTES, SYSTEM_MEMORY_GROWTH, SYSTEM_MEMORY_SHARE = 192 * MIB, 0.03, 0.25
SYSTEM_DISK_BYTES, SYSTEM_DISK_SHARE = 1024**3, 0.05
RESERVABLE = ("cpu", "memory", "ephemeral-storage")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What was read of the machine. Bytes, milli-cores, counts."""

    cpu_milli: int
    memory_bytes: int
    memory_available_bytes: int
    disk_bytes: int
    disk_available_bytes: int
    inodes: int = 0
    inodes_free: int = 0
    image_disk_bytes: int = 0
    """Of the file system with images and containers' layers; all 0 where it is the same one, or not known."""
    image_disk_available_bytes: int = 0
    image_inodes: int = 0
    image_inodes_free: int = 0
    pids: int = 0
    pids_limit: int = 0
    kernel_version: str = ""
    os_image: str = ""
    machine: str = ""
    """As `uname -m` says."""
    machine_id: str = ""
    system_uuid: str = ""
    boot_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the settings say of the node."""

    name: str
    address: str
    external_address: str = ""
    """Where the home network reaches the node; empty when it is on the rack's network alone."""
    port: int = 10250
    cpu_milli: int = 0
    """Overrides what the machine has; 0: not."""
    memory_bytes: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    max_pods: int = MOST_PODS
    reserved: Mapping[str, str] = field(default_factory=dict)
    """For the system; what is not named here is reserved by the size of the machine."""
    eviction: eviction.Rules = eviction.DEFAULT_RULES


def node_status(machine: Machine, given: Given, *, runtime_version: str, images: tuple[Image, ...], problem: str,
                previous: core.NodeStatus | None, now: str) -> core.NodeStatus:
    """Return the node's status.

    Args:
        machine: what was read of the machine.
        given: what the settings say.
        runtime_version: such as `podman://4.3.1`; empty while the engine is away.
        images: what is in the node's storage.
        problem: why the node is not ready; empty when it is.
        previous: the status reported last, for the times of change.
        now: RFC 3339.
    """
    amounts = capacity(machine, given)
    allocatable = _allocatable(amounts, given)
    addresses = tuple(core.NodeAddress(type=kind, address=address) for kind, address in (
        ("InternalIP", given.address), ("ExternalIP", given.external_address)) if address)
    return core.NodeStatus(
        capacity=amounts, allocatable=allocatable, conditions=_conditions(machine, given, problem, previous, now),
        addresses=(*addresses, core.NodeAddress(type="Hostname", address=given.name)),
        daemon_endpoints=core.NodeDaemonEndpoints(kubelet_endpoint=core.DaemonEndpoint(port=given.port)),
        node_info=core.NodeSystemInfo(
            machine_id=machine.machine_id, system_uuid=machine.system_uuid, boot_id=machine.boot_id,
            kernel_version=machine.kernel_version, os_image=machine.os_image,
            container_runtime_version=runtime_version or _runtime_before(previous), kubelet_version=KUBELET_VERSION,
            kube_proxy_version=KUBELET_VERSION, operating_system="linux",
            architecture=ARCHITECTURES.get(machine.machine, machine.machine)),
        images=_images(images))


def capacity(machine: Machine, given: Given) -> dict[str, meta.Quantity]:
    """Return what the node has, or is told that it has."""
    return {"cpu": quantity.format_milli(given.cpu_milli or machine.cpu_milli),
            "memory": _kibibytes(given.memory_bytes or machine.memory_bytes),
            "ephemeral-storage": _kibibytes(machine.disk_bytes), "pods": str(given.max_pods)}


def _allocatable(has: Mapping[str, meta.Quantity], given: Given) -> dict[str, meta.Quantity]:
    memory, disk = quantity.whole(has["memory"]), quantity.whole(has["ephemeral-storage"])
    kept = reserved(given, has)
    memory -= kept["memory"] + eviction.reserved(given.eviction, eviction.MEMORY, memory)
    disk -= kept["ephemeral-storage"] + eviction.reserved(given.eviction, eviction.NODE_DISK, disk)
    return {"cpu": quantity.format_milli(max(0, quantity.milli(has["cpu"]) - kept["cpu"])),
            "memory": _kibibytes(max(0, memory)), "ephemeral-storage": str(max(0, disk)), "pods": has["pods"]}


def reserved(given: Given, has: Mapping[str, meta.Quantity]) -> dict[str, int]:
    """Return what is kept for the system of what the node has: thousandths of a core, and bytes."""
    cpu, memory = quantity.milli(has["cpu"]), quantity.whole(has["memory"])
    disk = quantity.whole(has["ephemeral-storage"])
    kept = {"cpu": min(SYSTEM_CPU_MILLI, int(cpu * SYSTEM_CPU_SHARE)),
            "memory": min(SYSTEM_MEMORY_BYTES + int(memory * SYSTEM_MEMORY_GROWTH),
                          int(memory * SYSTEM_MEMORY_SHARE)) // MIB * MIB,
            "ephemeral-storage": min(SYSTEM_DISK_BYTES, int(disk * SYSTEM_DISK_SHARE))}
    for name, amount in given.reserved.items():
        kept[name] = quantity.milli(amount) if name == "cpu" else quantity.whole(amount)
    return kept


def room_of_pods(given: Given, has: Mapping[str, meta.Quantity]) -> cgroups.Amounts:
    """Return what all pods of a node that has so much may use together."""
    kept = reserved(given, has)
    return cgroups.top(quantity.milli(has["cpu"]) - kept["cpu"], max(0, quantity.whole(has["memory"]) - kept["memory"]))


def observations(machine: Machine) -> dict[str, Observation]:
    """Return what is left of each thing that eviction watches; images are on the node's disk unless they are not."""
    disk, inodes = Observation(machine.disk_available_bytes, machine.disk_bytes), Observation(
        machine.inodes_free, machine.inodes)
    own = own_image_disk(machine)
    return {
        eviction.MEMORY: Observation(machine.memory_available_bytes, machine.memory_bytes),
        eviction.NODE_DISK: disk, eviction.NODE_INODES: inodes,
        eviction.IMAGE_DISK: Observation(machine.image_disk_available_bytes, machine.image_disk_bytes) if own else disk,
        eviction.IMAGE_INODES: Observation(machine.image_inodes_free, machine.image_inodes) if own else inodes,
        eviction.PIDS: Observation(machine.pids_limit - machine.pids, machine.pids_limit)}


def own_image_disk(machine: Machine) -> bool:
    """Return whether images have a file system of their own."""
    return machine.image_disk_bytes > 0


def _runtime_before(previous: core.NodeStatus | None) -> str:
    return previous.node_info.container_runtime_version if previous is not None else ""


def _kibibytes(amount: int) -> str:
    return f"{amount // 1024}Ki"


def _images(images: tuple[Image, ...]) -> tuple[core.ContainerImage, ...]:
    largest = sorted(images, key=lambda image: (-image.size_bytes, image.id))[:MOST_IMAGES]
    return tuple(core.ContainerImage(names=_names(image), size_bytes=image.size_bytes)
                 for image in largest if image.names or image.digests)


def _names(image: Image) -> tuple[str, ...]:
    """Return a few of an image's names, digests first; tags are what the scheduler looks for."""
    digests = image.digests[:max(1, MOST_IMAGE_NAMES - len(image.names))]
    return (*digests, *image.names)[:MOST_IMAGE_NAMES]


def _conditions(machine: Machine, given: Given, problem: str, previous: core.NodeStatus | None,
                now: str) -> tuple[meta.Condition, ...]:
    # What the node is short of right now; how long that lasts is for eviction to say, which looks at it all the time.
    short = {eviction.CONDITIONS[each.signal] for each in eviction.met(given.eviction.thresholds,
                                                                       observations(machine))}
    made = (
        *eviction.conditions(short),
        meta.Condition(type="Ready", status="False" if problem else "True",
                       reason="KubeletNotReady" if problem else "KubeletReady",
                       message=problem or "kubelet is posting ready status"))
    before = previous.conditions if previous is not None else ()
    return tuple(beating(condition, before, now) for condition in made)


def differs(new: core.NodeStatus, old: core.NodeStatus | None) -> bool:
    """Return whether a status says more than that time has passed."""
    if old is None:
        return True
    return _timeless(new) != _timeless(old)


def _timeless(status: core.NodeStatus) -> core.NodeStatus:
    conditions = tuple(msgspec.structs.replace(each, last_heartbeat_time=None) for each in status.conditions)
    return msgspec.structs.replace(status, conditions=conditions)
