"""What travels on the bus. Every message has a version; an unknown one is refused with a reason, never guessed at."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from edge.api import core

VERSION = 1


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base of every message: absent fields have their default, unknown ones are ignored."""

    version: int = VERSION


class PodRef(msgspec.Struct, frozen=True):
    """One pod a node shall have, and the revision of its desired/pods message."""

    uid: str
    revision: str


class DesiredIndex(Struct):
    """All the pods of one node: complete, so that one message is enough to notice what is missing or gone.

    `epoch` changes when the server starts: the agent then reports everything again.
    """

    epoch: str
    pods: tuple[PodRef, ...] = ()


class DesiredPod(Struct):
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


class ServicePort(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One port of a service with its ready backends as (address, port)."""

    name: str = ""
    protocol: str = "TCP"
    port: int
    node_port: int = 0
    backends: tuple[tuple[str, int], ...] = ()
    app_protocol: str = ""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One address behind a service, for DNS: headless services list these; `hostname` names it."""

    address: str
    hostname: str = ""
    node: str = ""
    ready: bool = True


class ServiceEntry(Struct):
    """A service with its ready endpoints, for the packet rules and the DNS of every node."""

    namespace: str
    name: str
    type: str = "ClusterIP"
    cluster_ip: str = ""
    """"None" for a headless service."""
    external_name: str = ""
    external_ips: tuple[str, ...] = ()
    load_balancer_ips: tuple[str, ...] = ()
    session_affinity_seconds: int = 0
    """0: no affinity."""
    external_traffic_policy: str = "Cluster"
    publish_not_ready: bool = False
    ports: tuple[ServicePort, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()


class ClusterNode(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One node as the others must know it."""

    name: str
    address: str = ""
    pod_cidr: str = ""


class ClusterNodes(Struct):
    """All nodes, for routes, and the cluster-wide settings every node needs."""

    nodes: tuple[ClusterNode, ...] = ()
    pod_cidr: str = "10.244.0.0/16"
    service_cidr: str = "10.96.0.0/12"
    dns_address: str = "10.96.0.10"
    domain: str = "cluster.local"


class Reported(Struct):
    """The base of everything an agent sends: late messages are recognised by boot id and sequence."""

    boot_id: str
    """New at every start of the agent's process."""
    sequence: int
    """Grows by at least one with each message of one boot id."""


class ReportedPod(Reported):
    """The status of one pod. `terminated` says that nothing of it is left on the node."""

    uid: str
    namespace: str
    name: str
    status: core.PodStatus
    terminated: bool = False
    epoch: str = ""
    """The index epoch this answers."""


class ReportedNode(Reported):
    """The node: capacity, allocatable, conditions, addresses, images, versions, and the labels it gives itself."""

    status: core.NodeStatus
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    taints: tuple[core.Taint, ...] = ()
    """Taints the node registers with (once, when its Node object is made)."""


class Heartbeat(Reported):
    """Says that the agent is alive. Every 10 s; never reaches the card."""


class NodeState(Reported):
    """Retained. `online` and `offline` are sent by the agent, `lost` by the broker as the agent's last will."""

    state: str


class ReportedEvent(Reported):
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
    if message.version != VERSION:
        raise MessageError(f"version {message.version}, this program speaks {VERSION}")
    return message
