"""The fields of kinds in versions that spelled them otherwise, written down from Kubernetes' reference of those days.

The server has no types for them, it converts at its door; here they tell what a client of that time could send.
"""

from __future__ import annotations

import msgspec

from edge.api import apiextensions, autoscalers, discovery, meta, networking, other_versions
from edge.api.resource import Resource
from edge.api.volumes import TypedLocalObjectReference

Quantity = meta.Quantity | None


class IngressBackend(meta.Struct):
    """networking.k8s.io/v1beta1."""

    service_name: str = ""
    service_port: meta.IntOrString = 0
    resource: TypedLocalObjectReference | None = None


class IngressPath(meta.Struct):
    path: str = ""
    path_type: str | None = None
    backend: IngressBackend = IngressBackend()


class IngressPaths(meta.Struct):
    paths: tuple[IngressPath, ...] = ()


class IngressRule(meta.Struct):
    host: str = ""
    http: IngressPaths | None = None


class IngressSpec(meta.Struct):
    ingress_class_name: str | None = None
    backend: IngressBackend | None = None
    tls: tuple[networking.IngressTLS, ...] = ()
    rules: tuple[IngressRule, ...] = ()


class Ingress(meta.Object):
    spec: IngressSpec = IngressSpec()
    status: networking.IngressStatus = networking.IngressStatus()


class ObjectMetric(meta.Struct):
    """autoscaling/v2beta1, wanted values; what is measured is below."""

    target: autoscalers.CrossVersionObjectReference = autoscalers.CrossVersionObjectReference()
    metric_name: str = ""
    target_value: Quantity = None
    selector: meta.LabelSelector | None = None
    average_value: Quantity = None


class PodsMetric(meta.Struct):
    metric_name: str = ""
    target_average_value: Quantity = None
    selector: meta.LabelSelector | None = None


class ResourceMetric(meta.Struct):
    name: str = ""
    target_average_utilization: int | None = None
    target_average_value: Quantity = None


class ContainerMetric(ResourceMetric):
    container: str = ""


class ExternalMetric(meta.Struct):
    metric_name: str = ""
    metric_selector: meta.LabelSelector | None = None
    target_value: Quantity = None
    target_average_value: Quantity = None


class Metric(meta.Struct):
    type: str = ""
    object: ObjectMetric | None = None
    pods: PodsMetric | None = None
    resource: ResourceMetric | None = None
    container_resource: ContainerMetric | None = None
    external: ExternalMetric | None = None


class ObjectFound(meta.Struct):
    target: autoscalers.CrossVersionObjectReference = autoscalers.CrossVersionObjectReference()
    metric_name: str = ""
    current_value: Quantity = None
    selector: meta.LabelSelector | None = None
    average_value: Quantity = None


class PodsFound(meta.Struct):
    metric_name: str = ""
    current_average_value: Quantity = None
    selector: meta.LabelSelector | None = None


class ResourceFound(meta.Struct):
    name: str = ""
    current_average_utilization: int | None = None
    current_average_value: Quantity = None


class ContainerFound(ResourceFound):
    container: str = ""


class ExternalFound(meta.Struct):
    metric_name: str = ""
    metric_selector: meta.LabelSelector | None = None
    current_value: Quantity = None
    current_average_value: Quantity = None


class Found(meta.Struct):
    type: str = ""
    object: ObjectFound | None = None
    pods: PodsFound | None = None
    resource: ResourceFound | None = None
    container_resource: ContainerFound | None = None
    external: ExternalFound | None = None


class AutoscalerSpec(meta.Struct):
    scale_target_ref: autoscalers.CrossVersionObjectReference = autoscalers.CrossVersionObjectReference()
    min_replicas: int | None = None
    max_replicas: int = 0
    metrics: tuple[Metric, ...] = ()


class AutoscalerStatus(meta.Struct):
    observed_generation: int | None = None
    last_scale_time: meta.Time | None = None
    current_replicas: int = 0
    desired_replicas: int = 0
    current_metrics: tuple[Found, ...] = ()
    conditions: tuple[meta.Condition, ...] = ()


class Autoscaler(meta.Object):
    spec: AutoscalerSpec = AutoscalerSpec()
    status: AutoscalerStatus = AutoscalerStatus()


class Column(meta.Struct):
    """apiextensions.k8s.io/v1beta1."""

    name: str = ""
    type: str = ""
    format: str = ""
    description: str = ""
    priority: int = 0
    path: str = msgspec.field(default="", name="JSONPath")


class DefinitionVersion(meta.Struct):
    name: str = ""
    served: bool = meta.written(bool)
    storage: bool = meta.written(bool)
    deprecated: bool = False
    deprecation_warning: str | None = None
    schema: apiextensions.CustomResourceValidation | None = None
    subresources: apiextensions.CustomResourceSubresources | None = None
    additional_printer_columns: tuple[Column, ...] = ()


class Conversion(meta.Struct):
    strategy: str = ""
    webhook_client_config: apiextensions.WebhookClientConfig | None = None
    conversion_review_versions: tuple[str, ...] = ()


class DefinitionSpec(meta.Struct):
    group: str = ""
    version: str = ""
    names: apiextensions.CustomResourceDefinitionNames = apiextensions.CustomResourceDefinitionNames()
    scope: str = ""
    validation: apiextensions.CustomResourceValidation | None = None
    subresources: apiextensions.CustomResourceSubresources | None = None
    versions: tuple[DefinitionVersion, ...] = ()
    additional_printer_columns: tuple[Column, ...] = ()
    conversion: Conversion | None = None
    preserve_unknown_fields: bool | None = None


class Definition(meta.Object):
    spec: DefinitionSpec = DefinitionSpec()
    status: apiextensions.CustomResourceDefinitionStatus = apiextensions.CustomResourceDefinitionStatus()


class Endpoint(meta.Struct):
    """discovery.k8s.io/v1beta1."""

    addresses: tuple[str, ...] = ()
    conditions: discovery.EndpointConditions = discovery.EndpointConditions()
    hostname: str = ""
    target_ref: meta.ObjectReference | None = None
    topology: dict[str, str] = {}
    node_name: str = ""
    hints: discovery.EndpointHints | None = None


class EndpointSlice(meta.Object):
    address_type: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[discovery.EndpointPort, ...] = ()


_SHAPES: dict[tuple[str, str], type[meta.Object]] = {
    ("networking.k8s.io/v1beta1", "Ingress"): Ingress, ("extensions/v1beta1", "Ingress"): Ingress,
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler"): Autoscaler,
    ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition"): Definition,
    ("discovery.k8s.io/v1beta1", "EndpointSlice"): EndpointSlice,
}


def shape(resource: Resource, api_version: str) -> type[meta.Object]:
    """Return the type of a kind in one of its versions."""
    return _SHAPES.get((api_version, resource.kind)) or other_versions.shape(resource, api_version)
