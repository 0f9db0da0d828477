"""Says what is wrong with an object, at which field, in Kubernetes' words.

`create` looks at an object alone, after its defaults; `update` also compares it with what is stored.
The rules of each group of kinds stand in a module of their own; what every object shares is checked here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from edge.api import (
    admissionregistration,
    apiextensions,
    apiregistration,
    apps,
    certificates,
    configuration,
    coordination,
    custom,
    discovery,
    events,
    labels,
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
    validation_apiextensions,
    validation_apps,
    validation_endpoints,
    validation_network_policies,
    validation_networking,
    validation_objects,
    validation_persistent_volumes,
    validation_pods,
    validation_quotas,
    validation_rbac,
    validation_registration,
    validation_replication,
    validation_services,
    validation_storage,
    validation_webhooks,
    validation_workloads,
)
from edge.api import validation_words as words
from edge.api.errors import Cause

_ANNOTATIONS_LIMIT = 256 * 1024
MOST_CAUSES = 1000
"""Of what is wrong with one object; who has sent more than that is told enough."""


def create(obj: meta.Object) -> tuple[Cause, ...]:
    """Return everything that is wrong with a new object; nothing when it may be stored."""
    causes = [*_metadata(obj.metadata, _NAME_RULES.get(type(obj), words.dns_subdomain)), *_finalizers(obj)]
    for rules in (_CREATE.get(type(obj)), _ONLY_NEW.get(type(obj))):
        if rules is not None:
            causes.extend(islice(rules(obj), MOST_CAUSES))
    return tuple(causes)


def update(new: meta.Object, old: meta.Object, subresource: str = "") -> tuple[Cause, ...]:
    """Return everything that is wrong with a change; nothing when it may be stored.

    A write through `status`, `binding`, `approval` or another subresource may change what that one is for.
    """
    causes = [*_metadata(new.metadata, words.path_segment), *_finalizers(new),
              *_metadata_update(new.metadata, old.metadata)]
    if subresource in ("status", "binding", "finalize", "approval"):
        return (*causes, *_status_change(new, old)) if subresource == "status" else tuple(causes)
    rules = _CREATE.get(type(new))
    if rules is not None:
        causes.extend(islice(rules(new), MOST_CAUSES))
    changes = _UPDATE.get(type(new))
    if changes is not None:
        causes.extend(changes(new, old))
    elif subresource == "ephemeralcontainers" and isinstance(new, pods.Pod) and isinstance(old, pods.Pod):
        causes.extend(validation_pods.update_ephemeral(new, old))
    elif isinstance(new, pods.Pod) and isinstance(old, pods.Pod):
        causes.extend(validation_pods.update(new, old))
    return tuple(causes)


def _status_change(new: meta.Object, old: meta.Object) -> words.Causes:
    rules, changes = _STATUS.get(type(new)), validation_workloads.STATUS.get(type(new))
    if rules is not None:
        yield from rules(new)
    if changes is not None:
        yield from changes(new, old)


def _metadata(metadata: meta.ObjectMeta, rule: Callable[[str], str]) -> words.Causes:
    if metadata.generate_name:
        # The name will go on after the prefix, so that a dash at its end is fine.
        stem = metadata.generate_name
        stem = stem[:-1] + "a" if stem.endswith("-") and len(stem) > 1 else stem
        if problem := rule(stem):
            yield words.invalid("metadata.generateName", metadata.generate_name, problem)
    if not metadata.name:
        if not metadata.generate_name:
            yield words.required("metadata.name", "name or generateName is required")
    elif problem := rule(metadata.name):
        yield words.invalid("metadata.name", metadata.name, problem)
    if metadata.namespace:
        yield from words.check("metadata.namespace", metadata.namespace, words.dns_label)
    if metadata.generation < 0:
        yield words.invalid("metadata.generation", metadata.generation, words.AT_LEAST_0)
    yield from words.label_map("metadata.labels", metadata.labels)
    yield from _annotations(metadata.annotations)
    yield from _owners(metadata.owner_references)


def _annotations(annotations: dict[str, str]) -> words.Causes:
    size = 0
    for key, value in annotations.items():
        size += len(key) + len(value.encode())
        if problem := labels.key_problem(key.lower()):
            yield words.invalid("metadata.annotations", key, problem)
    if size > _ANNOTATIONS_LIMIT:
        yield words.too_long("metadata.annotations", _ANNOTATIONS_LIMIT)


def _owners(owners: tuple[meta.OwnerReference, ...]) -> words.Causes:
    controllers: list[str] = []
    for index, owner in enumerate(owners):
        here = f"metadata.ownerReferences[{index}]"
        for field, value in (("apiVersion", owner.api_version), ("kind", owner.kind), ("name", owner.name),
                             ("uid", owner.uid)):
            if not value:
                yield words.invalid(f"{here}.{field}", value, "must not be empty")
        if owner.controller:
            controllers.append(owner.name)
    if len(controllers) > 1:
        yield words.invalid("metadata.ownerReferences", list(owners),
                            'Only one reference can have Controller set to true. Found "true" in references for '
                            + " and ".join(controllers))


def _finalizers(obj: meta.Object) -> words.Causes:
    """Finalizers of built-in kinds are qualified names; custom kinds have older habits."""
    rule = labels.key_problem if isinstance(obj, custom.Custom | apiextensions.CustomResourceDefinition) else _finalizer
    for index, finalizer in enumerate(obj.metadata.finalizers):
        yield from words.check(f"metadata.finalizers[{index}]", finalizer, rule)


def _finalizer(name: str) -> str:
    if problem := labels.key_problem(name):
        return problem
    if "/" in name or name in ("kubernetes", "orphan", "foregroundDeletion"):
        return ""
    return "name is neither a standard finalizer name nor is it fully qualified"


def _metadata_update(new: meta.ObjectMeta, old: meta.ObjectMeta) -> words.Causes:
    for field, ours, theirs in (("name", new.name, old.name), ("namespace", new.namespace, old.namespace),
                                ("uid", new.uid, old.uid),
                                ("creationTimestamp", new.creation_timestamp, old.creation_timestamp)):
        if ours:  # what a client leaves out is taken from the stored object
            yield from words.same(f"metadata.{field}", ours, theirs)
    added = [name for name in new.finalizers if name not in old.finalizers]
    if old.deletion_timestamp and added:
        listed = ", ".join(f'"{name}"' for name in added)
        yield words.forbidden("metadata.finalizers", "no new finalizers can be added if the object is being deleted, "
                                                     f"found new finalizers []string{{{listed}}}")


_NAME_RULES: Mapping[type[meta.Object], Callable[[str], str]] = {
    nodes.Namespace: words.dns_label,
    services.Service: words.dns_label_1035,
    rbac.Role: words.path_segment,
    rbac.ClusterRole: words.path_segment,
    rbac.RoleBinding: words.path_segment,
    rbac.ClusterRoleBinding: words.path_segment,
    apiregistration.APIService: words.path_segment,
    **validation_workloads.NAME_RULES,
}
_CREATE: Mapping[type[meta.Object], Callable[[Any], words.Causes]] = {
    pods.Pod: validation_pods.create,
    services.Service: validation_services.service,
    services.Endpoints: validation_endpoints.endpoints,
    discovery.EndpointSlice: validation_endpoints.endpoint_slice,
    apps.Deployment: validation_apps.deployment,
    apps.ReplicaSet: validation_apps.replica_set,
    apps.DaemonSet: validation_apps.daemon_set,
    apps.ControllerRevision: validation_apps.controller_revision,
    configuration.ConfigMap: validation_objects.config_map,
    configuration.Secret: validation_objects.secret,
    nodes.Node: validation_objects.node,
    coordination.Lease: validation_objects.lease,
    certificates.CertificateSigningRequest: validation_objects.signing_request,
    events.Event: validation_objects.event,
    networking.Ingress: validation_networking.ingress,
    networking.IngressClass: validation_networking.ingress_class,
    networking.NetworkPolicy: validation_network_policies.network_policy,
    scheduling.PriorityClass: validation_registration.priority_class,
    runtime_classes.RuntimeClass: validation_registration.runtime_class,
    apiregistration.APIService: validation_registration.api_service,
    admissionregistration.MutatingWebhookConfiguration: validation_webhooks.configuration,
    admissionregistration.ValidatingWebhookConfiguration: validation_webhooks.configuration,
    replication.ReplicationController: validation_replication.replication_controller,
    replication.PodTemplate: validation_replication.pod_template,
    persistent_volumes.PersistentVolume: validation_persistent_volumes.persistent_volume,
    persistent_volumes.PersistentVolumeClaim: validation_persistent_volumes.persistent_volume_claim,
    quotas.LimitRange: validation_quotas.limit_range,
    quotas.ResourceQuota: validation_quotas.resource_quota,
    storage.StorageClass: validation_storage.storage_class,
    storage.VolumeAttachment: validation_storage.volume_attachment,
    storage.CSINode: validation_storage.csi_node,
    storage.CSIDriver: validation_storage.csi_driver,
    storage.CSIStorageCapacity: validation_storage.csi_storage_capacity,
    rbac.Role: validation_rbac.role,
    rbac.ClusterRole: validation_rbac.cluster_role,
    rbac.RoleBinding: validation_rbac.role_binding,
    rbac.ClusterRoleBinding: validation_rbac.cluster_role_binding,
    apiextensions.CustomResourceDefinition: validation_apiextensions.definition,
    **validation_workloads.CREATE,
}
_ONLY_NEW: Mapping[type[meta.Object], Callable[[Any], words.Causes]] = {
    networking.Ingress: validation_networking.create_ingress,
    pods.Pod: validation_pods.only_new,
    apiextensions.CustomResourceDefinition: validation_apiextensions.only_new,
    **validation_workloads.ONLY_NEW,
}
_STATUS: Mapping[type[meta.Object], Callable[[Any], words.Causes]] = {
    networking.Ingress: validation_networking.ingress_status,
    services.Service: validation_services.status,
    apiregistration.APIService: validation_registration.api_service_status,
    replication.ReplicationController: validation_replication.controller_status,
    persistent_volumes.PersistentVolumeClaim: validation_persistent_volumes.claim_status,
    quotas.ResourceQuota: validation_quotas.quota_status,
    storage.VolumeAttachment: validation_storage.attachment_status,
    apiextensions.CustomResourceDefinition: validation_apiextensions.status,
}
_UPDATE: Mapping[type[meta.Object], Callable[[Any, Any], words.Causes]] = {
    networking.IngressClass: validation_networking.update_ingress_class,
    persistent_volumes.PersistentVolume: validation_persistent_volumes.update_volume,
    persistent_volumes.PersistentVolumeClaim: validation_persistent_volumes.update_claim,
    quotas.ResourceQuota: validation_quotas.update_quota,
    storage.StorageClass: validation_storage.update_class,
    storage.VolumeAttachment: validation_storage.update_attachment,
    storage.CSINode: validation_storage.update_node,
    storage.CSIDriver: validation_storage.update_driver,
    storage.CSIStorageCapacity: validation_storage.update_capacity,
    scheduling.PriorityClass: validation_registration.update_priority_class,
    nodes.Node: validation_objects.update_node,
    runtime_classes.RuntimeClass: validation_registration.update_runtime_class,
    services.Service: validation_services.update,
    discovery.EndpointSlice: validation_endpoints.update_slice,
    apps.Deployment: validation_apps.update,
    apps.ReplicaSet: validation_apps.update,
    apps.DaemonSet: validation_apps.update,
    apps.ControllerRevision: validation_apps.update_revision,
    configuration.ConfigMap: validation_objects.update_config_map,
    configuration.Secret: validation_objects.update_secret,
    certificates.CertificateSigningRequest: validation_objects.update_signing_request,
    rbac.RoleBinding: validation_rbac.update_binding,
    rbac.ClusterRoleBinding: validation_rbac.update_binding,
    apiextensions.CustomResourceDefinition: validation_apiextensions.update,
    **validation_workloads.UPDATE,
}
