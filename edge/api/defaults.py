"""Fills in what a manifest leaves out, as Kubernetes does, so that every reader sees complete objects.

Applying twice changes nothing. Quantities get the one form Kubernetes writes them in.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from msgspec.structs import replace

from edge.api import (
    admissionregistration,
    apiextensions,
    apiregistration,
    apps,
    certificates,
    configuration,
    defaults_apiextensions,
    defaults_networking,
    defaults_quotas,
    defaults_registration,
    defaults_replication,
    defaults_storage,
    defaults_workloads,
    discovery,
    meta,
    networking,
    nodes,
    persistent_volumes,
    pods,
    quotas,
    rbac,
    replication,
    runtime_classes,
    scheduling,
    services,
    storage,
)
from edge.api import defaults_pods as of_pods
from edge.api import defaults_rbac as of_rbac

_O = TypeVar("_O", bound=meta.Object)


def apply(obj: _O) -> _O:
    """Return the object with every default of its kind filled in."""
    fill = _BY_KIND.get(type(obj))
    return obj if fill is None else cast("_O", fill(obj))


def _pod(obj: pods.Pod) -> pods.Pod:
    spec = of_pods.pod_spec(obj.spec)
    status = obj.status if obj.status.phase else replace(obj.status, phase="Pending")
    return replace(obj, spec=spec, status=status)


def _template(template: pods.PodTemplateSpec) -> pods.PodTemplateSpec:
    return replace(template, spec=of_pods.pod_spec(template.spec))


def _deployment(obj: apps.Deployment) -> apps.Deployment:
    spec = obj.spec
    strategy = spec.strategy
    if strategy.type in ("", "RollingUpdate"):
        rolling = strategy.rolling_update or apps.RollingUpdateDeployment()
        strategy = apps.DeploymentStrategy(type="RollingUpdate", rolling_update=replace(
            rolling, max_unavailable=_or(rolling.max_unavailable, "25%"), max_surge=_or(rolling.max_surge, "25%")))
    return replace(obj, spec=replace(
        spec, replicas=_or(spec.replicas, 1), strategy=strategy, template=_template(spec.template),
        revision_history_limit=_or(spec.revision_history_limit, 10),
        progress_deadline_seconds=_or(spec.progress_deadline_seconds, 600)))


def _replica_set(obj: apps.ReplicaSet) -> apps.ReplicaSet:
    return replace(obj, spec=replace(obj.spec, replicas=_or(obj.spec.replicas, 1),
                                     template=_template(obj.spec.template)))


def _daemon_set(obj: apps.DaemonSet) -> apps.DaemonSet:
    spec = obj.spec
    strategy = spec.update_strategy
    if strategy.type in ("", "RollingUpdate"):
        rolling = strategy.rolling_update or apps.RollingUpdateDaemonSet()
        strategy = apps.DaemonSetUpdateStrategy(type="RollingUpdate", rolling_update=replace(
            rolling, max_unavailable=_or(rolling.max_unavailable, 1), max_surge=_or(rolling.max_surge, 0)))
    return replace(obj, spec=replace(spec, update_strategy=strategy, template=_template(spec.template),
                                     revision_history_limit=_or(spec.revision_history_limit, 10)))


def _service(obj: services.Service) -> services.Service:
    spec = obj.spec
    kind = spec.type or "ClusterIP"
    changes: dict[str, Any] = {
        "type": kind, "session_affinity": spec.session_affinity or "None",
        "ports": tuple(_service_port(port) for port in spec.ports),
    }
    if changes["session_affinity"] == "None":
        changes["session_affinity_config"] = None
    elif spec.session_affinity_config is None or spec.session_affinity_config.client_ip is None:
        changes["session_affinity_config"] = services.SessionAffinityConfig(
            client_ip=services.ClientIPConfig(timeout_seconds=10800))
    if kind != "ExternalName":
        changes["internal_traffic_policy"] = spec.internal_traffic_policy or "Cluster"
    if kind in ("NodePort", "LoadBalancer"):
        changes["external_traffic_policy"] = spec.external_traffic_policy or "Cluster"
    if kind == "LoadBalancer":
        changes["allocate_load_balancer_node_ports"] = _or(spec.allocate_load_balancer_node_ports, True)
    return replace(obj, spec=replace(spec, **changes))


def _service_port(port: services.ServicePort) -> services.ServicePort:
    target = port.port if port.target_port in (None, 0, "") else port.target_port
    return replace(port, protocol=port.protocol or "TCP", target_port=target)


def _endpoints(obj: services.Endpoints) -> services.Endpoints:
    return replace(obj, subsets=tuple(
        replace(subset, ports=tuple(replace(port, protocol=port.protocol or "TCP") for port in subset.ports))
        for subset in obj.subsets))


def _endpoint_slice(obj: discovery.EndpointSlice) -> discovery.EndpointSlice:
    return replace(obj, ports=tuple(replace(port, protocol=port.protocol or "TCP") for port in obj.ports))


def _secret(obj: configuration.Secret) -> configuration.Secret:
    data = dict(obj.data)
    for key, text in obj.string_data.items():
        data[key] = base64.b64encode(text.encode()).decode()
    return replace(obj, type=obj.type or "Opaque", data=data, string_data={})


def _namespace(obj: nodes.Namespace) -> nodes.Namespace:
    # The label lets selectors name a namespace; https://kubernetes.io/docs/reference/labels-annotations-taints/
    labels = obj.metadata.labels
    if obj.metadata.name:
        labels = {**labels, "kubernetes.io/metadata.name": obj.metadata.name}
    finalizers = obj.spec.finalizers
    if not finalizers and not obj.metadata.deletion_timestamp:
        finalizers = ("kubernetes",)
    return replace(obj, metadata=replace(obj.metadata, labels=labels), spec=replace(obj.spec, finalizers=finalizers),
                   status=replace(obj.status, phase=obj.status.phase or "Active"))


def _node(obj: nodes.Node) -> nodes.Node:
    spec, status = obj.spec, obj.status
    if spec.pod_cidr and not spec.pod_cidrs:
        spec = replace(spec, pod_cidrs=(spec.pod_cidr,))
    allocatable = status.allocatable or status.capacity
    return replace(obj, spec=spec, status=replace(status, capacity=of_pods.amounts(status.capacity),
                                                  allocatable=of_pods.amounts(allocatable)))


def _signing_request(obj: certificates.CertificateSigningRequest) -> certificates.CertificateSigningRequest:
    spec = obj.spec
    return replace(obj, spec=replace(spec, usages=spec.usages or ("digital signature", "key encipherment")))


_V = TypeVar("_V")


def _or(value: _V | None, default: _V) -> _V:
    return default if value is None else value


_BY_KIND: Mapping[type[meta.Object], Callable[[Any], meta.Object]] = {
    pods.Pod: _pod, apps.Deployment: _deployment, apps.ReplicaSet: _replica_set, apps.DaemonSet: _daemon_set,
    services.Service: _service, services.Endpoints: _endpoints, discovery.EndpointSlice: _endpoint_slice,
    configuration.Secret: _secret, nodes.Namespace: _namespace, nodes.Node: _node,
    certificates.CertificateSigningRequest: _signing_request,
    networking.IngressClass: defaults_networking.ingress_class,
    networking.NetworkPolicy: defaults_networking.network_policy,
    scheduling.PriorityClass: defaults_registration.priority_class,
    runtime_classes.RuntimeClass: defaults_registration.runtime_class,
    apiregistration.APIService: defaults_registration.api_service,
    admissionregistration.MutatingWebhookConfiguration: defaults_registration.mutating,
    admissionregistration.ValidatingWebhookConfiguration: defaults_registration.validating,
    replication.ReplicationController: defaults_replication.replication_controller,
    replication.PodTemplate: defaults_replication.pod_template,
    persistent_volumes.PersistentVolume: defaults_storage.persistent_volume,
    persistent_volumes.PersistentVolumeClaim: defaults_storage.persistent_volume_claim,
    quotas.LimitRange: defaults_quotas.limit_range, quotas.ResourceQuota: defaults_quotas.resource_quota,
    storage.StorageClass: defaults_storage.storage_class, storage.CSIDriver: defaults_storage.csi_driver,
    storage.VolumeAttachment: defaults_storage.volume_attachment,
    storage.CSIStorageCapacity: defaults_storage.csi_storage_capacity,
    rbac.RoleBinding: of_rbac.binding, rbac.ClusterRoleBinding: of_rbac.binding,
    apiextensions.CustomResourceDefinition: defaults_apiextensions.definition,
    **defaults_workloads.BY_KIND,
}
