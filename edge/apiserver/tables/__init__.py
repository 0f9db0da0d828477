"""Server-side tables: the columns and cells `kubectl get` prints, made from objects as they are stored.

A kind is one small printer function beside its columns, and one line in `_PRINTERS`; the rest shows name and age.
https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from edge.api.scheme import Resource
from edge.apiserver.tables import access, cluster, network, pods, storage, workloads
from edge.apiserver.tables.columns import AGE, NAME, Cell, Obj, Printer, age, columns, name

_KIND = {"kind": "Table", "apiVersion": "meta.k8s.io/v1"}


def _name_and_age(obj: Obj, now: datetime) -> list[Cell]:
    return [name(obj), age(obj, now)]


_DEFAULT = Printer(columns(NAME, AGE), _name_and_age)

_PRINTERS: dict[str, Printer] = {
    "configmaps": cluster.CONFIG_MAP,
    "endpoints": network.ENDPOINTS,
    "events": cluster.EVENT,
    "namespaces": cluster.NAMESPACE,
    "nodes": cluster.NODE,
    "persistentvolumeclaims": storage.CLAIM,
    "persistentvolumes": storage.VOLUME,
    "pods": pods.POD,
    "secrets": cluster.SECRET,
    "serviceaccounts": cluster.SERVICE_ACCOUNT,
    "services": network.SERVICE,
    "certificatesigningrequests.certificates.k8s.io": cluster.SIGNING_REQUEST,
    "clusterrolebindings.rbac.authorization.k8s.io": access.BINDING,
    "clusterroles.rbac.authorization.k8s.io": access.ROLE,
    "controllerrevisions.apps": workloads.CONTROLLER_REVISION,
    "cronjobs.batch": workloads.CRON_JOB,
    "daemonsets.apps": workloads.DAEMON_SET,
    "deployments.apps": workloads.DEPLOYMENT,
    "endpointslices.discovery.k8s.io": network.ENDPOINT_SLICE,
    "events.events.k8s.io": cluster.EVENT,
    "ingresses.networking.k8s.io": network.INGRESS,
    "jobs.batch": workloads.JOB,
    "leases.coordination.k8s.io": cluster.LEASE,
    "networkpolicies.networking.k8s.io": network.NETWORK_POLICY,
    "replicasets.apps": workloads.REPLICA_SET,
    "rolebindings.rbac.authorization.k8s.io": access.BINDING,
    "roles.rbac.authorization.k8s.io": access.ROLE,
    "statefulsets.apps": workloads.STATEFUL_SET,
    "storageclasses.storage.k8s.io": storage.STORAGE_CLASS,
}


def table(resource: Resource, objects: Sequence[Mapping[str, Any]], now: datetime, *,
          include_object: str = "Metadata", metadata: Mapping[str, Any] | None = None,
          header: bool = True) -> dict[str, Any]:
    """Return objects of one kind as a Table.

    Args:
        resource: what the objects are.
        objects: stored objects, decoded.
        now: for ages.
        include_object: what a row carries of its object: `Metadata`, `Object` or `None`.
        metadata: the list's own: resourceVersion, continue, remainingItemCount.
        header: whether to send the columns; a watch sends them with its first event only.
    """
    printer = _PRINTERS.get(resource.group_resource, _DEFAULT)
    definitions = [column.definition() for column in printer.columns] if header else []
    rows = [{"cells": printer.cells(dict(obj), now)} | _carried(obj, include_object) for obj in objects]
    return {**_KIND, "metadata": dict(metadata or {}), "columnDefinitions": definitions, "rows": rows}


def _carried(obj: Mapping[str, Any], include_object: str) -> dict[str, Any]:
    if include_object == "None":
        return {}
    if include_object == "Object":
        return {"object": dict(obj)}
    return {"object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                       "metadata": obj.get("metadata", {})}}
