"""StatefulSets: pods with an identity that lasts, each with its own storage, started and changed in order."""

from __future__ import annotations

from typing import Annotated

from edge.api import meta, persistent_volumes, pods
from edge.api.meta import doc
from edge.api.resource import Resource


class RollingUpdateStatefulSetStrategy(meta.Struct):
    """Pace of a rolling update."""

    partition: Annotated[int | None, doc(
        "Pods with an ordinal below this one keep the old template; 0 by default.")] = None
    max_unavailable: Annotated[meta.IntOrString | None, doc(
        "Pods that may be missing meanwhile, as a number or a share rounded up; 1 when absent.")] = None


class StatefulSetUpdateStrategy(meta.Struct):
    """How old pods are replaced by new ones."""

    type: Annotated[str, doc("RollingUpdate (default), or OnDelete which waits until an old one is deleted.")] = ""
    rolling_update: Annotated[RollingUpdateStatefulSetStrategy | None, doc("Pace of the rolling update.")] = None


class StatefulSetPersistentVolumeClaimRetentionPolicy(meta.Struct):
    """What becomes of the claims made from the templates."""

    when_deleted: Annotated[str, doc("When the StatefulSet is deleted: Retain (default) or Delete.")] = ""
    when_scaled: Annotated[str, doc("When a pod is scaled away: Retain (default) or Delete.")] = ""


class StatefulSetOrdinals(meta.Struct):
    """How the pods are numbered."""

    start: Annotated[int, doc("Number of the first pod; 0 by default.", required=True)] = meta.written(int)


class StatefulSetSpec(meta.Struct):
    """How many pods of which kind, with which storage, and how they change."""

    replicas: Annotated[int | None, doc("Number of pods; 1 by default.")] = None
    selector: Annotated[meta.LabelSelector | None, doc(
        "Labels of the pods; must match the template's. Cannot change.", required=True)] = None
    template: Annotated[pods.PodTemplateSpec, doc(
        "What the pods look like; each is named after the StatefulSet and its number.",
        required=True)] = pods.PodTemplateSpec()
    volume_claim_templates: Annotated[tuple[persistent_volumes.PersistentVolumeClaim, ...], doc(
        "Claims every pod gets of its own, mounted by their name. Cannot change.", list_type="atomic")] = ()
    service_name: Annotated[str, doc(
        "Headless service that gives the pods their names in DNS; must be made separately.", required=True)] = ""
    pod_management_policy: Annotated[str, doc(
        "OrderedReady (default) starts pods one after the other, Parallel all at once.")] = ""
    update_strategy: Annotated[StatefulSetUpdateStrategy, doc(
        "How old pods are replaced by new ones.")] = StatefulSetUpdateStrategy()
    revision_history_limit: Annotated[int | None, doc(
        "Number of old revisions kept for a rollback; 10 by default.")] = None
    min_ready_seconds: Annotated[int, doc("Seconds a new pod must be ready to count as available; 0 by default.")] = 0
    persistent_volume_claim_retention_policy: Annotated[StatefulSetPersistentVolumeClaimRetentionPolicy | None, doc(
        "What becomes of the claims; they are retained by default.")] = None
    ordinals: Annotated[StatefulSetOrdinals | None, doc("How the pods are numbered; from 0 by default.")] = None


class StatefulSetStatus(meta.Struct):
    """How the pods and the rollout stand."""

    observed_generation: Annotated[int, doc("Generation of the spec the status is about.")] = 0
    replicas: Annotated[int, doc("Number of pods.", required=True)] = meta.written(int)
    ready_replicas: Annotated[int, doc("Pods that are ready.")] = 0
    current_replicas: Annotated[int, doc("Pods of the current revision.")] = 0
    updated_replicas: Annotated[int, doc("Pods of the update revision.")] = 0
    current_revision: Annotated[str, doc("Revision the pods before the update have.")] = ""
    update_revision: Annotated[str, doc("Revision of the spec's template.")] = ""
    collision_count: Annotated[int | None, doc("How often the name of a new revision was taken.")] = None
    conditions: Annotated[tuple[meta.Condition, ...], doc(
        "State in conditions.", merge_key="type", list_type="map", list_map_keys=("type",))] = ()
    available_replicas: Annotated[int, doc("Pods that have been ready for minReadySeconds.")] = meta.written(int)


class StatefulSet(meta.Object):
    """Runs pods whose names, and whose storage if they have any, outlast them."""

    spec: Annotated[StatefulSetSpec, doc(
        "How many pods of which kind, with which storage, and how they change.")] = StatefulSetSpec()
    status: Annotated[StatefulSetStatus, doc("How the pods and the rollout stand.")] = StatefulSetStatus()


RESOURCES = (
    Resource(group="apps", version="v1", kind="StatefulSet", plural="statefulsets", type=StatefulSet,
             short_names=("sts",), categories=("all",), subresources=("scale", "status"),
             old_versions=("apps/v1beta1", "apps/v1beta2")),
)
