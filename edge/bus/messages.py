"""What travels on the bus. Every message has a version; an unknown one is refused with a reason, never guessed at."""

from __future__ import annotations

from typing import TypeVar, dataclass_transform

import msgspec

from edge.api import core, topology

VERSION = 1


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base of every message: absent fields have their default, unknown ones are ignored."""

    version: int = msgspec.field(default_factory=lambda: VERSION)  # made by a function, it is written to the wire


class PodRef(msgspec.Struct, frozen=True):
    """One pod a node shall have, and the revision of its desired/pods message."""

    uid: str
    revision: str


class DesiredIndex(Struct, kw_only=True):
    """All the pods of one node: complete, so that one message is enough to notice what is missing or gone.

    `epoch` changes whenever the server has connected: the agent then reports everything again.
    """

    epoch: str
    pods: tuple[PodRef, ...] = ()


class PodToken(msgspec.Struct, frozen=True, omit_defaults=True):
    """A token of a pod's service account, by what a projected volume asks for. `repr` does not show it."""

    audience: str = ""
    expiration_seconds: int = 3600
    token: str = ""

    def __repr__(self) -> str:
        return f"PodToken(audience={self.audience!r}, expiration_seconds={self.expiration_seconds})"


class Withheld(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a card does not keep of a pod: the values of Secrets, by their names, and every token."""

    secrets: tuple[str, ...] = ()
    account: bool = False
    """Whether there is a `service_account_token`."""


class DesiredPod(Struct, kw_only=True):
    """A pod with everything it needs. A set `pod.metadata.deletion_timestamp` means: stop it, then report it gone.

    `config_maps` and `secrets` are those the pod names, by name; a missing one is simply not there, and the agent
    waits for it unless the pod says it is optional. `revision` changes whenever anything in here but `tokens` does.
    """

    revision: str
    pod: core.Pod
    config_maps: dict[str, core.ConfigMap] = {}
    secrets: dict[str, core.Secret] = {}
    service_account_token: str = ""
    """For a pod whose spec has no volume for it, as those made by older servers; empty where there is none."""
    tokens: tuple[PodToken, ...] = ()
    """Of the pod's service account, for its projected volumes. They are renewed without a new `revision`."""
    claims: dict[str, core.PersistentVolume] = {}
    """By claim name, the volumes that are bound to the claims the pod names; an unbound claim is not there. The claim
    of a generic ephemeral volume is `<pod>-<volume>`."""
    runtime_handler: str = ""
    """Of the pod's RuntimeClass; the class's name where there is no such class."""
    withheld: Withheld | None = None
    """Never sent. The agent sets it on a pod that it knows from its card alone."""


class DesiredVolumes(Struct, kw_only=True):
    """Local volumes whose directories the node shall remove, by name; retained while there are any.

    A directory that is not named here stays: nothing is ever removed because a message is missing.
    """

    epoch: str
    removed: tuple[str, ...] = ()


class ServiceMessage(Struct, kw_only=True):
    """One service, retained under its name; an empty payload says that it is gone."""

    service: topology.Service


class ClusterMessage(Struct, kw_only=True):
    """All nodes, for routes, and the cluster-wide settings every node needs."""

    cluster: topology.Cluster
    services: tuple[str, ...] | None = None
    """Every service there is, as `namespace/name`: one that a node knows and that is not listed has gone while the node
    was away. None: nothing is said of services."""


class Reported(Struct, kw_only=True):
    """The base of everything an agent sends: late messages are recognised by boot id and sequence."""

    boot_id: str
    """New at every start of the agent's process."""
    sequence: int
    """Grows by at least one with each message of one boot id."""


class ReportedPod(Reported, kw_only=True):
    """The status of one pod. `terminated` says that nothing of it is left on the node."""

    uid: str
    namespace: str
    name: str
    status: core.PodStatus
    terminated: bool = False
    epoch: str = ""
    """The index epoch this answers."""


class ReportedNode(Reported, kw_only=True):
    """The node: capacity, allocatable, conditions, addresses, images, versions, and the labels it gives itself."""

    status: core.NodeStatus
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    taints: tuple[core.Taint, ...] = ()
    """Taints the node registers with (once, when its Node object is made)."""


class ReportedVolumes(Reported, kw_only=True):
    """Answers DesiredVolumes: those of the named volumes of which the node has no directory (any more)."""

    removed: tuple[str, ...] = ()


class ReportedStatic(Reported, kw_only=True):
    """All pods the node runs by itself, from files of its own. The server shows each as a mirror pod."""

    pods: tuple[core.Pod, ...] = ()


class Heartbeat(Reported, kw_only=True):
    """Says that the agent is alive. Every 5 s, so that one may be lost; never reaches the card."""


class NodeState(Reported, kw_only=True):
    """Retained. `online` and `offline` are sent by the agent, `lost` by the broker as the agent's last will."""

    state: str


class ReportedEvent(Reported, kw_only=True):
    """Something worth an Event object."""

    uid: str = ""
    """Pod uid; empty for an event of the node itself."""
    namespace: str = ""
    name: str = ""
    field_path: str = ""
    type: str = "Normal"
    reason: str
    message: str
    timestamp: str = ""


class MessageError(Exception):
    """The payload is not a message of ours; the text says why."""


M = TypeVar("M", bound=Struct)
MAX_BYTES = 4 * 1024 * 1024


def encode(message: Struct) -> bytes:
    """Return the message as JSON."""
    return msgspec.json.encode(message)


def decode(kind: type[M], payload: bytes) -> M:
    """Return the message.

    Raises:
        MessageError: too large, not JSON, a field of the wrong type, or a version this program does not speak.
    """
    if len(payload) > MAX_BYTES:
        raise MessageError(f"{len(payload)} bytes are more than {MAX_BYTES}")
    try:
        message = msgspec.json.decode(payload, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MessageError(str(error)) from error
    except RecursionError as error:
        raise MessageError("nested too deeply") from error
    if message.version != VERSION:
        raise MessageError(f"version {message.version}, this program speaks {VERSION}")
    return message
