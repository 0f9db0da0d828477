"""Which address a pod gets: the next free one of the node's subnet, so that a freed address rests for a while."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network

POD_PREFIX_LENGTH = 32
"""Pods get a /32 and reach everything, also their neighbors, through the node: that way replies of services pass the
node again and get their address translated back."""


class SubnetFull(Exception):
    """Every address of the node's subnet is taken."""


def gateway(cidr: str) -> str:
    """Return the node's own address on its pod bridge: the first of the subnet."""
    return str(IPv4Network(cidr)[1])


def allocate(cidr: str, used: Collection[str], after: str = "") -> str:
    """Return a free address of `cidr`, the first one behind `after` (the address given last), going round at the end.

    Raises:
        SubnetFull: there is none.
    """
    network = IPv4Network(cidr)
    first, last = int(network[2]), int(network[-2])
    start = int(IPv4Address(after)) + 1 if after else first
    if not first <= start <= last:
        start = first
    taken = {int(IPv4Address(address)) for address in used}
    for number in (*range(start, last + 1), *range(first, start)):
        if number not in taken:
            return str(IPv4Address(number))
    raise SubnetFull(f"all {last - first + 1} addresses of {cidr} are taken")
