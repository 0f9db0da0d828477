"""Decides what the node shall run, from what the bus has said so far.

The index is complete: a pod it does not list has to go, a pod whose message of the listed revision has not arrived is
awaited. Messages may come in any order, twice, or be wrong; a wrong one changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from edge.api import topology
from edge.bus import messages, topics


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
            return _pod(known, topic.name, payload)
        case "cluster/services":
            return _service(known, topic.name, payload)
        case "cluster/nodes" if payload:
            return replace(known, cluster=messages.decode(messages.ClusterMessage, payload).cluster)
        case _:
            return known


def _index(known: Known, payload: bytes) -> Known:
    # A cleared index is no order to stop everything: only a list that was written can say that nothing is wanted.
    if not payload:
        return known
    index = messages.decode(messages.DesiredIndex, payload)
    pods, ahead = {}, {}
    for ref in index.pods:
        held, early = known.pods.get(ref.uid), known.ahead.get(ref.uid)
        chosen = early if early is not None and early.revision == ref.revision else held
        if chosen is not None:
            pods[ref.uid] = chosen
        if early is not None and early is not chosen:
            ahead[ref.uid] = early
    return replace(known, index=index, pods=pods, ahead=ahead)


def _pod(known: Known, uid: str, payload: bytes) -> Known:
    if not payload:
        return known
    pod = messages.decode(messages.DesiredPod, payload)
    if pod.pod.metadata.uid != uid:
        raise messages.MessageError(f"the topic says pod {uid}, the message {pod.pod.metadata.uid}")
    listed = next((ref.revision for ref in known.index.pods if ref.uid == uid), None) if known.index else None
    if pod.revision != listed:
        return replace(known, ahead={**known.ahead, uid: pod})
    return replace(known, pods={**known.pods, uid: pod},
                   ahead={other: early for other, early in known.ahead.items() if other != uid})


def _service(known: Known, name: str, payload: bytes) -> Known:
    if not payload:
        return replace(known, services={key: value for key, value in known.services.items() if key != name})
    service = messages.decode(messages.ServiceMessage, payload).service
    if f"{service.namespace}/{service.name}" != name:
        raise messages.MessageError(f"the topic says service {name}, the message {service.namespace}/{service.name}")
    return replace(known, services={**known.services, name: service})


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
