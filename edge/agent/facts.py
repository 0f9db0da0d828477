"""What parts of the agent know of the node beyond its machine: a value from each, and how they join into its report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from edge.agent.conditions import beating
from edge.api import core, meta


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What one part of the agent knows of the node."""

    capacity: Mapping[str, str] = field(default_factory=dict)
    """Further resources, such as devices, with their amounts; all of it is allocatable."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    conditions: tuple[meta.Condition, ...] = ()
    """Take the place of conditions of the same type. Times may be left empty."""


class FactSource(Protocol):
    """A part of the agent that knows something of the node."""

    def facts(self) -> Facts:
        """Return what is known now, without looking anywhere."""
        ...


def joined(sources: Iterable[FactSource]) -> Facts:
    """Return the facts of all sources as one; of two that say the same thing the later one holds."""
    capacity: dict[str, str] = {}
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    conditions: dict[str, meta.Condition] = {}
    for source in sources:
        found = source.facts()
        capacity |= found.capacity
        labels |= found.labels
        annotations |= found.annotations
        conditions |= {condition.type: condition for condition in found.conditions}
    return Facts(capacity=capacity, labels=labels, annotations=annotations, conditions=tuple(conditions.values()))


def applied(status: core.NodeStatus, facts: Facts, previous: core.NodeStatus | None, now: str) -> core.NodeStatus:
    """Return a node's status with the facts in it, dated like the rest."""
    own = {condition.type for condition in facts.conditions}
    kept = tuple(condition for condition in status.conditions if condition.type not in own)
    # Ready stands last, where people look for it.
    ready = tuple(condition for condition in kept if condition.type == "Ready")
    others = tuple(condition for condition in kept if condition.type != "Ready")
    before = previous.conditions if previous is not None else ()
    dated = tuple(beating(condition, before, now) for condition in facts.conditions)
    return msgspec.structs.replace(status, capacity=status.capacity | dict(facts.capacity),
                                   allocatable=status.allocatable | dict(facts.capacity),
                                   conditions=(*others, *dated, *ready))
