"""The cluster as the scheduler sees it: what each node has and what bound pods use, kept up to date change by change.

A pod that was placed but whose binding the cache has not shown yet is *assumed*: it counts, whatever the cache says,
so that a cache that lags behind never leads to a node with more pods than it can hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeVar

from edge.api import core
from edge.scheduler import needs

_K = TypeVar("_K")

DEFAULT_PODS = 110


@dataclass(slots=True)
class Node:
    """A node and what is used of it."""

    node: core.Node
    allocatable: needs.Resources
    others: dict[str, int]
    """Allocatable amounts of further resources."""
    max_pods: int
    images: dict[str, int]
    """Bytes of each image on the node, by name."""
    cpu_milli: int = 0
    memory_bytes: int = 0
    scored_cpu_milli: int = 0
    scored_memory_bytes: int = 0
    used_others: dict[str, int] = field(default_factory=dict)
    pods: int = 0
    ports: dict[needs.Port, int] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    """Number of pods of each group."""
    version: int = 0
    """Changes whenever anything here does."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A pod that counts on a node."""

    pod: core.Pod
    node: str
    needs: needs.Needs
    assumed: bool


class Snapshot:
    """Nodes and the pods on them."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.pods: dict[str, Placed] = {}
        self.repelling: dict[str, Placed] = {}
        """Those of the pods that require to be away from others."""
        self.version = 0
        """Grows with every change."""
        self._changed: dict[str, int] = {}

    def put_node(self, node: core.Node) -> None:
        """Add a node, or take over what changed of it."""
        status = node.status
        amounts = status.allocatable or status.capacity
        measured = {name: needs.measure(name, amount) for name, amount in amounts.items()}
        images = {name: image.size_bytes for image in status.images for name in image.names}
        allocatable = needs.resources(measured)
        old = self.nodes.get(node.metadata.name)
        new = Node(node, allocatable, dict(allocatable.others), measured.get("pods", DEFAULT_PODS), images)
        if old is None:
            for placed in self.pods.values():
                if placed.node == node.metadata.name:
                    _count(new, placed.needs, 1)
        else:
            for name in ("cpu_milli", "memory_bytes", "scored_cpu_milli", "scored_memory_bytes", "used_others", "pods",
                         "ports", "groups"):
                setattr(new, name, getattr(old, name))
        self.nodes[node.metadata.name] = new
        self._touch(node.metadata.name)

    def remove_node(self, name: str) -> None:
        """Forget a node; its pods count again should it return."""
        if self.nodes.pop(name, None) is not None:
            self._touch(name)

    def put_pod(self, key: str, pod: core.Pod) -> None:
        """Count a pod where the cache says it is; one that is assumed stays until the cache shows it bound."""
        old = self.pods.get(key)
        bound = pod.spec.node_name
        if old is not None and old.assumed and not bound and old.pod.metadata.uid == pod.metadata.uid \
                and not _is_finished(pod):
            return
        if not bound or _is_finished(pod):
            self.remove_pod(key)
            return
        if old is not None and old.node == bound and old.pod.metadata.uid == pod.metadata.uid \
                and old.pod.spec.containers == pod.spec.containers and _is_ending(old.pod) == _is_ending(pod):
            self.pods[key] = Placed(pod, bound, old.needs, assumed=False)
            return
        wanted = needs.of(pod)
        # Its successor need not keep away from a pod that is about to go, though what it uses is used still.
        self._place(key, Placed(pod, bound, replace(wanted, group="") if _is_ending(pod) else wanted, assumed=False))

    def remove_pod(self, key: str) -> None:
        """Count a pod no more."""
        old = self.pods.pop(key, None)
        self.repelling.pop(key, None)
        if old is not None and old.node in self.nodes:
            _count(self.nodes[old.node], old.needs, -1)
            self._touch(old.node)

    def assume(self, key: str, pod: core.Pod, node: str, wanted: needs.Needs) -> None:
        """Count a pod on the node it is about to be bound to."""
        self._place(key, Placed(pod, node, wanted, assumed=True))

    def forget(self, key: str, uid: str) -> None:
        """Take back an assumption whose binding failed; what the cache has shown since then stands."""
        old = self.pods.get(key)
        if old is not None and old.assumed and old.pod.metadata.uid == uid:
            self.remove_pod(key)

    def changed_since(self, version: int) -> list[str]:
        """Return the nodes that changed after a version, newest first."""
        found: list[str] = []
        for name, at in reversed(self._changed.items()):
            if at <= version:
                break
            found.append(name)
        return found

    def _place(self, key: str, placed: Placed) -> None:
        self.remove_pod(key)
        self.pods[key] = placed
        affinity = placed.pod.spec.affinity
        if affinity and affinity.pod_anti_affinity:
            self.repelling[key] = placed
        if placed.node in self.nodes:
            _count(self.nodes[placed.node], placed.needs, 1)
            self._touch(placed.node)

    def _touch(self, name: str) -> None:
        self.version += 1
        # Re-inserting keeps the dictionary in the order of the changes.
        self._changed.pop(name, None)
        self._changed[name] = self.version
        if name in self.nodes:
            self.nodes[name].version = self.version


def _is_finished(pod: core.Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")


def _is_ending(pod: core.Pod) -> bool:
    return pod.metadata.deletion_timestamp is not None


def _count(node: Node, wanted: needs.Needs, sign: int) -> None:
    node.cpu_milli += sign * wanted.requests.cpu_milli
    node.memory_bytes += sign * wanted.requests.memory_bytes
    node.scored_cpu_milli += sign * wanted.scored.cpu_milli
    node.scored_memory_bytes += sign * wanted.scored.memory_bytes
    node.pods += sign
    for name, amount in wanted.requests.others:
        node.used_others[name] = node.used_others.get(name, 0) + sign * amount
    for port in wanted.ports:
        _bump(node.ports, port, sign)
    if wanted.group:
        _bump(node.groups, wanted.group, sign)


def _bump(counts: dict[_K, int], key: _K, sign: int) -> None:
    number = counts.get(key, 0) + sign
    if number > 0:
        counts[key] = number
    else:
        counts.pop(key, None)
