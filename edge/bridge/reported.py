"""Decides what a node's report changes in the API. A node speaks only for itself and for the pods bound to it.

Status is written only when something other than a heartbeat time has changed: every write reaches the card.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from edge.api import coordination, core, meta, mirror_pods, quantity
from edge.bridge import surroundings
from edge.bus import messages
from edge.pki import names

LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40
FINISHED = ("Succeeded", "Failed")
MOST_REASON, MOST_MESSAGE = 128, 2048
"""Characters of an event's texts that are looked at."""
_NODE_PREFIX_LENGTH = 24
_SELF_LABELS = ("kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os", "beta.kubernetes.io/arch",
                "beta.kubernetes.io/os")
_RESTRICTED_LABELS = ("node-role.kubernetes.io", "node-restriction.kubernetes.io")
_SERVER_ANNOTATIONS = ("edge.io/key", "edge.io/serial", "edge.io/certificate-expires", "edge.io/renamed-to")


@dataclass(frozen=True, slots=True)
class CreateNode:
    node: core.Node
    """With its status, which a create does not write: it is written right after."""


@dataclass(frozen=True, slots=True)
class UpdateNode:
    node: core.Node


@dataclass(frozen=True, slots=True)
class UpdateNodeStatus:
    node: core.Node


@dataclass(frozen=True, slots=True)
class UpdatePodStatus:
    pod: core.Pod


@dataclass(frozen=True, slots=True)
class DeletePod:
    """Delete for good: nothing of the pod is left on its node. `last` has its final status, where it is not known."""

    namespace: str
    name: str
    uid: str
    last: core.Pod | None = None


@dataclass(frozen=True, slots=True)
class Ignore:
    reason: str


NodeAction = CreateNode | UpdateNode | UpdateNodeStatus
PodAction = UpdatePodStatus | DeletePod | Ignore


def node(name: str, report: messages.ReportedNode, existing: core.Node | None, taken: Collection[str],
         pod_cidr: str, now: datetime, *, before: Iterable[core.Node] = ()) -> tuple[NodeAction, ...]:
    """Return what a node's own report changes.

    Args:
        name: the node, as the topic says.
        report: what it says of itself.
        existing: its Node object.
        taken: pod ranges of the other nodes.
        pod_cidr: range of the whole cluster; each node gets a /24 of it.
        now: time of the conditions that have changed.
        before: the Nodes that say of themselves that their machine is called `name` now.
    """
    if existing is None:
        fresh = core.Node(
            api_version="v1", kind="Node",
            metadata=meta.ObjectMeta(name=name, labels=_first_labels(name, report, tuple(before)),
                                     annotations=_annotations(report)),
            spec=core.NodeSpec(taints=report.taints))
        fresh = msgspec.structs.replace(_with_range(fresh, taken, pod_cidr),
                                        status=_node_status(report.status, core.NodeStatus(), now))
        return (CreateNode(fresh),)
    actions: list[NodeAction] = []
    claimed = {key: value for key, value in _labels(name, report).items() if not _is_restricted(key)}
    metadata = msgspec.structs.replace(existing.metadata, labels=existing.metadata.labels | claimed,
                                       annotations=existing.metadata.annotations | _annotations(report))
    changed = _with_range(msgspec.structs.replace(existing, metadata=metadata), taken, pod_cidr)
    if changed != existing:
        actions.append(UpdateNode(changed))
    status = _node_status(report.status, existing.status, now)
    if _without_heartbeats(status) != _without_heartbeats(existing.status):
        actions.append(UpdateNodeStatus(msgspec.structs.replace(existing, status=status)))
    return tuple(actions)


def lost(existing: core.Node, reason: str, now: datetime) -> core.Node | None:
    """Return the node with every condition it reports itself Unknown, or None when they are already."""
    own = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
    found = {condition.type for condition in existing.status.conditions}
    wanted = [meta.Condition(type=name, status="Unknown", reason="NodeStatusUnknown", message=reason)
              for name in own if name in found or name == "Ready"]
    if all(_status_of(existing, condition.type) == "Unknown" for condition in wanted):
        return None
    conditions = merge_conditions(existing.status.conditions, wanted, now)
    return msgspec.structs.replace(existing, status=msgspec.structs.replace(existing.status, conditions=conditions))


def is_unknown(existing: core.Node) -> bool:
    """Return whether the node counts as lost although it may have reported before."""
    return _status_of(existing, "Ready") == "Unknown"


def pod(sender: str, report: messages.ReportedPod, existing: core.Pod | None, now: datetime) -> PodAction:
    """Return what a report about a pod changes.

    Args:
        sender: the node that sent it, as the topic says.
        report: what it says.
        existing: the pod of that namespace and name.
        now: time of the conditions that have changed.
    """
    if existing is None or not mirror_pods.is_of(existing, report.uid):
        return Ignore("no such pod")
    if existing.spec.node_name != sender:
        return Ignore("the pod is not bound to the node that speaks of it")
    before = existing.status
    if report.terminated and existing.metadata.deletion_timestamp and not mirror_pods.is_mirror(existing):
        # Whoever counts pods by how they ended reads that from the last state of the object.
        tells = before.phase not in FINISHED and report.status.phase in FINISHED
        last = msgspec.structs.replace(existing, status=_pod_status(report.status, before, now)) if tells else None
        return DeletePod(existing.metadata.namespace, existing.metadata.name, existing.metadata.uid, last)
    if before.phase in FINISHED and report.status.phase != before.phase:
        return Ignore("a finished pod stays finished")
    status = _pod_status(report.status, before, now)
    if status == before:
        return Ignore("nothing has changed")
    return UpdatePodStatus(msgspec.structs.replace(existing, status=status))


def _pod_status(told: core.PodStatus, before: core.PodStatus, now: datetime) -> core.PodStatus:
    """Return what a node says of a pod, with what only the server knows."""
    addresses = tuple(entry for entry in told.pod_ips if surroundings.is_address(entry.ip))
    return msgspec.structs.replace(
        told, pod_ip=addresses[0].ip if addresses else _address_or_none(told.pod_ip),
        pod_ips=addresses, host_ip=_address_or_none(told.host_ip),
        conditions=merge_conditions(before.conditions, told.conditions, now),
        qos_class=told.qos_class or before.qos_class, start_time=told.start_time or before.start_time,
        nominated_node_name=before.nominated_node_name)


def lease(name: str, existing: coordination.Lease | None, now: datetime, boot_id: str = "") -> coordination.Lease:
    """Return the node's lease, renewed now by the agent that has this boot id."""
    notes = {names.BOOT_ANNOTATION: boot_id}
    time = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if existing is not None:
        spec = msgspec.structs.replace(existing.spec, holder_identity=name, renew_time=time)
        metadata = msgspec.structs.replace(existing.metadata, annotations=existing.metadata.annotations | notes)
        return msgspec.structs.replace(existing, spec=spec, metadata=metadata)
    return coordination.Lease(
        api_version="coordination.k8s.io/v1", kind="Lease",
        metadata=meta.ObjectMeta(name=name, namespace=LEASE_NAMESPACE, annotations=notes),
        spec=coordination.LeaseSpec(holder_identity=name, lease_duration_seconds=LEASE_SECONDS, acquire_time=time,
                                    renew_time=time))


def shortened(report: messages.ReportedEvent) -> messages.ReportedEvent:
    """Return an event with texts of a bounded length: thousands are remembered, whatever a node makes up."""
    return msgspec.structs.replace(report, reason=report.reason[:MOST_REASON], message=report.message[:MOST_MESSAGE],
                                   field_path=report.field_path[:MOST_MESSAGE])


def involved(sender: str, report: messages.ReportedEvent, subject: core.Pod | None,
             node_uid: str) -> meta.ObjectReference | Ignore:
    """Return what a reported event is about: a pod bound to the sender, or the sender itself."""
    if not report.uid:
        return meta.ObjectReference(kind="Node", api_version="v1", name=sender, uid=node_uid or sender)
    if subject is None or subject.metadata.uid != report.uid:
        return Ignore("no such pod")
    if subject.spec.node_name != sender:
        return Ignore("the pod is not bound to the node that speaks of it")
    return meta.ObjectReference(kind="Pod", api_version="v1", namespace=subject.metadata.namespace,
                                name=subject.metadata.name, uid=report.uid, field_path=report.field_path)


def free_range(taken: Iterable[str], pod_cidr: str) -> str:
    """Return the lowest /24 of the cluster's range nobody has, or "" when there is none left."""
    used = set(taken)
    whole = ipaddress.ip_network(pod_cidr)
    prefix = max(_NODE_PREFIX_LENGTH, whole.prefixlen)
    return next((str(part) for part in whole.subnets(new_prefix=prefix) if str(part) not in used), "")


def merge_conditions(before: Iterable[meta.Condition], reported: Iterable[meta.Condition],
                     now: datetime) -> tuple[meta.Condition, ...]:
    """Return the conditions before, overlaid by the reported ones; a transition time moves only with its status."""
    merged = {condition.type: condition for condition in before}
    for condition in reported:
        old = merged.get(condition.type)
        if old is not None and old.status == condition.status and old.last_transition_time:
            time: str | None = old.last_transition_time
        else:
            time = condition.last_transition_time or render(now)
        merged[condition.type] = msgspec.structs.replace(condition, last_transition_time=time)
    return tuple(merged.values())


def render(time: datetime) -> str:
    """Return a time as Kubernetes writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _labels(name: str, report: messages.ReportedNode) -> dict[str, str]:
    info = report.status.node_info
    system, architecture = info.operating_system or "linux", info.architecture
    own = dict(zip(_SELF_LABELS, (name, architecture, system, architecture, system), strict=True))
    return dict(report.labels) | {key: value for key, value in own.items() if value}


def _first_labels(name: str, report: messages.ReportedNode, before: Collection[core.Node]) -> dict[str, str]:
    """Return the labels a node registers with. For a machine that was renamed this is no first time: it keeps the
    roles it was given, and takes none that it was not."""
    labels = _labels(name, report)
    if not before:
        return labels
    kept = {key: value for old in before for key, value in old.metadata.labels.items() if _is_restricted(key)}
    return {key: value for key, value in labels.items() if not _is_restricted(key)} | kept


def _is_restricted(label: str) -> bool:
    """Return whether a node may say this of itself only when it registers, so that it cannot draw pods later on.

    https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
    """
    domain = label.partition("/")[0]
    return any(domain == known or domain.endswith(f".{known}") for known in _RESTRICTED_LABELS)


def _annotations(report: messages.ReportedNode) -> dict[str, str]:
    return {key: value for key, value in report.annotations.items() if key not in _SERVER_ANNOTATIONS}


def _with_range(node: core.Node, taken: Collection[str], pod_cidr: str) -> core.Node:
    if node.spec.pod_cidr:
        return node
    found = free_range(taken, pod_cidr)
    if not found:
        return node
    return msgspec.structs.replace(node, spec=msgspec.structs.replace(node.spec, pod_cidr=found, pod_cidrs=(found,)))


def _node_status(report: core.NodeStatus, before: core.NodeStatus, now: datetime) -> core.NodeStatus:
    """Return what a node says of itself, without amounts and addresses that are none."""
    addresses = tuple(entry for entry in report.addresses
                      if not entry.type.endswith("IP") or surroundings.is_address(entry.address))
    return msgspec.structs.replace(report, conditions=merge_conditions(before.conditions, report.conditions, now),
                                   addresses=addresses, capacity=_amounts(report.capacity),
                                   allocatable=_amounts(report.allocatable))


def _amounts(amounts: dict[str, meta.Quantity]) -> dict[str, meta.Quantity]:
    kept = {}
    for name, amount in amounts.items():
        try:
            if quantity.parse(amount) >= 0:
                kept[name] = amount
        except ValueError:
            continue
    return kept


def _address_or_none(text: str) -> str:
    return text if surroundings.is_address(text) else ""


def _without_heartbeats(status: core.NodeStatus) -> core.NodeStatus:
    return msgspec.structs.replace(status, conditions=tuple(
        msgspec.structs.replace(condition, last_heartbeat_time=None) for condition in status.conditions))


def _status_of(node: core.Node, condition_type: str) -> str:
    return next((condition.status for condition in node.status.conditions if condition.type == condition_type), "")
