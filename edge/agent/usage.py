"""What containers and the node use, from the kernel's counters: rates out of two samples, in the kubelet's words.

https://kubernetes.io/docs/reference/instrumentation/node-metrics/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge.agent.streams_directory import PodView

NODE = ""
"""The key of the whole machine among the samples; containers go by their engine's id."""
OLDEST_SECONDS = 90.0
"""A sample before this is no measure for what is used now."""
SHORTEST_SECONDS = 0.5
_NANOSECONDS = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Counters of one control group at one moment."""

    cpu_nanoseconds: int
    """CPU time since it began."""
    memory_bytes: int
    working_set_bytes: int
    """Memory that cannot be had back without loss: the usage without inactive files."""


@dataclass(frozen=True, slots=True)
class Round:
    """All samples of one moment."""

    monotonic: float
    taken: datetime
    samples: Mapping[str, Sample]


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


def summary(node: str, pods: Iterable[PodView], last: Round, now: Round, memory_bytes: int) -> dict[str, Any]:
    """Return the kubelet's stats summary of what is running; a container without samples is left out."""
    listed = []
    for pod in pods:
        containers = [{"name": name, **_numbers(last, now, view.id)} for name, view in pod.containers.items()
                      if view.running and view.id in now.samples]
        listed.append({"podRef": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
                       "containers": containers})
    return {"node": {"nodeName": node, **_numbers(last, now, NODE, memory_bytes)}, "pods": listed}


def _numbers(last: Round, now: Round, key: str, memory_bytes: int = 0) -> dict[str, Any]:
    sample, before = now.samples.get(key), last.samples.get(key)
    if sample is None:
        return {}
    moment = now.taken.strftime("%Y-%m-%dT%H:%M:%SZ")
    cpu: dict[str, Any] = {"time": moment, "usageCoreNanoSeconds": sample.cpu_nanoseconds}
    seconds = now.monotonic - last.monotonic
    if before is not None and seconds > 0 and sample.cpu_nanoseconds >= before.cpu_nanoseconds:
        cpu["usageNanoCores"] = round((sample.cpu_nanoseconds - before.cpu_nanoseconds) / seconds)
    memory = {"time": moment, "usageBytes": sample.memory_bytes, "workingSetBytes": sample.working_set_bytes}
    if memory_bytes:
        memory["availableBytes"] = max(0, memory_bytes - sample.working_set_bytes)
    return {"cpu": cpu, "memory": memory}
