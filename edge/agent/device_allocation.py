"""Decides which devices a container gets, from what the node offers and what the containers on it have.

Nothing is written down: a container's label says what it was given, so an agent that starts anew knows it all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from edge.agent import environment
from edge.agent.devices import Offers, Unit
from edge.api import core, quantity
from edge.runtime.containers import Container, Device, State
from edge.runtime.spec import Given

LABEL = "edge.devices"
"""Of a container: `resource=unit` for each device it was given, with commas between."""


class UnavailableError(environment.UnresolvedError):
    """The node has not as many devices as the container asks for; the text is the kubelet's."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A unit that a container was given. One that has ended lets go of it when another needs it."""

    pod_uid: str
    container: str
    resource: str
    unit: str
    is_firm: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What the node offers and who has it. `version` says which state of the claims this was made from."""

    offers: Offers = field(default_factory=dict)
    resources: frozenset[str] = frozenset()
    """All that are devices here, offered at the moment or not; others in a pod's limits are somebody else's."""
    holds: tuple[Hold, ...] = ()
    version: int = 0


def holds(containers: Iterable[Container]) -> Iterator[Hold]:
    """Yield what containers have: of each name in each pod the newest one counts."""
    newest: dict[tuple[str, str], Container] = {}
    for container in containers:
        key = (container.pod_uid, container.name)
        if key not in newest or newest[key].attempt < container.attempt:
            newest[key] = container
    for (uid, name), container in newest.items():
        for resource, unit in _read(container.labels.get(LABEL, "")):
            yield Hold(uid, name, resource, unit, container.state is not State.EXITED)


def holds_of(pod_uid: str, container: str, labels: Mapping[str, str]) -> tuple[Hold, ...]:
    """Return what a container that is about to be created will have."""
    return tuple(Hold(pod_uid, container, resource, unit) for resource, unit in _read(labels.get(LABEL, "")))


def wanted(container: core.Container, resources: Iterable[str]) -> dict[str, int]:
    """Return how many of which device resources a container asks for."""
    limits = container.resources.limits
    return {name: amount for name in sorted(resources) if name in limits and (amount := quantity.whole(limits[name]))}


def allocate(stock: Stock, pod_uid: str, container: core.Container) -> Given:
    """Return what the container gets; what it had before if that is still free.

    Raises:
        UnavailableError: there are not enough.
    """
    given: dict[str, list[Unit]] = {}
    for resource, amount in wanted(container, stock.resources).items():
        given[resource] = _choose(stock, pod_uid, container.name, resource, amount)
    units = [unit for chosen in given.values() for unit in chosen]
    paths = {path: node.path for unit in units for node in unit.nodes for path in (node.path, *node.aliases)
             if ":" not in path}  # as by-path names have it, and the engine takes it for the end of a path
    return Given(
        devices=tuple(Device(source, path) for path, source in paths.items()),
        groups=tuple(sorted({node.group for unit in units for node in unit.nodes if node.group})),
        env=tuple((variable(resource), ",".join(dict.fromkeys(path for unit in chosen for path in unit.shown)))
                  for resource, chosen in given.items()),
        labels={LABEL: ",".join(f"{resource}={unit.name}" for resource, chosen in given.items() for unit in chosen)}
        if units else {})


def _choose(stock: Stock, pod_uid: str, name: str, resource: str, amount: int) -> list[Unit]:
    units = stock.offers.get(resource, ())
    others = [hold for hold in stock.holds if hold.resource == resource and (hold.pod_uid, hold.container) !=
              (pod_uid, name)]
    firm = Counter(hold.unit for hold in others if hold.is_firm)
    soft = Counter(hold.unit for hold in others if not hold.is_firm and hold.pod_uid != pod_uid)
    before = {hold.unit for hold in stock.holds if hold not in others and hold.resource == resource}
    chosen: Counter[str] = Counter()
    result: list[Unit] = []
    while len(result) < amount:
        free = [unit for unit in units if firm[unit.name] + chosen[unit.name] < unit.share]
        if not free:
            available = sum(max(0, unit.share - firm[unit.name]) for unit in units)
            raise UnavailableError(f"requested number of devices unavailable for {resource}. Requested: {amount}, "
                                   f"Available: {available}")
        best = min(free, key=lambda unit: (chosen[unit.name], unit.name not in before, soft[unit.name],
                                           firm[unit.name]))
        chosen[best.name] += 1
        result.append(best)
    return result


def lost(stock: Stock, container: Container) -> tuple[tuple[str, str], ...]:
    """Return (resource, unit) of what a container was given and the node has no more."""
    return tuple((resource, unit) for resource, unit in dict.fromkeys(_read(container.labels.get(LABEL, "")))
                 if resource in stock.resources and unit not in {each.name for each in stock.offers.get(resource, ())})


def variable(resource: str) -> str:
    """Return the environment variable that names the devices of a resource: EDGE_PI_SERIAL for edge.pi/serial."""
    return re.sub(r"[^A-Za-z0-9]", "_", resource).upper()


def _read(label: str) -> Iterator[tuple[str, str]]:
    for part in label.split(",") if label else ():
        resource, _, unit = part.partition("=")
        yield resource, unit
