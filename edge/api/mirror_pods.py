"""Static and mirror pods: a node runs the first from a file of its own, and the API shows them as the second.

https://kubernetes.io/docs/tasks/configure-pod-container/static-pod/
"""

from __future__ import annotations

from collections.abc import Iterator

from edge.api import containers, pods, volumes

SOURCE = "kubernetes.io/config.source"
HASH = "kubernetes.io/config.hash"
SEEN = "kubernetes.io/config.seen"
MIRROR = "kubernetes.io/config.mirror"
"""Marks a mirror pod; its value is the uid of the static pod on the node."""
FILE = "file"
ANNOTATIONS = (SOURCE, HASH, SEEN, MIRROR)
MOST = 110
"""Static pods of one node."""
MOST_BYTES = 256 * 1024
"""Of one static pod."""


def is_mirror(pod: pods.Pod) -> bool:
    """Return whether the pod only shows one that its node runs by itself."""
    return MIRROR in pod.metadata.annotations


def is_of(pod: pods.Pod, uid: str) -> bool:
    """Return whether a node that speaks of this uid means this pod."""
    return uid in (pod.metadata.uid, pod.metadata.annotations.get(MIRROR, pod.metadata.uid))


def name_on(name: str, node: str) -> str:
    """Return the name a static pod has in the API."""
    return f"{name}-{node}"


def reference(spec: pods.PodSpec) -> str:
    """Return which kind of object a static pod may not refer to and does; empty when there is none.

    A node runs it without asking anybody, so nothing of the API can be part of it.
    """
    return next(_references(spec), "")


def _references(spec: pods.PodSpec) -> Iterator[str]:
    if spec.service_account_name or spec.service_account:
        yield "serviceaccounts"
    if spec.image_pull_secrets:
        yield "secrets"
    if spec.resource_claims:
        yield "resourceclaims"
    for volume in spec.volumes:
        yield from _of_volume(volume)
    for container in (*spec.init_containers, *spec.containers, *spec.ephemeral_containers):
        yield from _of_container(container)


def _of_volume(volume: volumes.Volume) -> Iterator[str]:
    if volume.persistent_volume_claim is not None or volume.ephemeral is not None:
        yield "persistentvolumeclaims"
    if volume.config_map is not None:
        yield "configmaps"
    if volume.secret is not None:
        yield "secrets"
    for source in volume.projected.sources if volume.projected is not None else ():
        if source.config_map is not None:
            yield "configmaps"
        if source.secret is not None:
            yield "secrets"
        if source.service_account_token is not None:
            yield "serviceaccounts"
        if source.cluster_trust_bundle is not None:
            yield "clustertrustbundles"


def _of_container(container: containers.Container) -> Iterator[str]:
    for variable in container.env:
        if variable.value_from is not None and variable.value_from.config_map_key_ref is not None:
            yield "configmaps"
        if variable.value_from is not None and variable.value_from.secret_key_ref is not None:
            yield "secrets"
    for source in container.env_from:
        if source.config_map_ref is not None:
            yield "configmaps"
        if source.secret_ref is not None:
            yield "secrets"
