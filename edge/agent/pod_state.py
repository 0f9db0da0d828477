"""One pod as its worker holds it, and what a worker acts through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from edge.agent.admission import NodeFacts
from edge.agent.cgroups import Groups
from edge.agent.device_claims import Claims
from edge.agent.image_pulls import Pulls
from edge.agent.listing import Listing
from edge.agent.memory import Memory
from edge.agent.reporter import Reporter
from edge.agent.sandboxes import Sandboxes
from edge.agent.surroundings import Surroundings
from edge.api import core
from edge.bus import messages
from edge.clock import Clock
from edge.runtime.interface import Runtime


@dataclass(frozen=True, slots=True)
class Ports:
    """What a worker acts through."""

    runtime: Runtime
    sandboxes: Sandboxes
    listing: Listing
    reporter: Reporter
    clock: Clock
    around: Callable[[], Surroundings]
    pod_cidr: Callable[[], str]
    """The node's subnet for pods; empty while it is not known."""
    pulls: Pulls
    network_changed: Callable[[], None]
    images_changed: Callable[[], None]
    facts: Callable[[str], NodeFacts] = lambda uid: NodeFacts()
    """The node as the pod of that uid finds it."""
    groups: Groups | None = None
    """None where pods have no control groups of their own."""
    claims: Claims = field(default_factory=Claims)


@dataclass(slots=True)
class PodState:
    """One pod as its worker holds it."""

    uid: str
    desired: messages.DesiredPod | None = None
    deleting: bool = False
    unlisted: bool = False
    memory: Memory = field(default_factory=Memory)
    previous: core.PodStatus | None = None

    @property
    def pod(self) -> core.Pod | None:
        return self.desired.pod if self.desired is not None else None


Spawn = Callable[[str, Callable[[], Awaitable[None]]], None]
