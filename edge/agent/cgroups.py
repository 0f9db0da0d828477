"""Decides where the control groups of pods are and what they hold: the kubelet's tree, for version 1 and version 2.

    kubepods                     what all pods together may use: the node's capacity without what is reserved
      pod<uid>                   Guaranteed
      burstable/pod<uid>
      besteffort/pod<uid>

Podman makes the group of each container below its pod's. Where systemd keeps the groups they are slices, and only
systemd may change them. https://kubernetes.io/docs/concepts/architecture/cgroups/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from edge.agent import qos
from edge.api import core, pod_amounts
from edge.api.amounts import Amount

TOP = "kubepods"
SYSTEMD = "systemd"
PERIOD_MICROSECONDS = 100_000
LEAST_QUOTA_MICROSECONDS = 1_000
LEAST_SHARES, MOST_SHARES = 2, 262_144
CONTROLLERS_V1 = ("cpu", "memory", "pids")
CONTROLLERS_V2 = ("cpu", "cpuset", "io", "memory", "pids")
_BRANCH = {qos.GUARANTEED: "", qos.BURSTABLE: "burstable", qos.BEST_EFFORT: "besteffort"}
_SLICE = re.compile(r"(?:[^-].*-)?pod([0-9A-Za-z][0-9A-Za-z._]{0,252})\.slice")
_PATH = re.compile(r"pod([0-9A-Za-z][0-9A-Za-z._-]{0,252})")
_NANO = 10**9


@dataclass(frozen=True, slots=True)
class Tree:
    """Where the groups are. `parent` is the group above `kubepods`, a path or with systemd the name of a slice."""

    parent: str = ""
    systemd: bool = False
    version: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """What one group gets. 0 means no limit."""

    cpu_shares: int = LEAST_SHARES
    cpu_quota_microseconds: int = 0
    """Of each 100 ms."""
    memory_bytes: int = 0
    pids: int = 0


@dataclass(frozen=True, slots=True)
class PodGroup:
    """The group of one pod."""

    uid: str
    quality: str
    """The pod's class of service."""
    amounts: Amounts


class Groups(Protocol):
    """The groups of this node's pods."""

    @property
    def tree(self) -> Tree | None:
        """Where they are; None while that is not known."""
        ...

    async def make(self, group: PodGroup) -> None:
        """Make the group of a pod as it should be. Raises FilesError and RuntimeFailure."""
        ...

    async def remove(self, uid: str) -> None:
        """Remove what there is of a pod's group. Raises FilesError and RuntimeFailure."""
        ...

    def exists(self, uid: str) -> bool:
        """Return whether there is a group of that pod."""
        ...

    async def found(self) -> set[str]:
        """Return the uids of all pods that have a group. Raises RuntimeFailure."""
        ...


def tree(parent: str, manager: str, version: int) -> Tree:
    """Return where groups are, for the setting `cgroup_parent` and the engine's cgroup manager."""
    systemd = manager == SYSTEMD
    name = parent.strip("/")
    if systemd:
        name = name.rpartition("/")[2].removesuffix(".slice")
    return Tree(name, systemd, version)


def branch(where: Tree, quality: str = qos.GUARANTEED, uid: str = "") -> str:
    """Return what Podman takes as a parent: a path, or the name of a slice. Without a uid, that of a whole class."""
    if not where.systemd:
        parts = (where.parent, TOP, _BRANCH[quality], f"pod{uid}" if uid else "")
        return "/" + "/".join(part for part in parts if part)
    # In the name of a slice a dash leads one level down.
    parts = (where.parent, TOP, _BRANCH[quality], f"pod{uid.replace('-', '_')}" if uid else "")
    return "-".join(part for part in parts if part) + ".slice"


def path(where: Tree, quality: str = qos.GUARANTEED, uid: str = "") -> str:
    """Return the group's path below the root of a hierarchy, without a slash in front."""
    name = branch(where, quality, uid)
    if not where.systemd:
        return name.lstrip("/")
    words = name.removesuffix(".slice").split("-")
    return "/".join("-".join(words[:count]) + ".slice" for count in range(1, len(words) + 1))


def uid_of(name: str) -> str:
    """Return the uid of the pod whose group has that directory name, empty when it is none's."""
    if match := _SLICE.fullmatch(name):
        return match[1].replace("_", "-")
    match = _PATH.fullmatch(name)
    return match[1] if match else ""


def pod_group(pod: core.Pod, pids: int = 0) -> PodGroup:
    """Return the group of a pod, with the sums of its containers; `pids` bounds its processes, 0 does not."""
    quality = qos.qos_class(pod.spec)
    requests, limits = pod_amounts.requests(pod.spec), pod_amounts.limits(pod.spec)
    if quality == qos.BEST_EFFORT:
        return PodGroup(pod.metadata.uid, quality, Amounts(pids=pids))
    containers = (*pod.spec.init_containers, *pod.spec.containers)
    # A container without a limit may use all there is, so the pod cannot have one.
    cpu = _milli(limits) if _all_limited(containers, "cpu") else 0
    memory = _whole(limits, "memory") if _all_limited(containers, "memory") else 0
    return PodGroup(pod.metadata.uid, quality, Amounts(
        cpu_shares=shares(_milli(requests) or _milli(limits)), cpu_quota_microseconds=quota(cpu), memory_bytes=memory,
        pids=pids))


def _all_limited(containers: Iterable[core.Container], name: str) -> bool:
    return all(qos.amount(each.resources.limits, name) for each in containers)


def _milli(amounts: Mapping[str, Amount]) -> int:
    found = amounts.get("cpu")
    return 0 if found is None else -(-found.nano * 1000 // _NANO)


def _whole(amounts: Mapping[str, Amount], name: str) -> int:
    found = amounts.get(name)
    return 0 if found is None else -(-found.nano // _NANO)


def top(cpu_milli: int, memory_bytes: int) -> Amounts:
    """Return what all pods together get."""
    return Amounts(cpu_shares=shares(cpu_milli), memory_bytes=memory_bytes)


def burstable(groups: Iterable[PodGroup]) -> Amounts:
    """Return what the Burstable pods together get: the sum of what they ask for. BestEffort gets the least there is."""
    asked = sum(group.amounts.cpu_shares for group in groups if group.quality == qos.BURSTABLE)
    return Amounts(cpu_shares=min(max(asked, LEAST_SHARES), MOST_SHARES))


def shares(milli: int) -> int:
    """Return CPU shares of version 1 for thousandths of a core."""
    return min(max(milli * 1024 // 1000, LEAST_SHARES), MOST_SHARES)


def weight(cpu_shares: int) -> int:
    """Return the CPU weight of version 2, 1 to 10,000, for shares of version 1."""
    return 1 + (cpu_shares - LEAST_SHARES) * 9999 // (MOST_SHARES - LEAST_SHARES)


def quota(milli: int) -> int:
    """Return the microseconds of each period for a limit in thousandths of a core; 0 for no limit."""
    return max(milli * PERIOD_MICROSECONDS // 1000, LEAST_QUOTA_MICROSECONDS) if milli else 0


def files_v1(amounts: Amounts) -> tuple[tuple[str, str, str], ...]:
    """Return (controller, file, content), in an order the kernel takes."""
    return (("cpu", "cpu.shares", str(amounts.cpu_shares)),
            ("cpu", "cpu.cfs_period_us", str(PERIOD_MICROSECONDS)),
            ("cpu", "cpu.cfs_quota_us", str(amounts.cpu_quota_microseconds or -1)),
            ("memory", "memory.limit_in_bytes", str(amounts.memory_bytes or -1)),
            ("pids", "pids.max", str(amounts.pids or "max")))


def files_v2(amounts: Amounts) -> tuple[tuple[str, str], ...]:
    """Return (file, content)."""
    return (("cpu.weight", str(weight(amounts.cpu_shares))),
            ("cpu.max", f"{amounts.cpu_quota_microseconds or 'max'} {PERIOD_MICROSECONDS}"),
            ("memory.max", str(amounts.memory_bytes or "max")),
            ("pids.max", str(amounts.pids or "max")))


def unit(where: Tree, name: str, amounts: Amounts) -> tuple[str, ...]:
    """Return the arguments of `busctl` by which systemd makes a slice with these amounts, or changes one.

    https://www.freedesktop.org/wiki/Software/systemd/ControlGroupInterface/
    """
    forever = str(2**64 - 1)
    microseconds = str(amounts.cpu_quota_microseconds * 10) if amounts.cpu_quota_microseconds else forever
    cpu, memory = ("CPUWeight", "MemoryMax") if where.version == 2 else ("CPUShares", "MemoryLimit")
    properties = (
        ("Description", "s", f"Pods of this node: {name}"), ("DefaultDependencies", "b", "false"),
        ("CPUAccounting", "b", "true"), ("MemoryAccounting", "b", "true"), ("TasksAccounting", "b", "true"),
        (cpu, "t", str(weight(amounts.cpu_shares) if where.version == 2 else amounts.cpu_shares)),
        ("CPUQuotaPerSecUSec", "t", microseconds), (memory, "t", str(amounts.memory_bytes or forever)),
        ("TasksMax", "t", str(amounts.pids or forever)))
    flat = [word for each in properties for word in each]
    return ("StartTransientUnit", "ssa(sv)a(sa(sv))", name, "replace", str(len(properties)), *flat, "0")


def unit_change(name: str, amounts: Amounts, where: Tree) -> tuple[str, ...]:
    """Return the arguments of `busctl` by which a slice that is there gets other amounts, until the next boot."""
    whole = unit(where, name, amounts)
    # Description and dependencies of a running unit stay as they are.
    properties = whole[5 + 2 * 3:-1]
    return ("SetUnitProperties", "sba(sv)", name, "true", str(len(properties) // 3), *properties)


def unit_stop(name: str) -> tuple[str, ...]:
    """Return the arguments of `busctl` by which a slice goes."""
    return ("StopUnit", "ss", name, "replace")
