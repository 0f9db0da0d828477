"""Everything one decision about a pod is made from: what is wanted, what is there, what is remembered, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from edge.agent.admission import NodeFacts
from edge.agent.device_allocation import Stock
from edge.agent.memory import Memory
from edge.agent.probes import Health
from edge.agent.surroundings import Surroundings
from edge.api import core
from edge.bus import messages
from edge.network.interface import Sandbox
from edge.runtime import spec
from edge.runtime.containers import Container, State

DEFAULT_GRACE_SECONDS = 30.0
FINISHED = ("Succeeded", "Failed")
# What is deleted by force still gets a moment, as from the kubelet.
FORCED_GRACE_SECONDS = 2.0
EVICTED = "Evicted"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One pod at one moment. `deleting`: it has to go, because it says so or because it is no longer listed."""

    uid: str
    desired: messages.DesiredPod | None
    deleting: bool
    unlisted: bool = False
    """It was deleted by force: the API has forgotten it, and its name may be in use again."""
    containers: tuple[Container, ...] = ()
    pause: Container | None = None
    """What holds the process namespace of a pod whose containers share one."""
    has_shared_memory: bool = False
    """Whether the pod's IPC namespace and /dev/shm are there."""
    has_run_dir: bool = True
    """Whether its directory in memory is there. After a reboot it is not, and the pod starts anew."""
    sandbox: Sandbox | None = None
    has_files: bool = False
    has_group: bool = False
    network_ready: bool = True
    """Whether the node knows its pod subnet."""
    health: Mapping[str, Health] = field(default_factory=dict)
    """By container id."""
    memory: Memory = field(default_factory=Memory)
    around: Surroundings
    stock: Stock = field(default_factory=Stock)
    """The node's devices and who has them."""
    previous: core.PodStatus | None = None
    """The status reported last."""
    facts: NodeFacts | None = None
    """For a pod that the node has not yet taken."""
    now: datetime
    monotonic: float

    @property
    def pod(self) -> core.Pod:
        assert self.desired is not None
        return self.desired.pod

    @property
    def files_key(self) -> str:
        """What the pod's files are made from; when it changes they are looked at again."""
        wanted, around = self.desired, self.around
        # Tokens are renewed, and what a card does not keep comes later, without a new revision.
        more = (wanted.revision, hash(wanted.tokens), wanted.withheld is None) if wanted is not None else ()
        return "\n".join((*map(str, more), self.address, around.cluster.dns_address, around.cluster.domain,
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
        most = [FORCED_GRACE_SECONDS] if self.unlisted else []
        if self.memory.failed is not None and self.memory.failed_grace_seconds is not None:
            most.append(self.memory.failed_grace_seconds)
        return min([self._own_grace_seconds(), *most])

    def _own_grace_seconds(self) -> float:
        if self.desired is None:
            return DEFAULT_GRACE_SECONDS
        metadata, own = self.desired.pod.metadata, self.desired.pod.spec.termination_grace_period_seconds
        if metadata.deletion_timestamp is not None and metadata.deletion_grace_period_seconds is not None:
            return float(metadata.deletion_grace_period_seconds)
        return DEFAULT_GRACE_SECONDS if own is None else float(own)

    def spec_of(self, name: str) -> core.Container | None:
        """Return the container of that name as the pod wants it."""
        if self.desired is None:
            return None
        return next((each for each in every(self.desired.pod.spec) if each.name == name), None)

    def attempts(self, name: str) -> tuple[Container, ...]:
        """Return the containers of that name, newest first."""
        found = (container for container in self.containers if container.name == name)
        return tuple(sorted(found, key=lambda container: container.attempt, reverse=True))

    def latest(self, name: str) -> Container | None:
        """Return the newest container of that name."""
        return next(iter(self.attempts(name)), None)


def every(spec: core.PodSpec) -> tuple[core.Container, ...]:
    """Return all containers of a pod, init and ephemeral ones included."""
    return *spec.init_containers, *spec.containers, *spec.ephemeral_containers


def is_ephemeral(container: core.Container) -> bool:
    """Return whether a container was added to look into the running pod."""
    return isinstance(container, core.EphemeralContainer)


def in_post_start(view: View, container: core.Container, latest: Container) -> bool:
    """Return whether a postStart hook is still to end; until then the container does not count as running."""
    wanted = container.lifecycle is not None and container.lifecycle.post_start is not None
    return wanted and view.memory.post_start.get(latest.id) in ("wanted", "running")


def is_started(view: View, container: core.Container, latest: Container) -> bool:
    """Return whether a running container has come up: its postStart hook has ended, its startup probe succeeded."""
    health = view.health.get(latest.id)
    return not in_post_start(view, container, latest) and (health is None or health.started)


def is_sidecar(container: core.Container) -> bool:
    """Return whether an init container keeps running beside the others."""
    return container.restart_policy == "Always"


def is_current(container: core.Container, latest: Container) -> bool:
    """Return whether a container was made from the spec as it is now."""
    return latest.spec_hash == spec.spec_hash(container)


def will_restart(view: View, container: core.Container, latest: Container, *, init: bool = False) -> bool:
    """Return whether an ended container is to run again, by the restart policy or because it was stopped for that."""
    if is_ephemeral(container):
        return False
    stop = view.memory.stops.get(latest.id)
    if stop is not None and stop.restart:
        return True
    policy = view.pod.spec.restart_policy or "Always"
    if init and is_sidecar(container):
        return True
    if init:
        return latest.exit_code != 0 and policy != "Never"
    return policy == "Always" or (policy == "OnFailure" and latest.exit_code != 0)


def failed_as(view: View) -> str:
    """Return the reason of a pod that has failed as a whole, empty where there is none."""
    if view.memory.failed is not None:
        return view.memory.failed[0]
    return view.previous.reason if view.previous is not None and view.previous.phase == "Failed" else ""


def final_phase(view: View) -> str:
    """Return Succeeded or Failed once no container of the pod will run again, else an empty string."""
    if view.memory.failed is not None:
        return "Failed"
    for told in (view.previous, view.pod.status):
        if told is not None and told.phase in FINISHED:
            return told.phase
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
