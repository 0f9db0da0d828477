"""Turns API objects into what a node must know: its pods with all they refer to.

A revision is a hash of the content, and what changes by itself (status, resource version) is left out of it, so that
nothing is published again without need, also not by a server that was started anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from edge.api import containers, core, meta, runtime_classes, volumes
from edge.bus import messages

FINISHED = ("Succeeded", "Failed")
O = TypeVar("O", bound=meta.Object)  # noqa: E741 - the letter edge.client.interface uses


@dataclass(frozen=True, slots=True)
class References:
    """Names of the objects in its own namespace that a pod needs on its node."""

    config_maps: frozenset[str]
    secrets: frozenset[str]


def references(pod: core.Pod) -> References:
    """Return what the pod's volumes, environment and pull secrets name."""
    config_maps: set[str] = set()
    secrets = {reference.name for reference in pod.spec.image_pull_secrets}
    for volume in pod.spec.volumes:
        _add_volume(volume, config_maps, secrets)
    for container in (*pod.spec.init_containers, *pod.spec.containers, *pod.spec.ephemeral_containers):
        _add_environment(container.env, container.env_from, config_maps, secrets)
    return References(frozenset(config_maps - {""}), frozenset(secrets - {""}))


def pod_message(pod: core.Pod, config_maps: Mapping[str, core.ConfigMap], secrets: Mapping[str, core.Secret],
                token: str = "", claims: Mapping[str, core.PersistentVolume] | None = None,
                runtime_handler: str = "", tokens: tuple[messages.PodToken, ...] = ()) -> messages.DesiredPod:
    """Return the message of one pod.

    Args:
        pod: the pod, bound to a node.
        config_maps: those of its namespace that exist and that it names, by name.
        secrets: likewise.
        token: its service account's token, where the node has to mount it, or "".
        claims: the volumes its claims are bound to, by claim.
        runtime_handler: of its RuntimeClass.
        tokens: for its projected volumes. They change by themselves, so they do not count for the revision.
    """
    unrevised = messages.DesiredPod(
        revision="", pod=_lasting(msgspec.structs.replace(pod, status=told_status(pod))),
        config_maps={name: _content(config_maps[name]) for name in sorted(config_maps)},
        secrets={name: _content(secrets[name]) for name in sorted(secrets)}, service_account_token=token,
        claims=dict(claims or {}), runtime_handler=runtime_handler)
    content = msgspec.json.encode(unrevised, order="deterministic")
    return msgspec.structs.replace(unrevised, revision=hashlib.sha256(content).hexdigest()[:16], tokens=tokens)


def index_message(epoch: str, revisions: Mapping[str, str]) -> messages.DesiredIndex:
    """Return the index of a node from the revision of each pod uid."""
    return messages.DesiredIndex(epoch=epoch, pods=tuple(messages.PodRef(uid, revisions[uid])
                                                         for uid in sorted(revisions)))


def of_class(runtime_class: runtime_classes.RuntimeClass, pods: Iterable[core.Pod]) -> Iterable[core.Pod]:
    """Yield the pods that have a node and are of a class."""
    return (pod for pod in pods if pod.spec.node_name and pod.spec.runtime_class_name == runtime_class.metadata.name)


def same_content(old: O | None, new: O | None) -> bool:
    """Return whether two states of a ConfigMap or Secret are the same for a pod."""
    return old is not None and new is not None and _content(old) == _content(new)


def concerns_node(old: core.Pod | None, new: core.Pod) -> bool:
    """Return whether a change of a pod is one its node must hear of: anything but most of its status."""
    return (old is None or old.spec != new.spec or _lasting(old).metadata != _lasting(new).metadata
            or told_status(old) != told_status(new))


def told_status(pod: core.Pod) -> core.PodStatus:
    """Return what a node must know of a pod's status: that it is over, and what others say of its readiness gates.

    A node that was made anew would run a finished pod again; nothing in here changes by what the node itself reports
    while the pod lives.
    """
    gates = {gate.condition_type for gate in pod.spec.readiness_gates}
    conditions = tuple(meta.Condition(type=condition.type, status=condition.status)
                       for condition in pod.status.conditions if condition.type in gates)
    if pod.status.phase not in FINISHED:
        return core.PodStatus(conditions=conditions)
    return core.PodStatus(phase=pod.status.phase, reason=pod.status.reason, message=pod.status.message,
                          start_time=pod.status.start_time, conditions=conditions)


def service_account(pod: core.Pod) -> str:
    """Return the name of the service account the pod acts as."""
    return pod.spec.service_account_name or pod.spec.service_account or "default"


def wants_token(pod: core.Pod, account: core.ServiceAccount | None) -> bool:
    """Return whether the pod gets its service account's token; the pod's word goes before the account's."""
    if account is None:
        return False
    for choice in (pod.spec.automount_service_account_token, account.automount_service_account_token):
        if choice is not None:
            return choice
    return True


def _lasting(obj: O) -> O:
    """Return the object without what changes by itself."""
    metadata = msgspec.structs.replace(obj.metadata, resource_version="", generation=0, managed_fields=())
    return msgspec.structs.replace(obj, metadata=metadata)


def _content(obj: O) -> O:
    """Return a ConfigMap or Secret with nothing of its metadata but its identity."""
    known = obj.metadata
    return msgspec.structs.replace(obj, metadata=meta.ObjectMeta(name=known.name, namespace=known.namespace,
                                                                 uid=known.uid))


def _add_volume(volume: volumes.Volume, config_maps: set[str], secrets: set[str]) -> None:
    if volume.config_map is not None:
        config_maps.add(volume.config_map.name)
    if volume.secret is not None:
        secrets.add(volume.secret.secret_name)
    for source in volume.projected.sources if volume.projected is not None else ():
        if source.config_map is not None:
            config_maps.add(source.config_map.name)
        if source.secret is not None:
            secrets.add(source.secret.name)


def _add_environment(variables: Iterable[containers.EnvVar], sources: Iterable[containers.EnvFromSource],
                     config_maps: set[str], secrets: set[str]) -> None:
    for variable in variables:
        if variable.value_from is not None and variable.value_from.config_map_key_ref is not None:
            config_maps.add(variable.value_from.config_map_key_ref.name)
        if variable.value_from is not None and variable.value_from.secret_key_ref is not None:
            secrets.add(variable.value_from.secret_key_ref.name)
    for source in sources:
        if source.config_map_ref is not None:
            config_maps.add(source.config_map_ref.name)
        if source.secret_ref is not None:
            secrets.add(source.secret_ref.name)
