"""Decides what the node shall run, from what the bus has said so far.

The index is complete: a pod it does not list has to go, a pod whose message of the listed revision has not arrived is
awaited. So is the list of services: what was deleted while the node was away is in no message of its own. Messages may
come in any order, twice, or be wrong; a wrong one changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network

from edge.api import topology
from edge.bus import messages, topics

MOST_AHEAD = 1000
# What becomes part of a path on the node: no separator, and neither `.` nor `..`.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The desired state of the node as far as it is known."""

    index: messages.DesiredIndex | None = None
    pods: Mapping[str, messages.DesiredPod] = field(default_factory=dict)
    """By uid: the messages of listed pods, the listed revision once it has come and the one before until then."""
    ahead: Mapping[str, messages.DesiredPod] = field(default_factory=dict)
    """By uid: messages that came before the index that lists their revision."""
    services: Mapping[str, topology.Service] = field(default_factory=dict)
    """By `namespace/name`."""
    cluster: topology.Cluster | None = None

    @property
    def epoch(self) -> str:
        return self.index.epoch if self.index else ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What follows for the pods. Without an index nothing is known, so nothing is unwanted."""

    pods: Mapping[str, messages.DesiredPod]
    """To be run, or stopped where they say so: the listed ones whose message is there."""
    awaited: frozenset[str]
    """Listed, but not (in that revision) arrived; leave alone what runs of them."""
    complete: bool
    """Whether an index is known: pods that are neither wanted nor awaited have to go."""


def receive(known: Known, topic: topics.Topic, payload: bytes) -> Known:
    """Return the state after one message; topics that say nothing of desired state change nothing.

    Raises:
        MessageError: the payload is not what the topic promises; the state stays as it is.
    """
    match topic.branch:
        case "desired/index":
            return _index(known, payload)
        case "desired/pods":
            return _pod(known, topic, payload)
        case "cluster/services":
            return _service(known, topic.name, payload)
        case "cluster/nodes" if payload:
            return _cluster(known, payload)
        case _:
            return known


def _index(known: Known, payload: bytes) -> Known:
    # A cleared index is no order to stop everything: only a list that was written can say that nothing is wanted.
    if not payload:
        return known
    index = messages.decode(messages.DesiredIndex, payload)
    if index == known.index and not known.ahead:
        return known
    pods, ahead = {}, {}
    for ref in index.pods:
        held, early = known.pods.get(ref.uid), known.ahead.get(ref.uid)
        chosen = early if early is not None and early.revision == ref.revision else held
        if chosen is not None:
            pods[ref.uid] = chosen
        if early is not None and early is not chosen:
            ahead[ref.uid] = early
    return replace(known, index=index, pods=pods, ahead=ahead)


def _pod(known: Known, topic: topics.Topic, payload: bytes) -> Known:
    if not payload:
        return known
    pod, uid = messages.decode(messages.DesiredPod, payload), topic.name
    _check(pod, topic)
    if known.pods.get(uid) == pod:
        return known
    listed = next((ref.revision for ref in known.index.pods if ref.uid == uid), None) if known.index else None
    if pod.revision != listed:
        if len(known.ahead) >= MOST_AHEAD and uid not in known.ahead:
            raise messages.MessageError(f"pod {uid} is not listed, and neither are {MOST_AHEAD} others")
        return replace(known, ahead={**known.ahead, uid: pod})
    return replace(known, pods={**known.pods, uid: pod},
                   ahead={other: early for other, early in known.ahead.items() if other != uid})


def _check(desired: messages.DesiredPod, topic: topics.Topic) -> None:
    """Raises MessageError for a pod that is not this topic's or node's, or whose names would lead out of its paths."""
    pod, spec = desired.pod, desired.pod.spec
    if pod.metadata.uid != topic.name:
        raise messages.MessageError(f"the topic says pod {topic.name}, the message {pod.metadata.uid}")
    if spec.node_name not in ("", topic.node):
        raise messages.MessageError(f"pod {topic.name} is bound to the node {spec.node_name}")
    containers = (*spec.init_containers, *spec.containers, *spec.ephemeral_containers)
    for name in (topic.name, pod.metadata.namespace, pod.metadata.name, *(each.name for each in containers),
                 *(volume.name for volume in spec.volumes)):
        if not _NAME.fullmatch(name):
            raise messages.MessageError(f"pod {topic.name[:64]!r}: {name[:64]!r} is not a name")


def _cluster(known: Known, payload: bytes) -> Known:
    message = messages.decode(messages.ClusterMessage, payload)
    cluster = message.cluster
    try:
        IPv4Address(cluster.dns_address)
        for network in (cluster.service_cidr, *(node.pod_cidr for node in cluster.nodes if node.pod_cidr)):
            IPv4Network(network)
    except ValueError as error:
        raise messages.MessageError(f"the cluster's addresses: {error}") from error
    if message.services is not None and not known.services.keys() <= (listed := set(message.services)):
        known = replace(known, services={name: value for name, value in known.services.items() if name in listed})
    return known if cluster == known.cluster else replace(known, cluster=cluster)


def _service(known: Known, name: str, payload: bytes) -> Known:
    if not payload and name not in known.services:
        return known
    if not payload:
        return replace(known, services={key: value for key, value in known.services.items() if key != name})
    service = messages.decode(messages.ServiceMessage, payload).service
    if f"{service.namespace}/{service.name}" != name:
        raise messages.MessageError(f"the topic says service {name}, the message {service.namespace}/{service.name}")
    _check_service(service)
    if known.services.get(name) == service:
        return known
    return replace(known, services={**known.services, name: service})


def _check_service(service: topology.Service) -> None:
    """Raises MessageError for what would spoil the zone or the packet rules of all services."""
    addresses = (*({service.cluster_ip} - {"", "None"}), *service.external_ips, *service.load_balancer_ips,
                 *(each.address for each in service.endpoints),
                 *(address for port in service.ports for address, _ in port.backends))
    try:
        for address in addresses:
            IPv4Address(address)
    except ValueError as error:
        raise messages.MessageError(f"service {service.namespace}/{service.name}: {error}") from error
    if not (_NAME.fullmatch(service.namespace) and _NAME.fullmatch(service.name)):
        raise messages.MessageError(f"{service.namespace!r}/{service.name!r} is not the name of a service")


def wanted(known: Known) -> Wanted:
    """Return which pods to act on and which to leave alone."""
    if known.index is None:
        return Wanted({}, frozenset(), complete=False)
    ready: dict[str, messages.DesiredPod] = {}
    awaited: set[str] = set()
    for ref in known.index.pods:
        pod = known.pods.get(ref.uid)
        if pod is not None and pod.revision == ref.revision:
            ready[ref.uid] = pod
        else:
            awaited.add(ref.uid)
    return Wanted(ready, frozenset(awaited), complete=True)
