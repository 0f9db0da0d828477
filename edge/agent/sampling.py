"""Effects: reads the kernel's counters of containers and of the machine when somebody asks, and never otherwise.

The files are those of control groups, version 1 or 2, and a few reads a container; no process is started.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.agent import machine, usage
from edge.agent.streams_directory import PodDirectory
from edge.clock import Clock
from edge.runtime.interface import Runtime

ROOT = Path("/sys/fs/cgroup")
PROC = Path("/proc")
FIRST_PAUSE_SECONDS = 1.0
"""A rate needs two samples: whoever asks first waits this long for the second."""


class Sampler:
    """Answers what is used; the round before is kept for the next who asks."""

    def __init__(self, runtime: Runtime, directory: PodDirectory, clock: Clock, node: str) -> None:
        self._runtime, self._directory, self._clock, self._node = runtime, directory, clock, node
        self._last: usage.Round | None = None
        self._asking = asyncio.Lock()

    async def summary(self) -> dict[str, Any]:
        """Return the stats summary. Raises RuntimeFailure when the engine does not answer."""
        async with self._asking:
            pids = {container.id: container.pid for container in await self._runtime.list() if container.pid}
            last = self._last
            if usage.stale(last, self._clock.monotonic(), (usage.NODE, *pids)):
                last = self._round(pids)
                await self._clock.sleep(FIRST_PAUSE_SECONDS)
            assert last is not None
            self._last = now = self._round(pids)
            memory = machine.parse_meminfo(_text(PROC / "meminfo"))
            return usage.summary(self._node, self._directory.views(), last, now, memory.get("MemTotal", 0))

    def _round(self, pids: Mapping[str, int]) -> usage.Round:
        samples = {usage.NODE: node_sample()}
        for container, pid in pids.items():
            if (sample := group_sample(pid)) is not None:
                samples[container] = sample
        return usage.Round(self._clock.monotonic(), self._clock.now(), samples)


def node_sample() -> usage.Sample:
    """Return the counters of the whole machine."""
    memory = machine.parse_meminfo(_text(PROC / "meminfo"))
    used = memory.get("MemTotal", 0) - memory.get("MemFree", 0)
    return usage.Sample(
        cpu_nanoseconds=usage.parse_node_cpu(_text(PROC / "stat"), os.sysconf("SC_CLK_TCK")), memory_bytes=used,
        working_set_bytes=max(0, memory.get("MemTotal", 0) - memory.get("MemAvailable", 0)))


def group_sample(pid: int, proc: Path = PROC, root: Path = ROOT) -> usage.Sample | None:
    """Return the counters of the control group a process is in; None when it has gone or its files cannot be read."""
    groups = usage.parse_groups(_text(proc / str(pid) / "cgroup"))
    if "memory" in groups:
        memory_dir = root / "memory" / groups["memory"].lstrip("/")
        cpu_dir = root / "cpuacct" / groups.get("cpuacct", "").lstrip("/")
        used, inactive = _text(memory_dir / "memory.usage_in_bytes"), "total_inactive_file"
        cpu = _text(cpu_dir / "cpuacct.usage")
        nanoseconds = int(cpu) if cpu.isdigit() else None
    else:
        memory_dir = root / groups.get("", "").lstrip("/")
        used, inactive = _text(memory_dir / "memory.current"), "inactive_file"
        micros = usage.parse_stat(_text(memory_dir / "cpu.stat")).get("usage_usec")
        nanoseconds = None if micros is None else micros * 1000
    if not used.isdigit() or nanoseconds is None:
        return None
    files = usage.parse_stat(_text(memory_dir / "memory.stat")).get(inactive, 0)
    return usage.Sample(cpu_nanoseconds=nanoseconds, memory_bytes=int(used),
                        working_set_bytes=max(0, int(used) - files))


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
