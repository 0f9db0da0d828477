"""Writes the Endpoints of each service that has a selector; those of others belong to whoever made them."""

from __future__ import annotations

from datetime import datetime

import msgspec

from edge.api import core, meta
from edge.controllers import interface, plan, service_pods
from edge.controllers.settings import Settings

_HEADLESS = "service.kubernetes.io/headless"
_MANAGED_BY = "endpoints.kubernetes.io/managed-by"
_NAME = "endpoint-controller"


def controller(_settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    return interface.Controller(
        name="endpoints", reconcile=reconcile,
        sources=(interface.own(core.Service), interface.Source(core.Pod, service_pods.services_of),
                 interface.Source(core.Endpoints, lambda obj, _view: (interface.Key(
                     core.Service, obj.metadata.namespace, obj.metadata.name),))))


def reconcile(key: interface.Key, view: interface.View, _now: datetime) -> plan.Plan:
    """Return what makes the Endpoints list the pods of the service."""
    service = view.get(core.Service, key.name, key.namespace)
    current = view.get(core.Endpoints, key.name, key.namespace)
    if service is None:
        # Like Kubernetes: Endpoints share the name of their service and go with it.
        return plan.Plan((plan.delete(current),)) if current and _is_ours(current) else plan.Plan()
    if not service.spec.selector or service.spec.type == "ExternalName" or service.metadata.deletion_timestamp:
        return plan.Plan()
    subsets = _subsets(service, service_pods.backends(service, view))
    labels = dict(service.metadata.labels) | {_MANAGED_BY: _NAME}
    if service_pods.is_headless(service):
        labels[_HEADLESS] = ""
    if current is None:
        m = meta.ObjectMeta(name=key.name, namespace=key.namespace, labels=labels)
        return plan.Plan((plan.Create(core.Endpoints(api_version="v1", kind="Endpoints", metadata=m,
                                                     subsets=subsets)),))
    if current.subsets == subsets and current.metadata.labels == labels:
        return plan.Plan()
    metadata = msgspec.structs.replace(current.metadata, labels=labels)
    return plan.Plan((plan.Update(msgspec.structs.replace(current, metadata=metadata, subsets=subsets)),))


def _is_ours(current: core.Endpoints) -> bool:
    return current.metadata.labels.get(_MANAGED_BY) == _NAME and current.metadata.deletion_timestamp is None


def _subsets(service: core.Service, found: tuple[service_pods.Backend, ...]) -> tuple[core.EndpointSubset, ...]:
    """Group the addresses by the ports they serve."""
    groups: dict[tuple[service_pods.Port, ...], list[service_pods.Backend]] = {}
    for backend in found:
        if backend.terminating and not service.spec.publish_not_ready_addresses:
            continue
        if backend.ports or not service.spec.ports:
            groups.setdefault(backend.ports, []).append(backend)
    return tuple(core.EndpointSubset(
        addresses=tuple(_address(b) for b in members if b.ready),
        not_ready_addresses=tuple(_address(b) for b in members if not b.ready),
        ports=tuple(core.EndpointPort(name=p.name, port=p.port, protocol=p.protocol, app_protocol=p.app_protocol)
                    for p in ports)) for ports, members in sorted(groups.items()))


def _address(backend: service_pods.Backend) -> core.EndpointAddress:
    return core.EndpointAddress(ip=backend.address, hostname=backend.hostname,
                                node_name=backend.pod.spec.node_name, target_ref=backend.reference)
