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

    `epoch` changes when the server starts: the agent then reports everything again.
    """

    epoch: str
    pods: tuple[PodRef, ...] = ()


class DesiredPod(Struct, kw_only=True):
    """A pod with everything it needs. A set `pod.metadata.deletion_timestamp` means: stop it, then report it gone.

    `config_maps` and `secrets` are those the pod names, by name; a missing one is simply not there, and the agent
    waits for it unless the pod says it is optional. `revision` changes whenever anything in here does.
    """

    revision: str
    pod: core.Pod
    config_maps: dict[str, core.ConfigMap] = {}
    secrets: dict[str, core.Secret] = {}
    service_account_token: str = ""
    """For the pod's /var/run/secrets/kubernetes.io/serviceaccount; empty where there is none."""


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
