"""ReplicationControllers, the elder form of ReplicaSets, and PodTemplates."""

from __future__ import annotations

from typing import Annotated

from edge.api import meta, pods
from edge.api.meta import doc
from edge.api.resource import Resource


class ReplicationControllerSpec(meta.Struct):
    """How many pods of which kind."""

    replicas: Annotated[int | None, doc("Number of pods; 1 by default.")] = None
    min_ready_seconds: Annotated[int, doc("Seconds a new pod must be ready to count as available; 0 by default.")] = 0
    selector: Annotated[dict[str, str], doc(
        "Labels of the pods that are counted; the template's by default.")] = {}
    template: Annotated[pods.PodTemplateSpec | None, doc("What new pods look like.")] = None


class ReplicationControllerStatus(meta.Struct):
    """What there is."""

    replicas: Annotated[int, doc("Number of pods.", required=True)] = meta.written(int)
    fully_labeled_replicas: Annotated[int, doc("Pods that have all labels of the template.")] = 0
    ready_replicas: Annotated[int, doc("Pods that are ready.")] = 0
    available_replicas: Annotated[int, doc("Pods that have been ready for minReadySeconds.")] = 0
    observed_generation: Annotated[int, doc("Generation of the spec the status is about.")] = 0
    conditions: Annotated[tuple[meta.Condition, ...], doc(
        "State in conditions, such as ReplicaFailure.",
        merge_key="type", list_type="map", list_map_keys=("type",))] = ()


class ReplicationController(meta.Object):
    """Keeps a number of equal pods running; a Deployment also changes them."""

    spec: Annotated[ReplicationControllerSpec, doc("How many pods of which kind.")] = ReplicationControllerSpec()
    status: Annotated[ReplicationControllerStatus, doc(
        "What there is.")] = meta.written(ReplicationControllerStatus)


class PodTemplate(meta.Object):
    """A template of pods, kept for later."""

    template: Annotated[pods.PodTemplateSpec, doc("What the pods look like.")] = pods.PodTemplateSpec()


RESOURCES = (
    Resource(group="", version="v1", kind="PodTemplate", plural="podtemplates", type=PodTemplate, returns_deleted=True),
    Resource(group="", version="v1", kind="ReplicationController", plural="replicationcontrollers",
             type=ReplicationController, short_names=("rc",), categories=("all",), subresources=("scale", "status")),
)
