"""What containers, pods and the node use, from the kernel's counters: rates out of two samples, in the kubelet's words.

https://kubernetes.io/docs/reference/instrumentation/node-metrics/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from edge.agent.streams_directory import PodView

NODE = ""
"""The key of the whole machine among the samples; containers go by their engine's id, pods by `pod_key`."""
OLDEST_SECONDS = 90.0
"""A sample before this is no measure for what is used now."""
SHORTEST_SECONDS = 0.5
UPLINK = "eth0"
_NANOSECONDS = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Counters of one control group at one moment."""

    cpu_nanoseconds: int
    """CPU time since it began."""
    memory_bytes: int
    working_set_bytes: int
    """Memory that cannot be had back without loss: the usage without inactive files."""
    rss_bytes: int = 0
    page_faults: int = 0
    major_page_faults: int = 0
    swap_bytes: int = 0
    processes: int = 0


@dataclass(frozen=True, slots=True)
class Interface:
    """Counters of one network interface."""

    name: str
    rx_bytes: int
    rx_errors: int
    tx_bytes: int
    tx_errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A file system, and what of it is used by what is asked about."""

    available_bytes: int = 0
    capacity_bytes: int = 0
    used_bytes: int = 0
    inodes_free: int = 0
    inodes: int = 0
    inodes_used: int = 0


@dataclass(frozen=True, slots=True)
class Tree:
    """What a directory takes of its disk."""

    size_bytes: int = 0
    inodes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PodDisk:
    """What one pod takes of the node's disks."""

    layers: Mapping[str, int] = field(default_factory=dict)
    """By container name: bytes written outside its mounts."""
    logs: Mapping[str, Tree] = field(default_factory=dict)
    """By container name."""
    volumes: Mapping[str, Tree] = field(default_factory=dict)
    """By the names of the volumes that the node made."""
    in_memory: frozenset[str] = frozenset()
    """Those of the volumes that take no disk."""

    @property
    def size_bytes(self) -> int:
        """All of it that counts as ephemeral storage."""
        return sum(self.layers.values()) + sum(tree.size_bytes for tree in self.logs.values()) + sum(
            tree.size_bytes for name, tree in self.volumes.items() if name not in self.in_memory)

    @property
    def inodes(self) -> int:
        return sum(tree.inodes for tree in self.logs.values()) + sum(
            tree.inodes for name, tree in self.volumes.items() if name not in self.in_memory)


@dataclass(frozen=True, slots=True)
class Round:
    """All samples of one moment."""

    monotonic: float
    taken: datetime
    samples: Mapping[str, Sample]
    networks: Mapping[str, tuple[Interface, ...]] = field(default_factory=dict)
    """By pod uid, and of the node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What is known beside the counters. Times are RFC 3339."""

    memory_bytes: int = 0
    node_disk: Disk = field(default_factory=Disk)
    image_disk: Disk = field(default_factory=Disk)
    pods: Mapping[str, PodDisk] = field(default_factory=dict)
    """By pod uid; empty where only CPU and memory are asked for."""
    started: Mapping[str, str] = field(default_factory=dict)
    """By container id, by pod uid, and of the node."""
    pids: int = 0
    pids_limit: int = 0


def pod_key(uid: str) -> str:
    """Return the key of a whole pod among the samples."""
    return f"pod/{uid}"


def parse_stat(text: str) -> dict[str, int]:
    """Return the numbers of a `name value` file such as memory.stat or cpu.stat."""
    found = {}
    for line in text.splitlines():
        match line.split():
            case [name, value] if value.isdigit():
                found[name] = int(value)
    return found


def parse_groups(text: str) -> dict[str, str]:
    """Return controller -> path of /proc/PID/cgroup; the unified hierarchy is the controller ""."""
    found = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in controllers.split(","):
            found[controller] = path
    return found


def container_group(path: str, container_id: str) -> str:
    """Return the group of a container from that of a process in it, which may be in a group further down."""
    return _until(path, container_id) or path


def pod_group(path: str, uid: str) -> str:
    """Return the group of a pod from that of a process in it, empty when pods have none."""
    return _until(path, f"pod{uid}") or _until(path, f"pod{uid.replace('-', '_')}")


def _until(path: str, name: str) -> str:
    parts = path.split("/")
    index = next((index for index, part in enumerate(parts) if name in part), None)
    return "" if index is None else "/".join(parts[:index + 1])


def parse_interfaces(text: str) -> tuple[Interface, ...]:
    """Return the interfaces of /proc/net/dev, the loopback left out."""
    found = []
    for line in text.splitlines():
        name, colon, rest = line.partition(":")
        fields = rest.split()
        if colon and len(fields) >= 11 and name.strip() != "lo":
            found.append(Interface(name.strip(), int(fields[0]), int(fields[2]), int(fields[8]), int(fields[10])))
    return tuple(found)


def parse_node_cpu(text: str, ticks_per_second: int) -> int:
    """Return the busy nanoseconds of all cores from /proc/stat."""
    fields = text.partition("\n")[0].split()
    if len(fields) < 9 or fields[0] != "cpu":
        return 0
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(value) for value in fields[1:9])
    return (user + nice + system + irq + softirq + steal) * (_NANOSECONDS // ticks_per_second)


def stale(last: Round | None, now: float, wanted: Iterable[str]) -> bool:
    """Return whether the last round is of no use for the rates of these groups now."""
    if last is None or not SHORTEST_SECONDS <= now - last.monotonic <= OLDEST_SECONDS:
        return True
    return any(key not in last.samples for key in wanted)


def summary(node: str, pods: Iterable[PodView], last: Round, now: Round, details: Details) -> dict[str, Any]:
    """Return the kubelet's stats summary of what is running; a container without samples is left out."""
    moment = now.taken.strftime("%Y-%m-%dT%H:%M:%SZ")
    own = {"nodeName": node, **_started(details, NODE), **_numbers(last, now, NODE, details.memory_bytes)}
    own |= _network(now, NODE, moment)
    if details.node_disk.capacity_bytes:
        own["fs"] = _disk(details.node_disk, moment)
        images = _disk(details.image_disk, moment)
        own["runtime"] = {"imageFs": images, "containerFs": images}
    if details.pids_limit:
        own["rlimit"] = {"time": moment, "maxpid": details.pids_limit, "curproc": details.pids}
    return {"node": own, "pods": [_pod(pod, last, now, details, moment) for pod in pods]}


def _pod(pod: PodView, last: Round, now: Round, details: Details, moment: str) -> dict[str, Any]:
    disk = details.pods.get(pod.uid)
    containers = []
    for name, view in pod.containers.items():
        if not view.running or view.id not in now.samples:
            continue
        shown = {"name": name, **_started(details, view.id), **_numbers(last, now, view.id)}
        if disk is not None:
            shown["rootfs"] = _disk(details.image_disk, moment, used=Tree(disk.layers.get(name, 0)))
            shown["logs"] = _disk(details.node_disk, moment, used=disk.logs.get(name, Tree()))
        shown["swap"] = {"time": moment, "swapUsageBytes": now.samples[view.id].swap_bytes}
        containers.append(shown)
    found: dict[str, Any] = {
        "podRef": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid}, **_started(details, pod.uid),
        "containers": containers, **_numbers(last, now, pod_key(pod.uid)), **_network(now, pod.uid, moment)}
    if disk is not None:
        found["volume"] = [{**_disk(details.node_disk, moment, used=tree), "name": name}
                           for name, tree in sorted(disk.volumes.items())]
        found["ephemeral-storage"] = _disk(details.node_disk, moment, used=Tree(disk.size_bytes, disk.inodes))
    whole = now.samples.get(pod_key(pod.uid))
    if whole is not None and whole.processes:
        found["process_stats"] = {"process_count": whole.processes}
    return found


def _started(details: Details, key: str) -> dict[str, str]:
    return {"startTime": details.started[key]} if details.started.get(key) else {}


def _numbers(last: Round, now: Round, key: str, memory_bytes: int = 0) -> dict[str, Any]:
    sample, before = now.samples.get(key), last.samples.get(key)
    if sample is None:
        return {}
    moment = now.taken.strftime("%Y-%m-%dT%H:%M:%SZ")
    cpu: dict[str, Any] = {"time": moment, "usageCoreNanoSeconds": sample.cpu_nanoseconds}
    seconds = now.monotonic - last.monotonic
    if before is not None and seconds > 0 and sample.cpu_nanoseconds >= before.cpu_nanoseconds:
        cpu["usageNanoCores"] = round((sample.cpu_nanoseconds - before.cpu_nanoseconds) / seconds)
    memory = {"time": moment, "usageBytes": sample.memory_bytes, "workingSetBytes": sample.working_set_bytes,
              "rssBytes": sample.rss_bytes, "pageFaults": sample.page_faults,
              "majorPageFaults": sample.major_page_faults}
    if memory_bytes:
        memory["availableBytes"] = max(0, memory_bytes - sample.working_set_bytes)
    return {"cpu": cpu, "memory": memory}


def _network(now: Round, key: str, moment: str) -> dict[str, Any]:
    interfaces = now.networks.get(key, ())
    if not interfaces:
        return {}
    listed = [{"name": each.name, "rxBytes": each.rx_bytes, "rxErrors": each.rx_errors, "txBytes": each.tx_bytes,
               "txErrors": each.tx_errors} for each in interfaces]
    first = next((each for each in listed if each["name"] == UPLINK), listed[0])
    return {"network": {"time": moment, **first, "interfaces": listed}}


def _disk(disk: Disk, moment: str, used: Tree | None = None) -> dict[str, Any]:
    return {"time": moment, "availableBytes": disk.available_bytes, "capacityBytes": disk.capacity_bytes,
            "usedBytes": disk.used_bytes if used is None else used.size_bytes, "inodesFree": disk.inodes_free,
            "inodes": disk.inodes, "inodesUsed": disk.inodes_used if used is None else used.inodes}
