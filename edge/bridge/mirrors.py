"""Decides which mirror pods show the static pods of a node. A node can only have pods shown that run on itself.

See https://kubernetes.io/docs/tasks/configure-pod-container/static-pod/.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from edge.api import core, meta, mirror_pods

_UID = re.compile(r"[A-Za-z0-9-]{1,63}")


@dataclass(frozen=True, slots=True)
class Create:
    pod: core.Pod


@dataclass(frozen=True, slots=True)
class Delete:
    """At once: the node decides how long the pod itself lives."""

    namespace: str
    name: str
    uid: str


Action = Create | Delete


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a report asks for: mirror pods by namespace and name, and what is not shown and why."""

    pods: Mapping[tuple[str, str], core.Pod]
    refused: Mapping[str, str] = field(default_factory=dict)
    """By `namespace/name`."""


def wanted(node: core.Node, reported: Iterable[core.Pod]) -> Wanted:
    """Return the mirror pods of what a node says it runs."""
    pods: dict[tuple[str, str], core.Pod] = {}
    refused: dict[str, str] = {}
    for pod in reported:
        key = (pod.metadata.namespace, pod.metadata.name)
        if key in pods:
            # What is still ending stands beside its successor.
            continue
        if len(refused) >= mirror_pods.MOST:
            break  # Each is told of in an Event.
        if problem := _problem(pod, node.metadata.name, len(pods)):
            refused["/".join(key)[:300]] = problem
        else:
            pods[key] = _mirror(pod, node)
    return Wanted(pods, refused)


def _problem(pod: core.Pod, node: str, count: int) -> str:
    if not _UID.fullmatch(pod.metadata.uid):
        return "its uid is none"
    if not pod.metadata.namespace or not pod.metadata.name.endswith(mirror_pods.name_on("", node)):
        return "its name does not end with that of its node"
    if kind := mirror_pods.reference(pod.spec):
        return f"a static pod may not refer to {kind}"
    if count >= mirror_pods.MOST:
        return f"a node may have {mirror_pods.MOST} static pods"
    size = len(msgspec.json.encode(pod))
    return f"{size} bytes are too large" if size > 2 * mirror_pods.MOST_BYTES else ""


def _mirror(pod: core.Pod, node: core.Node) -> core.Pod:
    given, uid = pod.metadata, pod.metadata.uid
    annotations = {key: value for key, value in given.annotations.items() if key not in mirror_pods.ANNOTATIONS}
    annotations |= {mirror_pods.SOURCE: mirror_pods.FILE, mirror_pods.HASH: uid, mirror_pods.MIRROR: uid,
                    mirror_pods.SEEN: given.annotations.get(mirror_pods.SEEN, "")[:64]}
    owner = meta.OwnerReference(api_version="v1", kind="Node", name=node.metadata.name, uid=node.metadata.uid,
                                controller=True)
    return core.Pod(api_version="v1", kind="Pod", spec=replace(pod.spec, node_name=node.metadata.name),
                    metadata=meta.ObjectMeta(name=given.name, namespace=given.namespace, labels=given.labels,
                                             annotations=annotations, owner_references=(owner,)))


def plan(asked: Wanted, node: core.Node, existing: Iterable[core.Pod]) -> tuple[Action, ...]:
    """Return what makes the API show these mirror pods and no others; `existing` are all pods bound to the node.

    One that somebody deletes goes at once and is made again. What has a mirror pod's name and is none stays.
    """
    actions: list[Action] = []
    taken: set[tuple[str, str]] = set()
    for pod in existing:
        m = pod.metadata
        key = (m.namespace, m.name)
        taken.add(key)
        if mirror_pods.is_mirror(pod) and not _shows(pod, asked.pods.get(key), node):
            actions.append(Delete(m.namespace, m.name, m.uid))
    return (*actions, *(Create(pod) for key, pod in asked.pods.items() if key not in taken))


def _shows(pod: core.Pod, mirror: core.Pod | None, node: core.Node) -> bool:
    """Return whether a mirror pod is the one that is wanted."""
    m = pod.metadata
    return mirror is not None and not m.deletion_timestamp \
        and m.annotations[mirror_pods.MIRROR] == mirror.metadata.annotations[mirror_pods.MIRROR] \
        and any(owner.uid == node.metadata.uid for owner in m.owner_references)


def about(uid: str, field_path: str, reported: Iterable[core.Pod]) -> meta.ObjectReference | None:
    """Return what an event of a static pod is about, with the uid that it has on its node, as in Kubernetes."""
    for pod in reported:
        if pod.metadata.uid == uid:
            return meta.ObjectReference(kind="Pod", api_version="v1", namespace=pod.metadata.namespace,
                                        name=pod.metadata.name, uid=uid, field_path=field_path)
    return None
