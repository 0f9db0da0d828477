"""Decides which pod goes first when the node is short of something, and with which words, as the kubelet does.

Those that use more than they asked for go first, the least important of them before the others, and of those the one
that is furthest beyond its request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from edge.agent import eviction, qos
from edge.agent.eviction import Observation, Threshold
from edge.api import core, pod_amounts, quantity

EVICTED = "Evicted"
NONE = "0"
_NANO = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What one container uses; None where it was not measured."""

    memory_bytes: int | None = None
    """The working set."""
    layer_bytes: int | None = None
    layer_inodes: int = 0
    log_bytes: int = 0
    log_inodes: int = 0

    @property
    def disk_bytes(self) -> int:
        return (self.layer_bytes or 0) + self.log_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PodUse:
    """What one pod uses."""

    pod: core.Pod
    containers: Mapping[str, Use] = field(default_factory=dict)
    """By name in the pod's spec."""
    volumes: Mapping[str, int] = field(default_factory=dict)
    """Bytes in its emptyDir volumes on the disk, by name."""
    volume_inodes: int = 0
    processes: int = 0
    whole_memory_bytes: int | None = None
    """The working set of the pod's own control group, with its volumes in memory."""

    @property
    def memory_bytes(self) -> int | None:
        """The working set of the pod; None where nothing of it was measured."""
        if self.whole_memory_bytes is not None:
            return self.whole_memory_bytes
        found = [use.memory_bytes for use in self.containers.values() if use.memory_bytes is not None]
        return sum(found) if found else None

    def disk(self, signal: str, *, own_image_disk: bool) -> int:
        """Return what the pod has of the disk the signal is about."""
        layers, logs, volumes = True, True, True
        if own_image_disk:
            layers = signal in (eviction.IMAGE_DISK, eviction.IMAGE_INODES)
            logs = volumes = not layers
        uses = self.containers.values()
        if signal in (eviction.NODE_INODES, eviction.IMAGE_INODES):
            return sum(use.layer_inodes for use in uses) * layers + sum(use.log_inodes for use in uses) * logs + \
                self.volume_inodes * volumes
        return sum(use.layer_bytes or 0 for use in uses) * layers + sum(use.log_bytes for use in uses) * logs + \
            sum(self.volumes.values()) * volumes


Rank = tuple[int, int, int]
UNMEASURED, BEYOND, WITHIN = range(3)


def ranked(signal: str, uses: Iterable[PodUse], *, own_image_disk: bool = False) -> tuple[PodUse, ...]:
    """Return the pods in the order in which they go; critical ones stay and are not among them."""
    rank: Callable[[PodUse], Rank]
    if eviction.CONDITIONS[signal] == "MemoryPressure":
        rank = _by_memory
    elif signal == eviction.PIDS:
        rank = _by_processes
    else:
        def rank(use: PodUse) -> Rank:
            return _by_disk(use, signal, own_image_disk)
    return tuple(sorted((use for use in uses if not qos.is_critical(use.pod)), key=rank))


def _by_memory(use: PodUse) -> Rank:
    used, asked = use.memory_bytes, requested(use.pod, "memory")
    # What cannot be measured is taken for the worst.
    if used is None:
        return UNMEASURED, _priority(use), 0
    return BEYOND if used > asked else WITHIN, _priority(use), asked - used


def _by_disk(use: PodUse, signal: str, own_image_disk: bool) -> Rank:
    used = use.disk(signal, own_image_disk=own_image_disk)
    inodes = signal in (eviction.NODE_INODES, eviction.IMAGE_INODES)
    asked = 0 if inodes else requested(use.pod, "ephemeral-storage")
    return BEYOND if used > asked else WITHIN, _priority(use), asked - used


def _by_processes(use: PodUse) -> Rank:
    return WITHIN, _priority(use), -use.processes


def _priority(use: PodUse) -> int:
    return use.pod.spec.priority or 0


def requested(pod: core.Pod, name: str) -> int:
    """Return what the pod as a whole asks for, in whole units."""
    found = pod_amounts.requests(pod.spec).get(name)
    return 0 if found is None else -(-found.nano // _NANO)


def limited(pod: core.Pod, name: str) -> int:
    """Return the pod's limit in whole units; 0 when none of its containers has one."""
    found = pod_amounts.limits(pod.spec).get(name)
    return 0 if found is None else -(-found.nano // _NANO)


def message(threshold: Threshold, seen: Mapping[str, Observation], use: PodUse) -> str:
    """Return what the pod's status and event say."""
    resource, what = eviction.RESOURCES[threshold.signal], seen[threshold.signal]
    least = threshold.least(what.capacity)
    inodes = resource in ("inodes", "pids")
    text = f"The node was low on resource: {resource}. Threshold quantity: {_amount(least, inodes)}, " \
           f"available: {_amount(what.available, inodes)}. "
    for container in (*use.pod.spec.containers, *_sidecars(use.pod)):
        own = use.containers.get(container.name)
        used = None if own is None else own.memory_bytes if resource == "memory" else \
            own.disk_bytes if resource == "ephemeral-storage" and own.layer_bytes is not None else None
        asked = container.resources.requests.get(resource, NONE)
        if used is not None and used > qos.amount(container.resources.requests, resource):
            text += f"Container {container.name} was using {_amount(used)}, request is {quantity.canonical(asked)}, " \
                    f"has larger consumption of {resource}. "
    return text


def _sidecars(pod: core.Pod) -> tuple[core.Container, ...]:
    return tuple(each for each in pod.spec.init_containers if each.restart_policy == "Always")


def _amount(number: int, plain: bool = False) -> str:
    """Return bytes as Kubernetes prints them: in whole Ki where it divides, as files and memory do."""
    if plain:
        return quantity.canonical(str(number))
    return quantity.format_bytes(number)


def over_limit(use: PodUse, *, own_image_disk: bool = False) -> str:
    """Return why the pod has to go for its local storage alone, empty when it keeps within its limits."""
    for volume in use.pod.spec.volumes:
        empty = volume.empty_dir
        if empty is None or not empty.size_limit or volume.name not in use.volumes:
            continue
        limit = qos.amount({"size": empty.size_limit}, "size")
        if 0 < limit < use.volumes[volume.name]:
            written = quantity.canonical(empty.size_limit)
            return f'Usage of EmptyDir volume "{volume.name}" exceeds the limit "{written}". '
    limit = limited(use.pod, "ephemeral-storage")
    used = sum(each.disk_bytes for each in use.containers.values()) + sum(use.volumes.values())
    if 0 < limit < used:
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {_total(use.pod)}. "
    for container in (*use.pod.spec.containers, *_sidecars(use.pod)):
        own, most = use.containers.get(container.name), qos.amount(container.resources.limits, "ephemeral-storage")
        if own is not None and 0 < most < (own.log_bytes if own_image_disk else own.disk_bytes):
            written = quantity.canonical(container.resources.limits["ephemeral-storage"])
            return f'Container {container.name} exceeded its local ephemeral storage limit "{written}". '
    return ""


def _total(pod: core.Pod) -> str:
    return str(pod_amounts.limits(pod.spec)["ephemeral-storage"])


def watched(pod: core.Pod) -> bool:
    """Return whether the pod's local storage has a limit that only measuring keeps."""
    if limited(pod, "ephemeral-storage"):
        return True
    return any(volume.empty_dir is not None and volume.empty_dir.size_limit and volume.empty_dir.medium != "Memory"
               for volume in pod.spec.volumes)


def refusal(pod: core.Pod, holding: tuple[str, ...]) -> str:
    """Return why a node under pressure does not take a pod that has not begun; empty when it does."""
    if not holding or qos.is_critical(pod):
        return ""
    if holding == ("MemoryPressure",):
        tolerates = any(each.key in ("node.kubernetes.io/memory-pressure", "") and
                        (each.key or each.operator == "Exists") and each.effect in ("NoSchedule", "")
                        for each in pod.spec.tolerations)
        if qos.qos_class(pod.spec) != qos.BEST_EFFORT or tolerates:
            return ""
    return f"The node had condition: [{' '.join(holding)}]. "
