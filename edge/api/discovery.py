"""The discovery.k8s.io group: EndpointSlices, the addresses behind services in pieces that stay small."""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc
from edge.api.resource import Resource


class EndpointConditions(meta.Struct):
    """State of an endpoint; absent means unknown."""

    ready: Annotated[bool | None, doc(
        "True when traffic may be sent there; never while the pod is terminating.")] = None
    serving: Annotated[bool | None, doc("True when the pod is ready, also while it is terminating.")] = None
    terminating: Annotated[bool | None, doc("True when the pod is being deleted.")] = None


class ForZone(meta.Struct):
    """A zone."""

    name: Annotated[str, doc("Name of the zone.", required=True)] = ""


class EndpointHints(meta.Struct):
    """Who should use an endpoint."""

    for_zones: Annotated[tuple[ForZone, ...], doc("Zones whose clients should use it.", list_type="atomic")] = ()


class Endpoint(meta.Struct):
    """One pod behind a service."""

    addresses: Annotated[tuple[str, ...], doc(
        "Addresses of the pod, all of the slice's family; the first is used.",
        list_type="set", required=True)] = meta.written(tuple)
    conditions: Annotated[EndpointConditions, doc("State of the endpoint.")] = EndpointConditions()
    hostname: Annotated[str, doc("Name of the endpoint below the service's.")] = ""
    target_ref: Annotated[meta.ObjectReference | None, doc("The pod.")] = None
    deprecated_topology: Annotated[dict[str, str], doc("Labels from older versions.")] = {}
    node_name: Annotated[str, doc("Node the endpoint is on.")] = ""
    zone: Annotated[str, doc("Zone the endpoint is in.")] = ""
    hints: Annotated[EndpointHints | None, doc("Who should use it.")] = None


class EndpointPort(meta.Struct):
    """One port of all endpoints of the slice."""

    name: Annotated[str, doc("Name of the service's port; empty for the only one.")] = meta.written(str)
    protocol: Annotated[str, doc("TCP (default), UDP or SCTP.")] = ""
    port: Annotated[int | None, doc("Port number; absent for all ports.")] = None
    app_protocol: Annotated[str, doc("What is spoken there.")] = ""


class EndpointSlice(meta.Object):
    """Some of the addresses behind a service, named by the label kubernetes.io/service-name."""

    address_type: Annotated[str, doc("IPv4, IPv6 or FQDN; cannot change.", required=True)] = ""
    endpoints: Annotated[tuple[Endpoint, ...], doc(
        "The endpoints, at most 1000.", list_type="atomic", required=True)] = meta.written(tuple)
    ports: Annotated[tuple[EndpointPort, ...], doc("Ports of every endpoint, at most 100.", list_type="atomic")] = ()


RESOURCES = (
    Resource(group="discovery.k8s.io", version="v1", kind="EndpointSlice", plural="endpointslices", type=EndpointSlice,
             old_versions=("discovery.k8s.io/v1beta1",)),
)
