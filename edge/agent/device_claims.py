"""Keeps two pods from being given one device at the same time: what is being given out, beside what containers have.

An allocation is made from a look at the node that may be old when the container is created. So each look has a version,
and only an allocation from the newest one is carried out; the others are made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edge.agent import device_allocation
from edge.agent.device_allocation import Hold, Stock
from edge.agent.devices import Offers
from edge.api import core
from edge.runtime.containers import Container, ContainerSpec


class Claims:
    """The devices of a node, and the containers that are just being created with some."""

    def __init__(self) -> None:
        self.offers: Offers = {}
        self.resources: frozenset[str] = frozenset()
        self.version = 0
        """Read before the containers are listed that a stock is made from."""
        self._in_flight: dict[tuple[str, str], tuple[Hold, ...]] = {}

    def stock(self, version: int, pods: Mapping[str, Iterable[Container]], pod: core.Pod | None) -> Stock:
        """Return what there is and who has it; nothing for a pod that asks for no device."""
        if pod is None or not any(device_allocation.wanted(container, self.resources) for container in
                                  (*pod.spec.init_containers, *pod.spec.containers)):
            return Stock(version=version)
        holds = [hold for containers in pods.values() for hold in device_allocation.holds(containers)]
        for (uid, name), claimed in self._in_flight.items():
            holds = [hold for hold in holds if (hold.pod_uid, hold.container) != (uid, name)]
            holds += claimed
        return Stock(offers=self.offers, resources=self.resources, holds=tuple(holds), version=version)

    def take(self, spec: ContainerSpec, version: int) -> bool:
        """Claim the devices of a container that is about to be created; return whether they are still to be had."""
        claimed = device_allocation.holds_of(spec.pod_uid, spec.name, spec.labels)
        if not claimed:
            return True
        if version != self.version:
            return False
        self._in_flight[spec.pod_uid, spec.name] = claimed
        self.version += 1
        return True

    def settle(self, spec: ContainerSpec) -> None:
        """The container has been created, or could not be: from now on the engine's list says what it has."""
        if self._in_flight.pop((spec.pod_uid, spec.name), None):
            self.version += 1
