"""Everything one decision about a pod is made from: what is wanted, what is there, what is remembered, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from edge.agent.memory import Memory
from edge.agent.probes import Health
from edge.agent.surroundings import Surroundings
from edge.api import core
from edge.bus import messages
from edge.network.interface import Sandbox
from edge.runtime import spec
from edge.runtime.containers import Container, State

DEFAULT_GRACE_SECONDS = 30.0
# What is deleted by force still gets a moment, as from the kubelet.
FORCED_GRACE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One pod at one moment. `deleting`: it has to go, because it says so or because it is no longer listed."""

    uid: str
    desired: messages.DesiredPod | None
    deleting: bool
    unlisted: bool = False
    """It was deleted by force: the API has forgotten it, and its name may be in use again."""
    containers: tuple[Container, ...] = ()
    sandbox: Sandbox | None = None
    has_files: bool = False
    network_ready: bool = True
    """Whether the node knows its pod subnet."""
    health: Mapping[str, Health] = field(default_factory=dict)
    """By container id."""
    memory: Memory = field(default_factory=Memory)
    around: Surroundings
    previous: core.PodStatus | None = None
    """The status reported last."""
    now: datetime
    monotonic: float

    @property
    def pod(self) -> core.Pod:
        assert self.desired is not None
        return self.desired.pod

    @property
    def files_key(self) -> str:
        """What the pod's files are made from; when it changes they are looked at again."""
        revision, around = self.desired.revision if self.desired is not None else "", self.around
        return "\n".join((revision, self.address, around.cluster.dns_address, around.cluster.domain,
                          around.host_resolv_conf))

    @property
    def address(self) -> str:
        """The pod's own address; on the host network the node's; empty until there is one."""
        if self.desired is not None and self.desired.pod.spec.host_network:
            return self.around.node_address
        return self.sandbox.address if self.sandbox else ""

    @property
    def grace_seconds(self) -> float:
        """Seconds between the request to stop and the kill."""
        return min(self._own_grace_seconds(), FORCED_GRACE_SECONDS) if self.unlisted else self._own_grace_seconds()

    def _own_grace_seconds(self) -> float:
        if self.desired is None:
            return DEFAULT_GRACE_SECONDS
        metadata, own = self.desired.pod.metadata, self.desired.pod.spec.termination_grace_period_seconds
        if metadata.deletion_timestamp is not None and metadata.deletion_grace_period_seconds is not None:
            return float(metadata.deletion_grace_period_seconds)
        return DEFAULT_GRACE_SECONDS if own is None else float(own)

    def attempts(self, name: str) -> tuple[Container, ...]:
        """Return the containers of that name, newest first."""
        found = (container for container in self.containers if container.name == name)
        return tuple(sorted(found, key=lambda container: container.attempt, reverse=True))

    def latest(self, name: str) -> Container | None:
        """Return the newest container of that name."""
        return next(iter(self.attempts(name)), None)


def is_sidecar(container: core.Container) -> bool:
    """Return whether an init container keeps running beside the others."""
    return container.restart_policy == "Always"


def is_current(container: core.Container, latest: Container) -> bool:
    """Return whether a container was made from the spec as it is now."""
    return latest.spec_hash == spec.spec_hash(container)


def will_restart(view: View, container: core.Container, latest: Container, *, init: bool = False) -> bool:
    """Return whether an ended container is to run again, by the restart policy or because it was stopped for that."""
    stop = view.memory.stops.get(latest.id)
    if stop is not None and stop.restart:
        return True
    policy = view.pod.spec.restart_policy or "Always"
    if init and is_sidecar(container):
        return True
    if init:
        return latest.exit_code != 0 and policy != "Never"
    return policy == "Always" or (policy == "OnFailure" and latest.exit_code != 0)


def final_phase(view: View) -> str:
    """Return Succeeded or Failed once no container of the pod will run again, else an empty string."""
    if view.memory.failed is not None:
        return "Failed"
    if view.previous is not None and view.previous.phase in ("Succeeded", "Failed"):
        return view.previous.phase
    for container in view.pod.spec.init_containers:
        latest = view.latest(container.name)
        if latest is not None and latest.state is State.EXITED and not is_sidecar(container) \
                and latest.exit_code != 0 and not will_restart(view, container, latest, init=True):
            return "Failed"
    ended = []
    for container in view.pod.spec.containers:
        latest = view.latest(container.name)
        if latest is None or latest.state is not State.EXITED or will_restart(view, container, latest):
            return ""
        ended.append(latest)
    return "Succeeded" if all(container.exit_code == 0 for container in ended) else "Failed"
