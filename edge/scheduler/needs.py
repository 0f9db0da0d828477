"""What a pod needs of a node, worked out once: resources, ports, images, and what it may or would rather be on.

Pods with equal needs are placed by the same ranking, so a thousand replicas are worked out once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from edge.api import core, placement, quantity

DEFAULT_CPU_MILLI = 100
DEFAULT_MEMORY_BYTES = 200 * 1024 * 1024
"""Assumed for scoring only when a pod requests nothing, so that such pods spread too; Kubernetes' values."""
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - read here, not bound to


@dataclass(frozen=True, slots=True)
class Resources:
    """Amounts of what a node has or a pod asks for."""

    cpu_milli: int = 0
    memory_bytes: int = 0
    others: tuple[tuple[str, int], ...] = ()
    """Further resources in whole units, by name, sorted."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the node a pod takes for itself; an empty address means all of them."""

    number: int
    protocol: str
    address: str = ""

    def overlaps(self, other: Port) -> bool:
        """Tell whether both cannot be taken on one node."""
        return (self.number, self.protocol) == (other.number, other.protocol) and (
            not self.address or not other.address or self.address == other.address)


@dataclass(frozen=True, slots=True)
class Needs:
    """What decides about the place of a pod. Equal needs mean an equal choice."""

    group: str
    """Pods of the same group are spread: the owner's uid, or namespace and labels."""
    requests: Resources
    scored: Resources
    """Requests with the defaults for scoring."""
    ports: tuple[Port, ...]
    node_selector: tuple[tuple[str, str], ...]
    affinity: core.NodeAffinity | None
    tolerations: tuple[core.Toleration, ...]
    images: tuple[str, ...]
    only_node: str = ""
    """The one node that comes into question, or ""."""


def of(pod: core.Pod) -> Needs:
    """Return the needs of a pod."""
    spec = pod.spec
    affinity = spec.affinity.node_affinity if spec.affinity else None
    requests = requests_of(spec)
    return Needs(
        group=_group(pod), requests=requests, ports=ports_of(spec),
        scored=Resources(requests.cpu_milli or DEFAULT_CPU_MILLI, requests.memory_bytes or DEFAULT_MEMORY_BYTES),
        node_selector=tuple(sorted(spec.node_selector.items())), affinity=affinity, tolerations=spec.tolerations,
        images=tuple(container.image for container in spec.containers), only_node=placement.only_node(spec))


def requests_of(spec: core.PodSpec) -> Resources:
    """Return what the pod reserves: the sum of its containers, or the largest init container if that is more.

    An init container that restarts (a sidecar) goes on running and counts with the containers.
    """
    total: dict[str, int] = {}
    for container in spec.containers:
        _add(total, _requests(container))
    highest: dict[str, int] = {}
    running: dict[str, int] = {}
    for init in spec.init_containers:
        amounts = _requests(init)
        if init.restart_policy == "Always":
            _add(total, amounts)
            _add(running, amounts)
            amounts = running
        else:
            amounts = {name: amounts.get(name, 0) + running.get(name, 0) for name in amounts.keys() | running.keys()}
        for name, amount in amounts.items():
            highest[name] = max(highest.get(name, 0), amount)
    for name, amount in highest.items():
        total[name] = max(total.get(name, 0), amount)
    _add(total, {name: measure(name, amount) for name, amount in spec.overhead.items()})
    return resources(total)


def resources(amounts: dict[str, int]) -> Resources:
    """Return amounts by name as a value; the number of pods is counted elsewhere."""
    others = sorted((name, amount) for name, amount in amounts.items()
                    if name not in ("cpu", "memory", "pods") and amount)
    return Resources(amounts.get("cpu", 0), amounts.get("memory", 0), tuple(others))


@lru_cache(maxsize=4096)
def measure(name: str, amount: str | int | float) -> int:
    """Return a quantity as a whole number: thousandths of a core for cpu, else units. What cannot be read is 0."""
    try:
        return quantity.milli(amount) if name == "cpu" else quantity.whole(amount)
    except ValueError:
        return 0


def ports_of(spec: core.PodSpec) -> tuple[Port, ...]:
    """Return the ports of the node the pod takes."""
    found: list[Port] = []
    for container in (*spec.containers, *(c for c in spec.init_containers if c.restart_policy == "Always")):
        for port in container.ports:
            number = port.host_port or (port.container_port if spec.host_network else 0)
            if number:
                address = "" if port.host_ip in _EVERYWHERE else port.host_ip
                found.append(Port(number, port.protocol or "TCP", address))
    return tuple(found)


def _requests(container: core.Container) -> dict[str, int]:
    if container.resources is None:
        return {}
    wanted = {**container.resources.limits, **container.resources.requests}
    return {name: measure(name, amount) for name, amount in wanted.items()}


def _add(total: dict[str, int], amounts: dict[str, int]) -> None:
    for name, amount in amounts.items():
        total[name] = total.get(name, 0) + amount


def _group(pod: core.Pod) -> str:
    for ref in pod.metadata.owner_references:
        if ref.controller:
            return ref.uid
    return f"{pod.metadata.namespace}/{sorted(pod.metadata.labels.items())}"
