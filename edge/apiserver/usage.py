"""Turns the agents' stats summaries into NodeMetrics and PodMetrics, what `kubectl top` and autoscalers read.

An agent may be of another version or half broken: what does not fit is left out, and nothing else suffers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from edge.api import core, meta, metrics

WINDOW = "15s"

FindPod = Callable[[str, str], core.Pod | None]


class _Cpu(msgspec.Struct):
    time: str = ""
    usageNanoCores: int | None = None  # noqa: N815 - the name on the wire


class _Memory(msgspec.Struct):
    workingSetBytes: int | None = None  # noqa: N815 - the name on the wire


class _Part(msgspec.Struct):
    name: str = ""
    cpu: _Cpu = msgspec.field(default_factory=_Cpu)
    memory: _Memory = msgspec.field(default_factory=_Memory)

    def usage(self) -> dict[str, meta.Quantity] | None:
        if self.cpu.usageNanoCores is None or self.memory.workingSetBytes is None:
            return None
        cores, memory = max(self.cpu.usageNanoCores, 0), max(self.memory.workingSetBytes, 0)
        return {"cpu": f"{cores}n", "memory": f"{memory >> 10}Ki"}


class _Reference(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    uid: str = ""


class _Pod(msgspec.Struct):
    podRef: _Reference = msgspec.field(default_factory=_Reference)  # noqa: N815 - the name on the wire
    containers: list[_Part] = []


class Summary(msgspec.Struct):
    """The part of a kubelet's stats summary that is of use here."""

    node: _Part = msgspec.field(default_factory=_Part)
    pods: list[_Pod] = []


def read(answer: bytes) -> Summary | None:
    """Return the summary an agent sent, None for something else."""
    try:
        return msgspec.json.decode(answer, type=Summary)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def node_metrics(node: core.Node, summary: Summary) -> metrics.NodeMetrics | None:
    """Return what a node uses; None when its agent did not say."""
    used = summary.node.usage()
    if used is None:
        return None
    return metrics.NodeMetrics(
        api_version="metrics.k8s.io/v1beta1", kind="NodeMetrics", usage=used, window=WINDOW,
        timestamp=summary.node.cpu.time or None,
        metadata=_metadata(node.metadata, summary.node.cpu.time))


def pod_metrics(summary: Summary, find: FindPod) -> Iterator[metrics.PodMetrics]:
    """Yield what the pods of a node use, those that the API knows and that have been measured."""
    for entry in summary.pods:
        pod = find(entry.podRef.namespace, entry.podRef.name)
        containers = tuple(metrics.ContainerMetrics(name=part.name, usage=used)
                           for part in entry.containers if (used := part.usage()) is not None)
        if pod is None or pod.metadata.uid != entry.podRef.uid or not containers:
            continue
        time = entry.containers[0].cpu.time
        yield metrics.PodMetrics(
            api_version="metrics.k8s.io/v1beta1", kind="PodMetrics", containers=containers, window=WINDOW,
            timestamp=time or None, metadata=_metadata(pod.metadata, time))


def _metadata(of: meta.ObjectMeta, time: str) -> meta.ObjectMeta:
    return meta.ObjectMeta(name=of.name, namespace=of.namespace, labels=of.labels, creation_timestamp=time or None)


def wanted(nodes: tuple[core.Node, ...]) -> list[core.Node]:
    """Return the nodes it is worth asking: those that are ready."""
    def ready(node: core.Node) -> bool:
        return any(each.type == "Ready" and each.status == "True" for each in node.status.conditions)
    return [node for node in nodes if ready(node)]

