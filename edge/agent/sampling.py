"""Effects: reads the kernel's counters of containers, pods and the machine when somebody asks, and never otherwise.

The files are those of control groups, version 1 or 2, and of /proc: a few reads a container; no process is started.
What pods take of the disk is measured anew after a minute at the soonest.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.agent import disk_use, machine, usage
from edge.agent.disk_use import DiskUse
from edge.agent.streams_directory import PodDirectory
from edge.clock import Clock
from edge.runtime.containers import Container
from edge.runtime.interface import Runtime

ROOT = Path("/sys/fs/cgroup")
PROC = Path("/proc")
FIRST_PAUSE_SECONDS = 1.0
"""A rate needs two samples: whoever asks first waits this long for the second."""
DISK_KEPT_SECONDS = 60.0


class Sampler:
    """Answers what is used; the round before is kept for the next who asks. Without `disks` nothing is said of them."""

    def __init__(self, runtime: Runtime, directory: PodDirectory, clock: Clock, node: str, *,
                 disks: DiskUse | None = None, data_dir: str = "") -> None:
        self._runtime, self._directory, self._clock, self._node = runtime, directory, clock, node
        self._disks, self._data_dir = disks, data_dir
        self._last: usage.Round | None = None
        self._pods: Mapping[str, usage.PodDisk] = {}
        self._pods_at = float("-inf")
        self._asking = asyncio.Lock()

    async def summary(self, *, only_cpu_and_memory: bool = False) -> dict[str, Any]:
        """Return the stats summary. Raises RuntimeFailure when the engine does not answer."""
        async with self._asking:
            containers = tuple(container for container in await self._runtime.list() if container.pid)
            last = self._last
            if usage.stale(last, self._clock.monotonic(), (usage.NODE, *(each.id for each in containers))):
                last = self._round(containers)
                await self._clock.sleep(FIRST_PAUSE_SECONDS)
            assert last is not None
            self._last = now = self._round(containers)
            details = await self._details(with_disks=not only_cpu_and_memory)
            return usage.summary(self._node, self._directory.views(), last, now, details)

    def round(self, containers: tuple[Container, ...]) -> usage.Round:
        """Return the counters of these containers and their pods now."""
        return self._round(containers)

    def _round(self, containers: tuple[Container, ...]) -> usage.Round:
        samples = {usage.NODE: node_sample()}
        networks = {usage.NODE: usage.parse_interfaces(_text(PROC / "net/dev"))}
        for container in containers:
            groups = usage.parse_groups(_text(PROC / str(container.pid) / "cgroup"))
            if (sample := _sample(groups, ROOT, container.id)) is None:
                continue
            samples[container.id] = sample
            if container.pod_uid in networks:
                continue
            networks[container.pod_uid] = usage.parse_interfaces(_text(PROC / str(container.pid) / "net/dev"))
            if (whole := _sample(groups, ROOT, "", container.pod_uid)) is not None:
                samples[usage.pod_key(container.pod_uid)] = whole
        return usage.Round(self._clock.monotonic(), self._clock.now(), samples, networks)

    async def _details(self, *, with_disks: bool) -> usage.Details:
        memory = machine.parse_meminfo(_text(PROC / "meminfo")).get("MemTotal", 0)
        if not with_disks or self._disks is None:
            return usage.Details(memory_bytes=memory)
        pods = {pod.metadata.uid: pod for pod in self._directory.manifests()}
        if self._clock.monotonic() - self._pods_at > DISK_KEPT_SECONDS:
            views = [view for view in self._directory.views() if view.uid in pods]
            self._pods = await self._disks.read((pods[view.uid], view) for view in views)
            self._pods_at = self._clock.monotonic()
        image_dir = await self._runtime.image_dir()
        found = await asyncio.to_thread(machine.read, self._data_dir)
        started = {uid: pod.status.start_time or "" for uid, pod in pods.items()}
        for pod in pods.values():
            started |= {status.container_id.rpartition("/")[2]: status.state.running.started_at or ""
                        for status in (*pod.status.init_container_statuses, *pod.status.container_statuses)
                        if status.state.running is not None}
        disk = disk_use.file_system(self._data_dir)
        return usage.Details(memory_bytes=memory, node_disk=disk, pods=self._pods, started=started, pids=found.pids,
                             image_disk=disk_use.file_system(image_dir) if image_dir else disk,
                             pids_limit=found.pids_limit)


def node_sample() -> usage.Sample:
    """Return the counters of the whole machine."""
    memory = machine.parse_meminfo(_text(PROC / "meminfo"))
    used = memory.get("MemTotal", 0) - memory.get("MemFree", 0)
    faults = usage.parse_stat(_text(PROC / "vmstat"))
    return usage.Sample(
        cpu_nanoseconds=usage.parse_node_cpu(_text(PROC / "stat"), os.sysconf("SC_CLK_TCK")), memory_bytes=used,
        working_set_bytes=max(0, memory.get("MemTotal", 0) - memory.get("MemAvailable", 0)),
        rss_bytes=memory.get("AnonPages", 0), page_faults=faults.get("pgfault", 0),
        major_page_faults=faults.get("pgmajfault", 0),
        swap_bytes=memory.get("SwapTotal", 0) - memory.get("SwapFree", 0))


def group_sample(pid: int, proc: Path = PROC, root: Path = ROOT) -> usage.Sample | None:
    """Return the counters of the control group a process is in; None when it has gone or its files cannot be read."""
    return _sample(usage.parse_groups(_text(proc / str(pid) / "cgroup")), root)


def _sample(groups: Mapping[str, str], root: Path, container_id: str = "", uid: str = "") -> usage.Sample | None:
    """Return the counters of a process's group, or of that of its container or its pod."""
    def place(controller: str, *above: str) -> Path | None:
        path = groups.get(controller, "")
        if container_id:
            path = usage.container_group(path, container_id)
        elif uid:
            path = usage.pod_group(path, uid)
            if not path:
                return None
        return Path(root, *above, path.lstrip("/"))

    if "memory" in groups:
        memory, cpu = place("memory", "memory"), place("cpuacct", "cpuacct")
        if memory is None or cpu is None:
            return None
        text = _text(cpu / "cpuacct.usage")
        pids = place("pids", "pids")
        return _made(_text(memory / "memory.usage_in_bytes"), int(text) if text.isdigit() else None,
                     _without_total(usage.parse_stat(_text(memory / "memory.stat"))),
                     _text(pids / "pids.current") if pids else "")
    group = place("")
    if group is None:
        return None
    micros = usage.parse_stat(_text(group / "cpu.stat")).get("usage_usec")
    return _made(_text(group / "memory.current"), None if micros is None else micros * 1000,
                 usage.parse_stat(_text(group / "memory.stat")), _text(group / "pids.current"),
                 _text(group / "memory.swap.current"))


def memory_of(group: Path) -> int | None:
    """Return the working set of a group in bytes, from the directory with its memory counters."""
    for used, inactive in (("memory.current", "inactive_file"), ("memory.usage_in_bytes", "total_inactive_file")):
        text = _text(group / used)
        if text.isdigit():
            return max(0, int(text) - usage.parse_stat(_text(group / "memory.stat")).get(inactive, 0))
    return None


def _without_total(stat: Mapping[str, int]) -> dict[str, int]:
    """Return version 1's numbers with all groups below, in version 2's names."""
    return {"inactive_file": stat.get("total_inactive_file", 0), "anon": stat.get("total_rss", 0),
            "pgfault": stat.get("total_pgfault", 0), "pgmajfault": stat.get("total_pgmajfault", 0),
            "swap": stat.get("total_swap", 0)}


def _made(used: str, nanoseconds: int | None, stat: Mapping[str, int], processes: str,
          swap: str = "") -> usage.Sample | None:
    if not used.isdigit() or nanoseconds is None:
        return None
    return usage.Sample(
        cpu_nanoseconds=nanoseconds, memory_bytes=int(used),
        working_set_bytes=max(0, int(used) - stat.get("inactive_file", 0)), rss_bytes=stat.get("anon", 0),
        page_faults=stat.get("pgfault", 0), major_page_faults=stat.get("pgmajfault", 0),
        swap_bytes=int(swap) if swap.isdigit() else stat.get("swap", 0),
        processes=int(processes) if processes.isdigit() else 0)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
