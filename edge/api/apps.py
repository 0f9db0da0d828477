"""The apps group: controllers that keep a number of pods running, and change them step by step."""

from __future__ import annotations

from typing import Annotated, Any

from edge.api import meta, pods
from edge.api.meta import doc
from edge.api.resource import Resource


class ReplicaSetSpec(meta.Struct):
    """How many pods of which kind."""

    replicas: Annotated[int | None, doc("Number of pods; 1 by default.")] = None
    min_ready_seconds: Annotated[int, doc("Seconds a new pod must be ready to count as available; 0 by default.")] = 0
    selector: Annotated[meta.LabelSelector | None, doc(
        "Labels of the pods that are counted; must match the template's. Cannot change.", required=True)] = None
    template: Annotated[pods.PodTemplateSpec, doc("What new pods look like.")] = pods.PodTemplateSpec()


class ReplicaSetStatus(meta.Struct):
    """What there is."""

    replicas: Annotated[int, doc("Number of pods.", required=True)] = meta.written(int)
    fully_labeled_replicas: Annotated[int, doc("Pods that have all labels of the template.")] = 0
    ready_replicas: Annotated[int, doc("Pods that are ready.")] = 0
    available_replicas: Annotated[int, doc("Pods that have been ready for minReadySeconds.")] = 0
    observed_generation: Annotated[int, doc("Generation of the spec the status is about.")] = 0
    conditions: Annotated[tuple[meta.Condition, ...], doc(
        "State in conditions, such as ReplicaFailure.",
        merge_key="type", list_type="map", list_map_keys=("type",))] = ()


class ReplicaSet(meta.Object):
    """Keeps a number of equal pods running."""

    spec: Annotated[ReplicaSetSpec, doc("How many pods of which kind.")] = ReplicaSetSpec()
    status: Annotated[ReplicaSetStatus, doc("What there is.")] = ReplicaSetStatus()


class RollingUpdateDeployment(meta.Struct):
    """Pace of a rolling update."""

    max_unavailable: Annotated[meta.IntOrString | None, doc(
        "Pods that may be missing meanwhile, as a number or a share rounded down; 25% by default.")] = None
    max_surge: Annotated[meta.IntOrString | None, doc(
        "Pods that may be there beyond the number asked for, as a number or a share rounded up; 25% by default."
    )] = None


class DeploymentStrategy(meta.Struct):
    """How old pods are replaced by new ones."""

    type: Annotated[str, doc("RollingUpdate (default), or Recreate which stops all old ones first.")] = ""
    rolling_update: Annotated[RollingUpdateDeployment | None, doc("Pace of the rolling update.")] = None


class DeploymentSpec(meta.Struct):
    """How many pods of which kind, and how they change."""

    replicas: Annotated[int | None, doc("Number of pods; 1 by default.")] = None
    selector: Annotated[meta.LabelSelector | None, doc(
        "Labels of the pods; must match the template's. Cannot change.", required=True)] = None
    template: Annotated[pods.PodTemplateSpec, doc(
        "What the pods look like; a change starts a rollout.", required=True)] = pods.PodTemplateSpec()
    strategy: Annotated[DeploymentStrategy, doc(
        "How old pods are replaced by new ones.", patch_strategy="retainKeys")] = DeploymentStrategy()
    min_ready_seconds: Annotated[int, doc("Seconds a new pod must be ready to count as available; 0 by default.")] = 0
    revision_history_limit: Annotated[int | None, doc(
        "Number of old ReplicaSets kept for a rollback; 10 by default.")] = None
    paused: Annotated[bool, doc("True holds rollouts back.")] = False
    progress_deadline_seconds: Annotated[int | None, doc(
        "Seconds without progress after which a rollout is reported as failed; 600 by default.")] = None


class DeploymentStatus(meta.Struct):
    """How the rollout stands."""

    observed_generation: Annotated[int, doc("Generation of the spec the status is about.")] = 0
    replicas: Annotated[int, doc("Number of pods.")] = 0
    updated_replicas: Annotated[int, doc("Pods of the current template.")] = 0
    ready_replicas: Annotated[int, doc("Pods that are ready.")] = 0
    available_replicas: Annotated[int, doc("Pods that have been ready for minReadySeconds.")] = 0
    unavailable_replicas: Annotated[int, doc("Pods still missing for full availability.")] = 0
    conditions: Annotated[tuple[meta.Condition, ...], doc(
        "Available, Progressing and ReplicaFailure.", merge_key="type", list_type="map", list_map_keys=("type",))] = ()
    collision_count: Annotated[int | None, doc(
        "How often the name of a new ReplicaSet was taken; goes into the next name.")] = None


class Deployment(meta.Object):
    """Keeps pods running, and replaces them step by step when the template changes."""

    spec: Annotated[DeploymentSpec, doc("How many pods of which kind, and how they change.")] = DeploymentSpec()
    status: Annotated[DeploymentStatus, doc("How the rollout stands.")] = DeploymentStatus()


class RollingUpdateDaemonSet(meta.Struct):
    """Pace of a rolling update."""

    max_unavailable: Annotated[meta.IntOrString | None, doc(
        "Nodes whose pod may be missing meanwhile, as a number or a share rounded up; 1 by default.")] = None
    max_surge: Annotated[meta.IntOrString | None, doc(
        "Nodes that may run a new pod beside the old one, as a number or a share rounded up; 0 by default.")] = None


class DaemonSetUpdateStrategy(meta.Struct):
    """How old pods are replaced by new ones."""

    type: Annotated[str, doc("RollingUpdate (default), or OnDelete which waits until an old one is deleted.")] = ""
    rolling_update: Annotated[RollingUpdateDaemonSet | None, doc("Pace of the rolling update.")] = None


class DaemonSetSpec(meta.Struct):
    """Which pod runs on every node."""

    selector: Annotated[meta.LabelSelector | None, doc(
        "Labels of the pods; must match the template's. Cannot change.", required=True)] = None
    template: Annotated[pods.PodTemplateSpec, doc(
        "What the pods look like; its node selector and affinity choose the nodes.",
        required=True)] = pods.PodTemplateSpec()
    update_strategy: Annotated[DaemonSetUpdateStrategy, doc(
        "How old pods are replaced by new ones.")] = DaemonSetUpdateStrategy()
    min_ready_seconds: Annotated[int, doc("Seconds a new pod must be ready to count as available; 0 by default.")] = 0
    revision_history_limit: Annotated[int | None, doc(
        "Number of old revisions kept for a rollback; 10 by default.")] = None


class DaemonSetStatus(meta.Struct):
    """What runs where."""

    current_number_scheduled: Annotated[int, doc(
        "Nodes that run the pod and should.", required=True)] = meta.written(int)
    number_misscheduled: Annotated[int, doc(
        "Nodes that run the pod and should not.", required=True)] = meta.written(int)
    desired_number_scheduled: Annotated[int, doc("Nodes that should run the pod.", required=True)] = meta.written(int)
    number_ready: Annotated[int, doc("Nodes whose pod is ready.", required=True)] = meta.written(int)
    observed_generation: Annotated[int, doc("Generation of the spec the status is about.")] = 0
    updated_number_scheduled: Annotated[int, doc("Nodes that run a pod of the current template.")] = 0
    number_available: Annotated[int, doc("Nodes whose pod has been ready for minReadySeconds.")] = 0
    number_unavailable: Annotated[int, doc("Nodes that should have an available pod and have none.")] = 0
    collision_count: Annotated[int | None, doc("How often the name of a new revision was taken.")] = None
    conditions: Annotated[tuple[meta.Condition, ...], doc(
        "State in conditions.", merge_key="type", list_type="map", list_map_keys=("type",))] = ()


class DaemonSet(meta.Object):
    """Runs one pod on every node that matches."""

    spec: Annotated[DaemonSetSpec, doc("Which pod runs on every node.")] = DaemonSetSpec()
    status: Annotated[DaemonSetStatus, doc("What runs where.")] = DaemonSetStatus()


class ControllerRevision(meta.Object):
    """A past or present template of a controller, kept for rollbacks."""

    data: Annotated[dict[str, Any] | None, doc("The state, as the controller wrote it; cannot change.")] = None
    revision: Annotated[int, doc(
        "Number of the revision; the highest is the newest.", required=True)] = meta.written(int)


RESOURCES = (
    Resource(group="apps", version="v1", kind="ControllerRevision", plural="controllerrevisions",
             type=ControllerRevision, old_versions=("apps/v1beta1", "apps/v1beta2")),
    Resource(group="apps", version="v1", kind="DaemonSet", plural="daemonsets", type=DaemonSet, short_names=("ds",),
             categories=("all",), subresources=("status",), old_versions=("extensions/v1beta1", "apps/v1beta2")),
    Resource(group="apps", version="v1", kind="Deployment", plural="deployments", type=Deployment,
             short_names=("deploy",), categories=("all",), subresources=("scale", "status"),
             old_versions=("extensions/v1beta1", "apps/v1beta1", "apps/v1beta2")),
    Resource(group="apps", version="v1", kind="ReplicaSet", plural="replicasets", type=ReplicaSet, short_names=("rs",),
             categories=("all",), subresources=("scale", "status"),
             old_versions=("extensions/v1beta1", "apps/v1beta2")),
)
