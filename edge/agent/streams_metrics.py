"""What `/metrics` of the agent says of itself, in the text format of Prometheus and with the kubelet's names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edge.agent.streams_directory import PodView


@dataclass(frozen=True, slots=True)
class Process:
    """The program's own numbers."""

    cpu_seconds: float
    resident_bytes: int
    virtual_bytes: int
    open_files: int
    started_seconds: float
    """Since 1970."""


def process(stat: str, ticks: int, page_bytes: int, open_files: int, boot_seconds: float) -> Process | None:
    """Return what the text of /proc/self/stat says (proc(5)); None when it is something else."""
    fields = stat.rpartition(")")[2].split()
    try:
        return Process((int(fields[11]) + int(fields[12])) / ticks, int(fields[21]) * page_bytes, int(fields[20]),
                       open_files, boot_seconds + int(fields[19]) / ticks)
    except (IndexError, ValueError):
        return None


def boot_time(stat: str) -> float:
    """Return when the machine was started, from the text of /proc/stat; 0 when it does not say."""
    return next((float(line.split()[1]) for line in stat.splitlines() if line.startswith("btime ")), 0.0)


def render(pods: Iterable[PodView], streams: Mapping[str, int], own: Process | None) -> str:
    """Return the whole answer."""
    views = tuple(pods)
    states = {"running": 0, "exited": 0, "waiting": 0}
    for view in views:
        for container in view.containers.values():
            states["running" if container.running else "exited" if container.id else "waiting"] += 1
    active = sum(any(container.running for container in view.containers.values()) for view in views)
    lines = [*_metric("kubelet_running_pods", "gauge", "Number of pods that have a running container.", {"": active}),
             *_metric("kubelet_running_containers", "gauge", "Number of containers by state.",
                      {f'{{container_state="{state}"}}': count for state, count in states.items()}),
             *_metric("edge_agent_streams", "gauge", "Streams that are being served, by kind.",
                      {f'{{kind="{kind}"}}': count for kind, count in streams.items()})]
    if own is not None:
        lines += [
            *_metric("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
                     {"": own.cpu_seconds}),
            *_metric("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
                     {"": own.resident_bytes}),
            *_metric("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.",
                     {"": own.virtual_bytes}),
            *_metric("process_open_fds", "gauge", "Number of open file descriptors.", {"": own.open_files}),
            *_metric("process_start_time_seconds", "gauge",
                     "Start time of the process since unix epoch in seconds.", {"": own.started_seconds})]
    return "\n".join(lines) + "\n"


def _metric(name: str, kind: str, words: str, values: Mapping[str, float]) -> list[str]:
    return [f"# HELP {name} {words}", f"# TYPE {name} {kind}",
            *(f"{name}{labels} {value:.10g}" for labels, value in values.items())]
