"""What a pod as a whole requests, and what it may use at most.

Init containers run one after the other and before the others, so the largest of them counts; those that stay
(restartPolicy Always) count with everything that runs beside them.
https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edge.api import amounts, containers, meta, pods
from edge.api.amounts import Amount

_Choose = Callable[[containers.ResourceRequirements], Mapping[str, meta.Quantity]]


def requests(spec: pods.PodSpec, *, overhead: bool = True) -> dict[str, Amount]:
    """Return what is set aside for a pod, with what its runtime needs if wanted."""
    total = _total(spec, lambda of: of.requests)
    return amounts.added(total, amounts.read(spec.overhead)) if overhead else total


def limits(spec: pods.PodSpec, *, overhead: bool = True) -> dict[str, Amount]:
    """Return what a pod may use at most, of each resource that any of its containers limits."""
    total = _total(spec, lambda of: of.limits)
    if not overhead:
        return total
    more = {name: amount for name, amount in amounts.read(spec.overhead).items() if name in total}
    return amounts.added(total, more)


def _total(spec: pods.PodSpec, choose: _Choose) -> dict[str, Amount]:
    running: dict[str, Amount] = {}
    for container in spec.containers:
        running = amounts.added(running, amounts.read(choose(container.resources)))
    starting: dict[str, Amount] = {}
    staying: dict[str, Amount] = {}
    for container in spec.init_containers:
        own = amounts.read(choose(container.resources))
        if container.restart_policy == "Always":
            staying = amounts.added(staying, own)
            starting = amounts.highest(starting, staying)
        else:
            starting = amounts.highest(starting, amounts.added(staying, own))
    return amounts.highest(amounts.added(running, staying), starting)
