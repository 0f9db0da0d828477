"""What every node must know of the rest of the cluster, for its routes, packet rules and DNS.

These are no API objects: the server derives them from Services, EndpointSlices and Nodes, the bus carries them, and
the network packages of every node read them.
"""

from __future__ import annotations

import msgspec


class ServicePort(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One port of a service with its ready backends as (address, port)."""

    name: str = ""
    protocol: str = "TCP"
    port: int
    node_port: int = 0
    backends: tuple[tuple[str, int], ...] = ()
    app_protocol: str = ""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One address behind a service, for DNS: headless services list these; `hostname` names it."""

    address: str
    hostname: str = ""
    node: str = ""
    ready: bool = True


class Service(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A service with its ready endpoints, for the packet rules and the DNS of every node."""

    namespace: str
    name: str
    type: str = "ClusterIP"
    cluster_ip: str = ""
    """"None" for a headless service."""
    external_name: str = ""
    external_ips: tuple[str, ...] = ()
    load_balancer_ips: tuple[str, ...] = ()
    session_affinity_seconds: int = 0
    """0: no affinity."""
    external_traffic_policy: str = "Cluster"
    publish_not_ready: bool = False
    ports: tuple[ServicePort, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()


class Node(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One node as the others must know it."""

    name: str
    address: str = ""
    pod_cidr: str = ""


class Cluster(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The cluster as every node knows it: the nodes, for routes, and the settings all share."""

    nodes: tuple[Node, ...] = ()
    pod_cidr: str = "10.244.0.0/16"
    service_cidr: str = "10.96.0.0/12"
    dns_address: str = "10.96.0.10"
    domain: str = "cluster.local"
