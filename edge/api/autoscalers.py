"""HorizontalPodAutoscalers: how many pods a controller should have, by what is measured of them.

https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/
"""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc
from edge.api.resource import Resource


class CrossVersionObjectReference(meta.Struct):
    """Names an object in the same namespace, in any version."""

    kind: Annotated[str, doc("Kind of the object.", required=True)] = ""
    name: Annotated[str, doc("Name of the object.", required=True)] = ""
    api_version: Annotated[str, doc("API version of the object.")] = ""


class MetricIdentifier(meta.Struct):
    """Names a metric."""

    name: Annotated[str, doc("Name of the metric.", required=True)] = ""
    selector: Annotated[meta.LabelSelector | None, doc("Which of the metric's series; all of them by default.")] = None


class MetricTarget(meta.Struct):
    """The value a metric should have."""

    type: Annotated[str, doc("Which of the values is set: Utilization, Value or AverageValue.", required=True)] = ""
    value: Annotated[meta.Quantity | None, doc("The value itself.")] = None
    average_value: Annotated[meta.Quantity | None, doc("The value divided by the number of pods.")] = None
    average_utilization: Annotated[int | None, doc("Percent of what the pods request, on average.")] = None


class MetricValueStatus(meta.Struct):
    """The value a metric has."""

    value: Annotated[meta.Quantity | None, doc("The value itself.")] = None
    average_value: Annotated[meta.Quantity | None, doc("The value divided by the number of pods.")] = None
    average_utilization: Annotated[int | None, doc("Percent of what the pods request, on average.")] = None


class ObjectMetricSource(meta.Struct):
    """A metric of another object, such as a service's requests."""

    described_object: Annotated[CrossVersionObjectReference, doc(
        "The object.", required=True)] = CrossVersionObjectReference()
    target: Annotated[MetricTarget, doc("The wanted value.", required=True)] = MetricTarget()
    metric: Annotated[MetricIdentifier, doc("The metric.", required=True)] = MetricIdentifier()


class PodsMetricSource(meta.Struct):
    """A metric of the pods themselves, averaged."""

    metric: Annotated[MetricIdentifier, doc("The metric.", required=True)] = MetricIdentifier()
    target: Annotated[MetricTarget, doc("The wanted average.", required=True)] = MetricTarget()


class ResourceMetricSource(meta.Struct):
    """CPU or memory of the pods."""

    name: Annotated[str, doc("cpu or memory.", required=True)] = ""
    target: Annotated[MetricTarget, doc("The wanted value.", required=True)] = MetricTarget()


class ContainerResourceMetricSource(meta.Struct):
    """CPU or memory of one container of the pods."""

    name: Annotated[str, doc("cpu or memory.", required=True)] = ""
    target: Annotated[MetricTarget, doc("The wanted value.", required=True)] = MetricTarget()
    container: Annotated[str, doc("Name of the container.", required=True)] = ""


class ExternalMetricSource(meta.Struct):
    """A metric of something outside the cluster."""

    metric: Annotated[MetricIdentifier, doc("The metric.", required=True)] = MetricIdentifier()
    target: Annotated[MetricTarget, doc("The wanted value.", required=True)] = MetricTarget()


class MetricSpec(meta.Struct):
    """One metric and the value it should have; exactly one of the sources is set."""

    type: Annotated[str, doc("Which source: ContainerResource, External, Object, Pods or Resource.",
                             required=True)] = ""
    object: Annotated[ObjectMetricSource | None, doc("A metric of another object.")] = None
    pods: Annotated[PodsMetricSource | None, doc("A metric of the pods themselves.")] = None
    resource: Annotated[ResourceMetricSource | None, doc("CPU or memory of the pods.")] = None
    container_resource: Annotated[ContainerResourceMetricSource | None, doc(
        "CPU or memory of one container of the pods.")] = None
    external: Annotated[ExternalMetricSource | None, doc("A metric of something outside the cluster.")] = None


class HPAScalingPolicy(meta.Struct):
    """How far a number of pods may change within a time."""

    type: Annotated[str, doc("What value counts: Pods or Percent.", required=True)] = ""
    value: Annotated[int, doc("Number of pods, or percent of them.", required=True)] = meta.written(int)
    period_seconds: Annotated[int, doc("Seconds in which that many may come or go, 1 to 1800.",
                                       required=True)] = meta.written(int)


class HPAScalingRules(meta.Struct):
    """How fast the number changes in one direction."""

    stabilization_window_seconds: Annotated[int | None, doc(
        "Seconds of past advice that is respected, 0 to 3600; by default 0 up and 300 down.")] = None
    select_policy: Annotated[str | None, doc(
        "Which policy counts: Max (default) the fastest, Min the slowest, Disabled none at all.")] = None
    policies: Annotated[tuple[HPAScalingPolicy, ...], doc(
        "The policies; by default 4 pods or 100% in 15 s up, 100% in 15 s down.", list_type="atomic")] = ()


class HorizontalPodAutoscalerBehavior(meta.Struct):
    """How fast the number changes."""

    scale_up: Annotated[HPAScalingRules | None, doc("When it grows.")] = None
    scale_down: Annotated[HPAScalingRules | None, doc("When it shrinks.")] = None


class HorizontalPodAutoscalerSpec(meta.Struct):
    """Whose pods, within which limits, by which metrics."""

    scale_target_ref: Annotated[CrossVersionObjectReference, doc(
        "The controller whose number of pods is set.", required=True)] = CrossVersionObjectReference()
    min_replicas: Annotated[int | None, doc("Fewest pods; 1 by default.")] = None
    max_replicas: Annotated[int, doc("Most pods; not less than minReplicas.", required=True)] = meta.written(int)
    metrics: Annotated[tuple[MetricSpec, ...], doc(
        "What is measured; the metric that asks for most pods counts. 80% of requested CPU by default.",
        list_type="atomic")] = ()
    behavior: Annotated[HorizontalPodAutoscalerBehavior | None, doc("How fast the number changes.")] = None


class ObjectMetricStatus(meta.Struct):
    """What a metric of another object is."""

    metric: Annotated[MetricIdentifier, doc("The metric.", required=True)] = MetricIdentifier()
    current: Annotated[MetricValueStatus, doc("Its value.", required=True)] = MetricValueStatus()
    described_object: Annotated[CrossVersionObjectReference, doc(
        "The object.", required=True)] = CrossVersionObjectReference()


class PodsMetricStatus(meta.Struct):
    """What a metric of the pods is."""

    metric: Annotated[MetricIdentifier, doc("The metric.", required=True)] = MetricIdentifier()
    current: Annotated[MetricValueStatus, doc("Its value.", required=True)] = MetricValueStatus()


class ResourceMetricStatus(meta.Struct):
    """What CPU or memory of the pods is."""

    name: Annotated[str, doc("cpu or memory.", required=True)] = ""
    current: Annotated[MetricValueStatus, doc("Its value.", required=True)] = MetricValueStatus()


class ContainerResourceMetricStatus(meta.Struct):
    """What CPU or memory of one container is."""

    name: Annotated[str, doc("cpu or memory.", required=True)] = ""
    current: Annotated[MetricValueStatus, doc("Its value.", required=True)] = MetricValueStatus()
    container: Annotated[str, doc("Name of the container.", required=True)] = ""


class ExternalMetricStatus(meta.Struct):
    """What a metric of something outside is."""

    metric: Annotated[MetricIdentifier, doc("The metric.", required=True)] = MetricIdentifier()
    current: Annotated[MetricValueStatus, doc("Its value.", required=True)] = MetricValueStatus()


class MetricStatus(meta.Struct):
    """The last value of one metric; exactly one of the sources is set."""

    type: Annotated[str, doc("Which source: ContainerResource, External, Object, Pods or Resource.",
                             required=True)] = ""
    object: Annotated[ObjectMetricStatus | None, doc("A metric of another object.")] = None
    pods: Annotated[PodsMetricStatus | None, doc("A metric of the pods themselves.")] = None
    resource: Annotated[ResourceMetricStatus | None, doc("CPU or memory of the pods.")] = None
    container_resource: Annotated[ContainerResourceMetricStatus | None, doc(
        "CPU or memory of one container of the pods.")] = None
    external: Annotated[ExternalMetricStatus | None, doc("A metric of something outside the cluster.")] = None


class HorizontalPodAutoscalerStatus(meta.Struct):
    """What was measured and decided."""

    observed_generation: Annotated[int | None, doc("Generation of the spec the status is about.")] = None
    last_scale_time: Annotated[meta.Time | None, doc("When the number was last changed.")] = None
    current_replicas: Annotated[int, doc("Number of pods when it was last looked at.")] = 0
    desired_replicas: Annotated[int, doc("Number of pods that was decided on.", required=True)] = meta.written(int)
    current_metrics: Annotated[tuple[MetricStatus, ...], doc("What was measured.", list_type="atomic")] = ()
    conditions: Annotated[tuple[meta.Condition, ...], doc(
        "AbleToScale, ScalingActive and ScalingLimited.",
        merge_key="type", list_type="map", list_map_keys=("type",))] = ()


class HorizontalPodAutoscaler(meta.Object):
    """Sets a controller's number of pods by what is measured of them."""

    spec: Annotated[HorizontalPodAutoscalerSpec, doc(
        "Whose pods, within which limits, by which metrics.")] = HorizontalPodAutoscalerSpec()
    status: Annotated[HorizontalPodAutoscalerStatus, doc(
        "What was measured and decided.")] = HorizontalPodAutoscalerStatus()


RESOURCES = (
    Resource(group="autoscaling", version="v2", kind="HorizontalPodAutoscaler", plural="horizontalpodautoscalers",
             type=HorizontalPodAutoscaler, short_names=("hpa",), categories=("all",), subresources=("status",),
             old_versions=("autoscaling/v1", "autoscaling/v2beta2", "autoscaling/v2beta1")),
)
