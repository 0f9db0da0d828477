"""Services and Endpoints: one stable address for a changing set of pods."""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc
from edge.api.resource import Resource


class ServicePort(meta.Struct):
    """A port of the service, and where it leads."""

    name: Annotated[str, doc("Name of the port; may be empty only when there is one port.")] = ""
    protocol: Annotated[str, doc("TCP (default), UDP or SCTP.")] = ""
    app_protocol: Annotated[str, doc("What is spoken there, such as http; a hint for proxies.")] = ""
    port: Annotated[int, doc("Port the service listens on, 1 to 65535.", required=True)] = meta.written(int)
    target_port: Annotated[meta.IntOrString | None, doc(
        "Port of the pods, as a number or the name of a container port; equal to port by default.")] = None
    node_port: Annotated[int, doc(
        "Port of every node that leads here, for NodePort and LoadBalancer; chosen when 0.")] = 0


class ClientIPConfig(meta.Struct):
    """Settings of affinity by client address."""

    timeout_seconds: Annotated[int | None, doc(
        "Seconds a client stays with its pod, 1 to 86400; 10800 (3 hours) by default.")] = None


class SessionAffinityConfig(meta.Struct):
    """Settings of session affinity."""

    client_ip: Annotated[ClientIPConfig | None, doc("Settings of ClientIP affinity.")] = None


class ServiceSpec(meta.Struct):
    """Which pods, and how they are reached."""

    ports: Annotated[tuple[ServicePort, ...], doc(
        "Ports of the service.", merge_key="port", list_type="map", list_map_keys=("port", "protocol"))] = ()
    selector: Annotated[dict[str, str], doc("Labels of the pods; without any, endpoints are kept by hand.")] = {}
    cluster_ip: Annotated[str, doc(
        "Address of the service in the cluster; chosen when empty, None for a headless service.")] = ""
    cluster_ips: Annotated[tuple[str, ...], doc(
        "Addresses of each family; the first equals clusterIP.", list_type="atomic")] = ()
    type: Annotated[str, doc("ClusterIP (default), NodePort, LoadBalancer or ExternalName.")] = ""
    external_ips: Annotated[tuple[str, ...], doc(
        "Further addresses, routed to a node by others, that lead here.", list_type="atomic")] = ()
    session_affinity: Annotated[str, doc("ClientIP keeps a client with one pod; None by default.")] = ""
    load_balancer_ip: Annotated[str, doc("Address wished for from the pool.")] = ""
    load_balancer_source_ranges: Annotated[tuple[str, ...], doc(
        "Client ranges that may use the load balancer; all when empty.", list_type="atomic")] = ()
    external_name: Annotated[str, doc("Name that ExternalName answers with, as a CNAME record.")] = ""
    external_traffic_policy: Annotated[str, doc(
        "Cluster (default) or Local, which keeps the client's address and uses only pods of the node reached.")] = ""
    health_check_node_port: Annotated[int, doc("Port that tells whether a node has pods, for policy Local.")] = 0
    publish_not_ready_addresses: Annotated[bool, doc("True also lists pods that are not ready.")] = False
    session_affinity_config: Annotated[SessionAffinityConfig | None, doc("Settings of session affinity.")] = None
    ip_families: Annotated[tuple[str, ...], doc("IPv4, IPv6 or both.", list_type="atomic")] = ()
    ip_family_policy: Annotated[str, doc("SingleStack, PreferDualStack or RequireDualStack.")] = ""
    allocate_load_balancer_node_ports: Annotated[bool | None, doc(
        "False gives a LoadBalancer no node ports; true by default.")] = None
    load_balancer_class: Annotated[str, doc("Who carries out the load balancer; the rack itself when empty.")] = ""
    internal_traffic_policy: Annotated[str, doc("Cluster (default), or Local for only pods of the client's node.")] = ""
    traffic_distribution: Annotated[str, doc("PreferClose prefers pods near the client.")] = ""


class PortStatus(meta.Struct):
    """State of one port of the load balancer."""

    port: Annotated[int, doc("Port number.", required=True)] = meta.written(int)
    protocol: Annotated[str, doc("TCP, UDP or SCTP.", required=True)] = ""
    error: Annotated[str, doc("Why it could not be set up; empty when it was.")] = ""


class LoadBalancerIngress(meta.Struct):
    """Where the load balancer is reached."""

    ip: Annotated[str, doc("Address.")] = ""
    hostname: Annotated[str, doc("Name, where there is no address.")] = ""
    ip_mode: Annotated[str, doc("VIP when packets keep the address as destination, Proxy when they do not.")] = ""
    ports: Annotated[tuple[PortStatus, ...], doc("State of its ports.", list_type="atomic")] = ()


class LoadBalancerStatus(meta.Struct):
    """State of the load balancer."""

    ingress: Annotated[tuple[LoadBalancerIngress, ...], doc(
        "Where it is reached; empty until it is set up.", list_type="atomic")] = ()


class ServiceStatus(meta.Struct):
    """State of the service."""

    load_balancer: Annotated[LoadBalancerStatus, doc("State of the load balancer.")] = LoadBalancerStatus()
    conditions: Annotated[tuple[meta.WholeCondition, ...], doc(
        "State of the service in conditions.", merge_key="type", list_type="map", list_map_keys=("type",))] = ()


class Service(meta.Object):
    """One address for a set of pods."""

    spec: Annotated[ServiceSpec, doc("Which pods, and how they are reached.")] = ServiceSpec()
    status: Annotated[ServiceStatus, doc("State of the service.")] = ServiceStatus()


class EndpointAddress(meta.Struct):
    """One address behind a service."""

    ip: Annotated[str, doc("The address.", required=True)] = ""
    hostname: Annotated[str, doc("Name of the address below the service's.")] = ""
    node_name: Annotated[str, doc("Node the address is on.")] = ""
    target_ref: Annotated[meta.ObjectReference | None, doc("The pod.")] = None


class EndpointPort(meta.Struct):
    """One port of the addresses."""

    name: Annotated[str, doc("Name of the service's port.")] = ""
    port: Annotated[int, doc("Port number.", required=True)] = meta.written(int)
    protocol: Annotated[str, doc("TCP (default), UDP or SCTP.")] = ""
    app_protocol: Annotated[str, doc("What is spoken there.")] = ""


class EndpointSubset(meta.Struct):
    """Addresses that share the same ports."""

    addresses: Annotated[tuple[EndpointAddress, ...], doc("Addresses that are ready.", list_type="atomic")] = ()
    not_ready_addresses: Annotated[tuple[EndpointAddress, ...], doc(
        "Addresses that are not ready.", list_type="atomic")] = ()
    ports: Annotated[tuple[EndpointPort, ...], doc("Ports of all the addresses.", list_type="atomic")] = ()


class Endpoints(meta.Object):
    """The addresses behind the service of the same name."""

    subsets: Annotated[tuple[EndpointSubset, ...], doc("The addresses, by ports.", list_type="atomic")] = ()


RESOURCES = (
    Resource(group="", version="v1", kind="Service", plural="services", type=Service, short_names=("svc",),
             categories=("all",), subresources=("proxy", "status"), returns_deleted=True),
    Resource(group="", version="v1", kind="Endpoints", plural="endpoints", type=Endpoints, short_names=("ep",)),
)
