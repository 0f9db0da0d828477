"""What a plan may ask for: one small value for each thing the agent can do to a pod."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.agent import volumes
from edge.api import core
from edge.runtime.containers import ContainerSpec, Credentials


@dataclass(frozen=True, slots=True)
class AttachNetwork:
    """Give the pod its network namespace and address."""


@dataclass(frozen=True, slots=True)
class DetachNetwork:
    """Take the pod's network away."""


@dataclass(frozen=True, slots=True)
class WriteVolumes:
    """Make the pod's files and directories so; also when a ConfigMap or Secret has changed."""

    layout: volumes.Layout
    key: str


@dataclass(frozen=True, slots=True)
class RemoveVolumes:
    """Remove everything of the pod from the disk."""


@dataclass(frozen=True, slots=True)
class FindImage:
    """Look whether the node has the image."""

    reference: str


@dataclass(frozen=True, slots=True)
class PullImage:
    """Fetch the image in the background, for one attempt of one container."""

    container: str
    attempt: int
    reference: str
    credentials: Credentials | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CreateContainer:
    """Create the container; `failed_at` is when the attempt before ended (monotonic), None for the first."""

    spec: ContainerSpec = field(repr=False)
    field_path: str
    failed_at: float | None = None


@dataclass(frozen=True, slots=True)
class StartContainer:
    """Start a created container."""

    container_id: str
    container: str
    field_path: str


@dataclass(frozen=True, slots=True)
class RunHook:
    """Run a postStart or preStop hook in the background."""

    kind: str
    container_id: str
    container: str
    handler: core.LifecycleHandler
    grace_seconds: float = 0.0
    restart: bool = False


@dataclass(frozen=True, slots=True)
class KillContainer:
    """Send a signal. `restart` remembers that the container is to start again whatever the restart policy."""

    container_id: str
    signal: str
    grace_seconds: float
    restart: bool = False


@dataclass(frozen=True, slots=True)
class RemoveContainer:
    """Remove a container that has ended, with its log."""

    container_id: str
    container: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Emit:
    """Send an event, once for each key."""

    key: str
    reason: str
    message: str
    type: str = "Normal"
    field_path: str = ""


@dataclass(frozen=True, slots=True)
class ForgetPod:
    """Nothing of the pod is left: report it terminated and drop it."""


Action = (AttachNetwork | DetachNetwork | WriteVolumes | RemoveVolumes | FindImage | PullImage | CreateContainer
          | StartContainer | RunHook | KillContainer | RemoveContainer | Emit | ForgetPod)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, and after how many seconds to look again when nothing else happens."""

    actions: tuple[Action, ...] = ()
    requeue_after: float | None = None
