"""What a plan may ask for: one small value for each thing the agent can do to a pod."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.agent import volumes
from edge.agent.cgroups import PodGroup
from edge.api import core
from edge.runtime.containers import ContainerSpec, Credentials


@dataclass(frozen=True, slots=True)
class MakeGroup:
    """Make the pod's control group, or have it as it should be."""

    group: PodGroup


@dataclass(frozen=True, slots=True)
class RemoveGroup:
    """Remove the pod's control group; nothing of the pod runs any more."""


@dataclass(frozen=True, slots=True)
class EmptyVolumes:
    """Remove what a pod that is over has written into its volumes; its last words stay."""


@dataclass(frozen=True, slots=True)
class AdmitPod:
    """Take the pod: from now on its requests count."""


@dataclass(frozen=True, slots=True)
class RejectPod:
    """Fail the pod, of which nothing was made."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class AttachNetwork:
    """Give the pod its network namespace, with these kernel settings, and its address."""

    sysctls: tuple[tuple[str, str], ...] = ()


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
class StartPause:
    """Start what holds the process namespace that the pod's containers share."""

    spec: ContainerSpec = field(repr=False)


@dataclass(frozen=True, slots=True)
class ShareMemory:
    """Make the IPC namespace and the /dev/shm that the pod's containers share."""

    directory: str


@dataclass(frozen=True, slots=True)
class FindImage:
    """Look whether the node has the image; `user`: and as whom it runs."""

    reference: str
    user: bool = False


@dataclass(frozen=True, slots=True)
class PullImage:
    """Fetch the image in the background, for one attempt of one container."""

    container: str
    attempt: int
    reference: str
    credentials: tuple[Credentials, ...] = field(default=(), repr=False)
    """All that may fit; they are tried one after the other."""
    field_path: str = ""
    look_first: bool = False
    """Whether an image that has come to the node meanwhile is good enough."""


@dataclass(frozen=True, slots=True)
class CreateContainer:
    """Create the container; `failed_at` is when the attempt before ended (monotonic), None for the first."""

    spec: ContainerSpec = field(repr=False)
    field_path: str
    failed_at: float | None = None
    stock: int = 0
    """The version of the stock that its devices were chosen from."""
    sub_paths: tuple[volumes.SubPath, ...] = ()
    """Paths inside volumes, to be bound first."""


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


Action = (StartPause | ShareMemory | AdmitPod | RejectPod | MakeGroup | RemoveGroup | EmptyVolumes | AttachNetwork
          | DetachNetwork | WriteVolumes | RemoveVolumes | FindImage | PullImage | CreateContainer | StartContainer
          | RunHook | KillContainer | RemoveContainer | Emit | ForgetPod)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, and after how many seconds to look again when nothing else happens."""

    actions: tuple[Action, ...] = ()
    requeue_after: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """The next step of one container: what to do, why it waits (empty: it is being created), when to look again."""

    actions: tuple[Action, ...] = ()
    reason: str = ""
    message: str = ""
    requeue_after: float | None = None
