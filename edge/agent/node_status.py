"""Decides the status a node reports: capacity, allocatable, conditions, addresses, versions, images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from edge.api import core, meta
from edge.runtime.containers import Image

KUBELET_VERSION = "v1.32.0+edge.0.1.0"
MOST_PODS = 110
MOST_IMAGES = 50
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "riscv64": "riscv64"}
# Below these the node takes no more pods; the kubelet's own thresholds.
LEAST_MEMORY_BYTES = 100 * 1024 * 1024
LEAST_DISK_SHARE = 0.10
LEAST_INODE_SHARE = 0.05
LEAST_PID_SHARE = 0.10


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
    port: int = 10250
    cpu_milli: int = 0
    """Overrides what the machine has; 0: not."""
    memory_bytes: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)


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
    capacity: dict[str, meta.Quantity] = {
        "cpu": _cpu(given.cpu_milli or machine.cpu_milli), "memory": _kibibytes(given.memory_bytes
                                                                                or machine.memory_bytes),
        "ephemeral-storage": _kibibytes(machine.disk_bytes), "pods": str(MOST_PODS)}
    allocatable = capacity | {"memory": _kibibytes(max(0, (given.memory_bytes or machine.memory_bytes)
                                                       - LEAST_MEMORY_BYTES)),
                              "ephemeral-storage": str(int(machine.disk_bytes * (1 - LEAST_DISK_SHARE)))}
    addresses = (core.NodeAddress(type="InternalIP", address=given.address),) if given.address else ()
    return core.NodeStatus(
        capacity=capacity, allocatable=allocatable, conditions=_conditions(machine, problem, previous, now),
        addresses=(*addresses, core.NodeAddress(type="Hostname", address=given.name)),
        daemon_endpoints=core.NodeDaemonEndpoints(kubelet_endpoint=core.DaemonEndpoint(port=given.port)),
        node_info=core.NodeSystemInfo(
            machine_id=machine.machine_id, system_uuid=machine.system_uuid, boot_id=machine.boot_id,
            kernel_version=machine.kernel_version, os_image=machine.os_image,
            container_runtime_version=runtime_version or _runtime_before(previous), kubelet_version=KUBELET_VERSION,
            kube_proxy_version=KUBELET_VERSION, operating_system="linux",
            architecture=ARCHITECTURES.get(machine.machine, machine.machine)),
        images=_images(images))


def _runtime_before(previous: core.NodeStatus | None) -> str:
    return previous.node_info.container_runtime_version if previous is not None else ""


def _cpu(milli: int) -> str:
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"


def _kibibytes(amount: int) -> str:
    return f"{amount // 1024}Ki"


def _images(images: tuple[Image, ...]) -> tuple[core.ContainerImage, ...]:
    largest = sorted(images, key=lambda image: (-image.size_bytes, image.id))[:MOST_IMAGES]
    return tuple(core.ContainerImage(names=(*image.digests, *image.names), size_bytes=image.size_bytes)
                 for image in largest if image.names or image.digests)


def _conditions(machine: Machine, problem: str, previous: core.NodeStatus | None,
                now: str) -> tuple[meta.Condition, ...]:
    memory = machine.memory_available_bytes < LEAST_MEMORY_BYTES
    disk = machine.disk_available_bytes < machine.disk_bytes * LEAST_DISK_SHARE or \
        machine.inodes_free < machine.inodes * LEAST_INODE_SHARE
    pids = bool(machine.pids_limit) and machine.pids > machine.pids_limit * (1 - LEAST_PID_SHARE)
    made = (
        _pressure("MemoryPressure", memory, "KubeletHasInsufficientMemory", "KubeletHasSufficientMemory",
                  "insufficient memory available" if memory else "sufficient memory available"),
        _pressure("DiskPressure", disk, "KubeletHasDiskPressure", "KubeletHasNoDiskPressure",
                  "disk pressure" if disk else "no disk pressure"),
        _pressure("PIDPressure", pids, "KubeletHasInsufficientPID", "KubeletHasSufficientPID",
                  "insufficient PID available" if pids else "sufficient PID available"),
        meta.Condition(type="Ready", status="False" if problem else "True",
                       reason="KubeletNotReady" if problem else "KubeletReady",
                       message=problem or "kubelet is posting ready status"))
    return tuple(_dated(condition, previous, now) for condition in made)


def _pressure(kind: str, holds: bool, yes: str, no: str, message: str) -> meta.Condition:
    return meta.Condition(type=kind, status="True" if holds else "False", reason=yes if holds else no,
                          message=f"kubelet has {message}")


def _dated(condition: meta.Condition, previous: core.NodeStatus | None, now: str) -> meta.Condition:
    since = now
    for before in previous.conditions if previous is not None else ():
        if before.type == condition.type and before.status == condition.status and before.last_transition_time:
            since = before.last_transition_time
    return msgspec.structs.replace(condition, last_heartbeat_time=now, last_transition_time=since)


def differs(new: core.NodeStatus, old: core.NodeStatus | None) -> bool:
    """Return whether a status says more than that time has passed."""
    if old is None:
        return True
    return _timeless(new) != _timeless(old)


def _timeless(status: core.NodeStatus) -> core.NodeStatus:
    conditions = tuple(msgspec.structs.replace(each, last_heartbeat_time=None) for each in status.conditions)
    return msgspec.structs.replace(status, conditions=conditions)
