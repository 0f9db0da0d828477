"""Writes the EndpointSlices of each service: from its pods, or mirrored from Endpoints somebody wrote by hand.

Slices have names that follow from service, ports and position, so that one that was written is never written twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

import msgspec

from edge.api import core, discovery, meta
from edge.controllers import indexes, interface, ownership, plan, service_pods
from edge.controllers.settings import Settings

LARGEST = 100
"""Endpoints in one slice."""
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_NAME = "endpointslice-controller.k8s.io"
_MIRROR_NAME = "endpointslicemirroring-controller.k8s.io"

Content = dict[tuple[service_pods.Port, ...], list[discovery.Endpoint]]


def controller(_settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    def same_name(obj: meta.Object, _view: interface.View) -> Iterable[interface.Key]:
        return (interface.Key(core.Service, obj.metadata.namespace, obj.metadata.name),)
    return interface.Controller(
        name="endpointslice", reconcile=reconcile,
        sources=(interface.own(core.Service), interface.Source(core.Pod, service_pods.services_of),
                 interface.Source(core.Endpoints, same_name),
                 interface.controlled_by(core.Service, discovery.EndpointSlice)))


def reconcile(key: interface.Key, view: interface.View, _now: datetime) -> plan.Plan:
    """Return what makes the slices list what stands behind the service; without the service they are collected."""
    service = view.get(core.Service, key.name, key.namespace)
    if service is None or service.metadata.deletion_timestamp is not None:
        return plan.Plan()
    content: Content = {}
    if service.spec.type != "ExternalName":
        content = _of_pods(service, view) if service.spec.selector else _mirrored(service, view)
    wanted = {obj.metadata.name: obj for obj in _slices(service, content)}
    current = {obj.metadata.name: obj for obj in view.indexed(discovery.EndpointSlice, indexes.OWNER,
                                                             service.metadata.uid)}
    actions: list[plan.Action] = []
    for name, obj in wanted.items():
        found = current.get(name)
        if found is None:
            actions.append(plan.Create(obj))
        elif (found.endpoints, found.ports, found.metadata.labels) != (obj.endpoints, obj.ports, obj.metadata.labels):
            metadata = msgspec.structs.replace(found.metadata, labels=obj.metadata.labels)
            actions.append(plan.Update(msgspec.structs.replace(found, metadata=metadata, endpoints=obj.endpoints,
                                                               ports=obj.ports)))
    actions += [plan.delete(obj) for name, obj in current.items()
                if name not in wanted and obj.metadata.deletion_timestamp is None]
    return plan.Plan(tuple(actions))


def _of_pods(service: core.Service, view: interface.View) -> Content:
    content: Content = {}
    for backend in service_pods.backends(service, view):
        if backend.ports or not service.spec.ports:
            content.setdefault(backend.ports, []).append(discovery.Endpoint(
                addresses=(backend.address,), hostname=backend.hostname, node_name=backend.pod.spec.node_name,
                target_ref=backend.reference, conditions=discovery.EndpointConditions(
                    ready=backend.ready, serving=backend.serving, terminating=backend.terminating)))
    return content


def _mirrored(service: core.Service, view: interface.View) -> Content:
    endpoints = view.get(core.Endpoints, service.metadata.name, service.metadata.namespace)
    if endpoints is None or endpoints.metadata.labels.get("endpointslice.kubernetes.io/skip-mirror") == "true":
        return {}
    content: Content = {}
    for subset in endpoints.subsets:
        ports = tuple(service_pods.Port(p.name, p.port, p.protocol or "TCP", p.app_protocol) for p in subset.ports)
        listed = content.setdefault(ports, [])
        for ready, addresses in ((True, subset.addresses), (False, subset.not_ready_addresses)):
            listed += [discovery.Endpoint(addresses=(a.ip,), hostname=a.hostname, node_name=a.node_name,
                                          target_ref=a.target_ref,
                                          conditions=discovery.EndpointConditions(ready=ready)) for a in addresses]
    return content


def _slices(service: core.Service, content: Content) -> Iterable[discovery.EndpointSlice]:
    m = service.metadata
    labels = {key: value for key, value in m.labels.items() if key != "service.kubernetes.io/headless"}
    labels |= {SERVICE_NAME: m.name, MANAGED_BY: _NAME if service.spec.selector else _MIRROR_NAME}
    if service_pods.is_headless(service):
        labels["service.kubernetes.io/headless"] = ""
    ref = ownership.controller_ref("Service", "v1", service)
    for ports, endpoints in (content or {(): []}).items():
        for start in range(0, max(1, len(endpoints)), LARGEST):
            part = tuple(endpoints[start:start + LARGEST])
            family = "IPv6" if part and ":" in part[0].addresses[0] else "IPv4"
            yield discovery.EndpointSlice(
                api_version="discovery.k8s.io/v1", kind="EndpointSlice", address_type=family, endpoints=part,
                metadata=meta.ObjectMeta(name=f"{m.name[:240]}-{_suffix(m.uid, ports, start)}",
                                         generate_name=f"{m.name[:240]}-",
                                         namespace=m.namespace, labels=labels, owner_references=(ref,)),
                ports=tuple(discovery.EndpointPort(name=p.name, protocol=p.protocol, port=p.port,
                                                   app_protocol=p.app_protocol) for p in ports))


def _suffix(uid: str, ports: tuple[service_pods.Port, ...], start: int) -> str:
    text = repr((uid, [(p.name, p.port, p.protocol) for p in ports], start))
    return hashlib.sha256(text.encode()).hexdigest()[:8]
