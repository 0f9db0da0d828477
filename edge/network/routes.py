"""The cluster's nodes -> the bridge, addresses and routes this node must have."""

from __future__ import annotations

from ipaddress import IPv4Network

from edge.api import topology
from edge.network.interface import Links, Route


def plan(cluster: topology.Cluster, node_name: str) -> Links | None:
    """Return what must exist on `node_name`, or None while the server has given it no pod subnet yet."""
    own = next((node for node in cluster.nodes if node.name == node_name), None)
    if own is None or not own.pod_cidr:
        return None
    network = IPv4Network(own.pod_cidr)
    routes = tuple(Route(node.pod_cidr, node.address) for node in sorted(cluster.nodes, key=lambda node: node.name)
                   if node.name != node_name and node.pod_cidr and node.address and node.address != own.address)
    # Services need a route only so that the node's own packets get as far as the packet rules.
    routes += (Route(cluster.service_cidr, ""),)
    return Links(bridge_address=f"{network[1]}/{network.prefixlen}", dns_address=cluster.dns_address, routes=routes)
