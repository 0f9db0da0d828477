"""Server-side tables: the columns and cells `kubectl get` prints, made from objects as they are stored.

A kind is one small printer function beside its columns, and one line in `_PRINTERS`; the rest shows name and age.
https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from edge.api.custom import CustomResource
from edge.api.scheme import Resource
from edge.apiserver.tables import (
    access,
    autoscaling,
    cluster,
    custom,
    network,
    pods,
    quotas,
    registration,
    replication,
    storage,
    workloads,
)
from edge.apiserver.tables.columns import AGE, NAME, Cell, Obj, Printer, age, columns, name

_KIND = {"kind": "Table", "apiVersion": "meta.k8s.io/v1"}


def _name_and_age(obj: Obj, now: datetime) -> list[Cell]:
    return [name(obj), age(obj, now)]


_DEFAULT = Printer(columns(NAME, AGE), _name_and_age)

_PRINTERS: dict[str, Printer] = {
    "componentstatuses": quotas.COMPONENT_STATUS,
    "configmaps": cluster.CONFIG_MAP,
    "endpoints": network.ENDPOINTS,
    "events": cluster.EVENT,
    "limitranges": quotas.LIMIT_RANGE,
    "namespaces": cluster.NAMESPACE,
    "nodes": cluster.NODE,
    "persistentvolumeclaims": storage.CLAIM,
    "persistentvolumes": storage.VOLUME,
    "pods": pods.POD,
    "podtemplates": replication.POD_TEMPLATE,
    "replicationcontrollers": replication.REPLICATION_CONTROLLER,
    "resourcequotas": quotas.RESOURCE_QUOTA,
    "secrets": cluster.SECRET,
    "serviceaccounts": cluster.SERVICE_ACCOUNT,
    "services": network.SERVICE,
    "apiservices.apiregistration.k8s.io": registration.API_SERVICE,
    "certificatesigningrequests.certificates.k8s.io": cluster.SIGNING_REQUEST,
    "clusterrolebindings.rbac.authorization.k8s.io": access.BINDING,
    "clusterroles.rbac.authorization.k8s.io": access.ROLE,
    "controllerrevisions.apps": workloads.CONTROLLER_REVISION,
    "cronjobs.batch": workloads.CRON_JOB,
    "csidrivers.storage.k8s.io": storage.DRIVER,
    "csinodes.storage.k8s.io": storage.NODE,
    "csistoragecapacities.storage.k8s.io": storage.CAPACITY,
    "customresourcedefinitions.apiextensions.k8s.io": custom.DEFINITION,
    "daemonsets.apps": workloads.DAEMON_SET,
    "deployments.apps": workloads.DEPLOYMENT,
    "endpointslices.discovery.k8s.io": network.ENDPOINT_SLICE,
    "events.events.k8s.io": cluster.EVENT,
    "horizontalpodautoscalers.autoscaling": autoscaling.AUTOSCALER,
    "ingressclasses.networking.k8s.io": network.INGRESS_CLASS,
    "ingresses.networking.k8s.io": network.INGRESS,
    "jobs.batch": workloads.JOB,
    "leases.coordination.k8s.io": cluster.LEASE,
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": registration.WEBHOOKS,
    "networkpolicies.networking.k8s.io": network.NETWORK_POLICY,
    "poddisruptionbudgets.policy": workloads.DISRUPTION_BUDGET,
    "priorityclasses.scheduling.k8s.io": registration.PRIORITY_CLASS,
    "replicasets.apps": workloads.REPLICA_SET,
    "rolebindings.rbac.authorization.k8s.io": access.BINDING,
    "roles.rbac.authorization.k8s.io": access.ROLE,
    "runtimeclasses.node.k8s.io": registration.RUNTIME_CLASS,
    "statefulsets.apps": workloads.STATEFUL_SET,
    "storageclasses.storage.k8s.io": storage.STORAGE_CLASS,
    "validatingwebhookconfigurations.admissionregistration.k8s.io": registration.WEBHOOKS,
    "volumeattachments.storage.k8s.io": storage.ATTACHMENT,
}


def table(resource: Resource, objects: Sequence[Mapping[str, Any]], now: datetime, *, api_version: str = "",
          include_object: str = "Metadata", metadata: Mapping[str, Any] | None = None,
          header: bool = True) -> dict[str, Any]:
    """Return objects of one kind as a Table.

    Args:
        resource: what the objects are.
        objects: stored objects, decoded.
        now: for ages.
        api_version: the version asked for; each version of a custom kind has columns of its own.
        include_object: what a row carries of its object: `Metadata`, `Object` or `None`.
        metadata: the list's own: resourceVersion, continue, remainingItemCount.
        header: whether to send the columns; a watch sends them with its first event only.
    """
    printer = _printer(resource, api_version)
    definitions = [column.definition() for column in printer.columns] if header else []
    rows = [{"cells": printer.cells(dict(obj), now)} | _carried(obj, include_object) for obj in objects]
    return {**_KIND, "metadata": dict(metadata or {}), "columnDefinitions": definitions, "rows": rows}


def _printer(resource: Resource, api_version: str) -> Printer:
    if not isinstance(resource, CustomResource):
        return _PRINTERS.get(resource.group_resource, _DEFAULT)
    version = resource.version_of(api_version)
    return custom.printer(version.columns) if version else _DEFAULT


def _carried(obj: Mapping[str, Any], include_object: str) -> dict[str, Any]:
    if include_object == "None":
        return {}
    if include_object == "Object":
        return {"object": dict(obj)}
    return {"object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                       "metadata": obj.get("metadata", {})}}
