"""Version 1 of the autoscaling group: Scale, the body of the `scale` subresource, and how it shows an autoscaler."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge.api import meta
from edge.api.meta import doc


class ScaleSpec(meta.Struct):
    """The number asked for."""

    replicas: Annotated[int, doc("Number of pods; 0 by default.")] = 0


class ScaleStatus(meta.Struct):
    """The number there is."""

    replicas: Annotated[int, doc("Number of pods.", required=True)] = meta.written(int)
    selector: Annotated[str, doc("Labels of the pods, as text for a query.")] = ""


class Scale(meta.Object):
    """The number of pods of a controller, asked for and found."""

    spec: Annotated[ScaleSpec, doc("The number asked for.")] = ScaleSpec()
    status: Annotated[ScaleStatus, doc("The number there is.")] = ScaleStatus()


class CrossVersionObjectReference(meta.Struct):
    """Names the object that is scaled."""

    kind: Annotated[str, doc("Kind of the object.", required=True)] = ""
    name: Annotated[str, doc("Name of the object.", required=True)] = ""
    api_version: Annotated[str, doc("API version of the object.")] = ""


class HorizontalPodAutoscalerSpec(meta.Struct):
    """What is scaled, within which limits, by the one measure this version knows."""

    scale_target_ref: Annotated[CrossVersionObjectReference, doc(
        "What is scaled.", required=True)] = CrossVersionObjectReference()
    min_replicas: Annotated[int | None, doc("The fewest pods; 1 by default.")] = None
    max_replicas: Annotated[int, doc("The most pods.", required=True)] = meta.written(int)
    target_cpu_utilization_percentage: Annotated[int | None, msgspec.Meta(
        description="Use of CPU to aim at, as a share of what the pods request, in percent.")] = msgspec.field(
        default=None, name="targetCPUUtilizationPercentage")


class HorizontalPodAutoscalerStatus(meta.Struct):
    """What the autoscaler saw last."""

    observed_generation: Annotated[int | None, doc("Generation of the spec this is about.")] = None
    last_scale_time: Annotated[meta.Time | None, doc("When the number of pods was last changed.")] = None
    current_replicas: Annotated[int, doc("Pods there are.", required=True)] = meta.written(int)
    desired_replicas: Annotated[int, doc("Pods there should be.", required=True)] = meta.written(int)
    current_cpu_utilization_percentage: Annotated[int | None, msgspec.Meta(
        description="Use of CPU, as a share of what the pods request, in percent.")] = msgspec.field(
        default=None, name="currentCPUUtilizationPercentage")


class HorizontalPodAutoscaler(meta.Object):
    """Scales by the use of CPU. Only described: objects are kept as `autoscaling/v2` has them."""

    spec: Annotated[HorizontalPodAutoscalerSpec, doc("What is scaled, and how.")] = HorizontalPodAutoscalerSpec()
    status: Annotated[HorizontalPodAutoscalerStatus, doc("What was seen last.")] = HorizontalPodAutoscalerStatus()
