"""What `/metrics/resource` and `/metrics/cadvisor` say, out of the stats summary, in the text format of Prometheus.

The names are the kubelet's. https://kubernetes.io/docs/reference/instrumentation/metrics/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from edge.api import times

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_NANO = 10**9
_Value = Callable[[Mapping[str, Any]], float | None]
_Row = tuple[str, str, str, _Value]


def _cpu(part: Mapping[str, Any]) -> float | None:
    found = part.get("cpu", {}).get("usageCoreNanoSeconds")
    return None if found is None else found / _NANO


def _from(section: str, name: str) -> _Value:
    def read(part: Mapping[str, Any]) -> float | None:
        found = part.get(section, {}).get(name)
        return None if found is None else float(found)
    return read


def _start(part: Mapping[str, Any]) -> float | None:
    return times.parse(part["startTime"]).timestamp() if part.get("startTime") else None


_SET = _from("memory", "workingSetBytes")
_SWAP = _from("swap", "swapUsageBytes")
_NODE: tuple[_Row, ...] = (
    ("node_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the node in core-seconds", _cpu),
    ("node_memory_working_set_bytes", "gauge", "Current working set of the node in bytes", _SET))
_POD: tuple[_Row, ...] = (
    ("pod_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the pod in core-seconds", _cpu),
    ("pod_memory_working_set_bytes", "gauge", "Current working set of the pod in bytes", _SET))
_CONTAINER: tuple[_Row, ...] = (
    ("container_cpu_usage_seconds_total", "counter",
     "Cumulative cpu time consumed by the container in core-seconds", _cpu),
    ("container_memory_working_set_bytes", "gauge", "Current working set of the container in bytes", _SET),
    ("container_start_time_seconds", "gauge", "Start time of the container since unix epoch in seconds", _start),
    ("container_swap_usage_bytes", "gauge", "Current amount of the container swap usage in bytes", _SWAP))
_ADVISED: tuple[_Row, ...] = (
    ("container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed in seconds.", _cpu),
    ("container_memory_usage_bytes", "gauge", "Current memory usage in bytes, including all memory regardless of when "
     "it was accessed", _from("memory", "usageBytes")),
    ("container_memory_working_set_bytes", "gauge", "Current working set in bytes.", _SET),
    ("container_memory_rss", "gauge", "Size of RSS in bytes.", _from("memory", "rssBytes")),
    ("container_fs_usage_bytes", "gauge", "Number of bytes that are consumed by the container on this filesystem.",
     _from("rootfs", "usedBytes")),
    ("container_start_time_seconds", "gauge", "Start time of the container since unix epoch in seconds.", _start))
_NETWORK: tuple[_Row, ...] = (
    ("container_network_receive_bytes_total", "counter", "Cumulative count of bytes received",
     _from("network", "rxBytes")),
    ("container_network_receive_errors_total", "counter", "Cumulative count of errors encountered while receiving",
     _from("network", "rxErrors")),
    ("container_network_transmit_bytes_total", "counter", "Cumulative count of bytes transmitted",
     _from("network", "txBytes")),
    ("container_network_transmit_errors_total", "counter", "Cumulative count of errors encountered while transmitting",
     _from("network", "txErrors")))


def resource(summary: Mapping[str, Any]) -> str:
    """Return the kubelet's /metrics/resource."""
    containers = [({"container": each["name"], **_whose(pod)}, each) for pod, each in _containers(summary)]
    pods = [(_whose(pod), pod) for pod in summary["pods"]]
    lines = [*_render(_CONTAINER, containers), *_render(_NODE, [({}, summary["node"])]), *_render(_POD, pods),
             "# HELP resource_scrape_error 1 if there was an error while getting container metrics, 0 otherwise",
             "# TYPE resource_scrape_error gauge", "resource_scrape_error 0"]
    return "\n".join(lines) + "\n"


def cadvisor(summary: Mapping[str, Any], cpu_milli: int, memory_bytes: int) -> str:
    """Return the part of the kubelet's /metrics/cadvisor that dashboards look at."""
    containers = [({"container": each["name"], **_whose(pod)}, each) for pod, each in _containers(summary)]
    whole = [({"container": "", **_whose(pod)}, pod) for pod in summary["pods"] if "cpu" in pod]
    pods = [({"interface": pod["network"]["name"], **_whose(pod)}, pod) for pod in summary["pods"] if "network" in pod]
    lines = [*_render(_ADVISED, [*containers, *whole]), *_render(_NETWORK, pods),
             "# HELP machine_cpu_cores Number of logical CPU cores.", "# TYPE machine_cpu_cores gauge",
             f"machine_cpu_cores {cpu_milli / 1000:g}",
             "# HELP machine_memory_bytes Amount of memory installed on the machine.",
             "# TYPE machine_memory_bytes gauge", f"machine_memory_bytes {memory_bytes}"]
    return "\n".join(lines) + "\n"


def _containers(summary: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    for pod in summary["pods"]:
        for each in pod["containers"]:
            yield pod, each


def _whose(pod: Mapping[str, Any]) -> dict[str, str]:
    return {"namespace": pod["podRef"]["namespace"], "pod": pod["podRef"]["name"]}


def _render(rows: tuple[_Row, ...], parts: list[tuple[dict[str, str], Mapping[str, Any]]]) -> Iterator[str]:
    for name, kind, words, read in rows:
        values = [(labels, value) for labels, part in parts if (value := read(part)) is not None]
        if not values:
            continue
        yield f"# HELP {name} {words}"
        yield f"# TYPE {name} {kind}"
        for labels, value in values:
            shown = ",".join(f'{key}="{text}"' for key, text in labels.items())
            yield f"{name}{{{shown}}} {value:.15g}" if shown else f"{name} {value:.15g}"
